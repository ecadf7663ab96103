-- `send` outside the loop, in a script that calls nothing else: it also reads what the
-- peer has sent, though nobody turns the loop.

local socket = require "socket"
local websock = require "websock"
local ends = require "support.ends"
local frames = require "support.frames"
local raw = require "support.raw"
local secure = require "support.secure"
local wss = require "support.wss"

-- A client of ours and a raw server over TLS.
local function secure_client(options)
  local listener <close> = raw.server()
  local peer
  websock.spawn(function()
    peer = assert(secure.wrap(assert(listener:accept()), secure.server_params "server"))
    peer:welcome()
  end)
  local ws = wss.connect(listener.port, nil, nil, options)
  ends.at_end(function() peer:close() end)
  return ws, peer
end

-- A server's connection and a raw client over TLS.
local function secure_server(options)
  local ws, thread
  local all = {handler = function(connection)
    ws, thread = connection, coroutine.running()
    websock.park()
  end}
  for name, value in pairs(options or {}) do all[name] = value end
  local peer = assert(secure.client(ends.port(wss.serve(all))))
  peer:send(frames.request())
  assert.matches(" 101 ", (assert(peer:head())))
  ends.turn_until(function() return thread end)
  ends.at_end(function()
    websock.wake(thread)
    peer:close()
  end)
  return ws, peer
end

local WAYS = {
  ["client, ws"] = {make = ends.client, say = frames.plain},
  ["server, ws"] = {make = ends.server, say = frames.masked},
  ["client, wss"] = {make = secure_client, say = frames.plain},
  ["server, wss"] = {make = secure_server, say = frames.masked},
}

-- Waits for bytes without turning the loop.
local function wait_for(object)
  local fd = object:getfd()
  local watched = {getfd = function() return fd end, dirty = function() return false end}
  assert(socket.select({watched}, nil, raw.patience)[watched], "nothing has come")
end

-- The peer's next frame, without a turn of the loop.
local function next_frame(peer)
  while true do
    local frame, after = frames.parse(peer.buffer)
    if frame then
      peer.buffer = peer.buffer:sub(after)
      return frame
    end
    local bytes, err, partial = peer.sock:receive(65536)
    bytes = bytes or partial
    peer.buffer = peer.buffer .. bytes
    if bytes == "" then
      if err ~= "timeout" then return nil, err end
      wait_for(peer.sock)
    end
  end
end


describe("send outside the loop", function()
  after_each(function() ends.finish() end)

  for name, way in pairs(WAYS) do
    describe("(" .. name .. ")", function()
      local ws, peer, turned

      -- Opens the connection, and spawns a coroutine that notes whether the loop turns.
      local function begin(options)
        ws, peer = way.make(options)
        turned = false
        websock.spawn(function() turned = true end)
      end

      -- Sends bytes of the peer, which have arrived when this returns.
      local function bring(bytes)
        peer.sock:send(bytes)
        wait_for(ws)
      end

      -- Sends until done: records of TLS's own may come before the peer's bytes.
      local function send_until(done)
        local deadline = socket.gettime() + raw.patience
        repeat
          assert(socket.gettime() < deadline, "it took too long")
          local ok, err, code, reason = ws:send "tick"
        until done(ok, err, code, reason)
      end

      local function frames_until(opcode)
        local frame
        repeat frame = assert(next_frame(peer)) until frame.opcode == opcode
        return frame
      end

      it("answers pings", function()
        begin()
        for i = 1, 3 do
          bring(way.say("ping", "beat " .. i))
          send_until(function(ok)
            assert.is_true(ok)
            local frame = next_frame(peer)
            if frame.opcode == 1 then frame = next_frame(peer) end
            return frame.opcode == 10 and frame.payload == "beat " .. i
          end)
        end
        assert.is_false(turned)
      end)

      it("notices a Close, and answers it", function()
        begin()
        bring(way.say("close", frames.close_payload(1001, "gone")))
        send_until(function(ok, err, code, reason)
          if ok then return false end
          assert.same({"closed", 1001, "gone"}, {err, code, reason})
          return true
        end)
        assert.equal(1001, (string.unpack(">I2", frames_until(8).payload)))
        assert.is_false(turned)
      end)

      it("leaves messages to be received", function()
        begin()
        bring(way.say("text", "one") .. way.say("ping", "") .. way.say("text", "two"))
        send_until(function() return next_frame(peer).opcode == 10 end)
        assert.is_false(turned)
        ends.turn_until(function() return true end)
        local got = {}
        ends.turn_until(function()
          got[#got + 1] = ws:receive(0)
          return #got == 2
        end)
        assert.same({"one", "two"}, got)
      end)

      it("reads no more ahead than a turn does", function()
        begin {max_message = 1 << 20}
        local message = way.say("binary", ("x"):rep(1000))
        for _ = 1, 400 do peer.sock:send(message) end
        local _, conn = next(ws)
        for _ = 1, 100 do assert(ws:send "tick") end
        assert.is_true(conn:unread() <= 2 * 65536, conn:unread())
        ws:abort()
      end)
    end)
  end
end)
