-- Deadlines, as in deadline_spec.lua: those of calls with a timeout, and those of a
-- process that was stopped.

local websock = require "websock"
local certificates = require "support.certificates"
local crowd = require "support.crowd"
local deadlines = require "support.deadlines"
local ends = require "support.ends"
local frames = require "support.frames"
local process = require "support.process"
local raw = require "support.raw"
local secure = require "support.secure"

local MANY = deadlines.MANY
local busy = deadlines.busy
local in_time = deadlines.in_time
local all_get = deadlines.all_get
local noise = deadlines.noise

describe("deadlines #heavy", function()
  after_each(function() ends.finish() end)

  describe("of a call:", function()
    -- Opens a connection behind many that are read before it; act(ws, timeout) waits in
    -- a coroutine, and has to return the values after `meanwhile`.
    local function behind_many(act, meanwhile, ...)
      local expected, timeout = table.pack(...), 0.2
      local server, list = crowd.open(MANY, {ping_interval = false})
      local one = crowd.join(server, list)
      local results
      websock.spawn(function() results = table.pack(act(one.ws, timeout)) end)
      websock.step()
      for i = 1, MANY do list[i].peer:masked("text", "x") end
      meanwhile(one.peer, one.ws)
      busy(timeout + 0.1)
      ends.turn_until(function() return results end)
      assert.same(expected, results)
    end

    it("receive gets what has arrived", function()
      behind_many(function(ws, timeout) return ws:receive(timeout) end,
        function(peer) peer:masked("text", "in time") end, "in time", "text")
    end)

    it("receive_part gets it", function()
      behind_many(function(ws, timeout) return ws:receive_part(timeout) end,
        function(peer) peer:masked("text", "in time") end, "in time", "text", true)
    end)

    it("ping finds its pong", function()
      behind_many(function(ws, timeout) return ws:ping("p", timeout) ~= nil end,
        function(peer)
          assert.equal("p", peer:frame().payload)
          peer:masked("pong", "p")
        end, true)
    end)

    it("close finds the peer's Close", function()
      behind_many(function(ws, timeout) return ws:close(1000, "", timeout) end,
        function(peer)
          assert.equal(1000, (peer:closed()))
          peer:masked("close", frames.close_payload(1000))
        end, true)
    end)

    it("send finds room", function()
      behind_many(function(ws, timeout)
        while ws:send(("x"):rep(500000), "binary", {timeout = 0}) do end
        return ws:send("y", "text", {timeout = timeout})
      end, function(peer)
        repeat  -- everything that the kernel has
          local bytes, _, partial = peer.sock:receive(65536)
        until not bytes and partial == ""
      end, true)
    end)

    it("wait finds its descriptor ready", function()
      local listener <close> = raw.server()
      local one = raw.client(listener.port)
      local other = assert(listener:accept())
      behind_many(function(_, timeout) return websock.wait(other.sock, "r", timeout) end,
        function() one:send "x" end, true)
      one:close()
      other:close()
    end)

    for transport, is_secure in pairs {ws = false, wss = true} do
      it(("connect finds the answer (%s)"):format(transport), function()
        in_time(function(timeout)
          local speak = noise()
          local listener <close> = raw.server()
          local ws, err, peer
          websock.spawn(function()
            local options = {timeout = timeout, tls = is_secure and {verify = false} or nil}
            ws, err = websock.connect((is_secure and "wss" or "ws") .. "://127.0.0.1:"
              .. listener.port, options)
          end)
          peer = assert(listener:accept())
          if is_secure then peer = assert(secure.wrap(peer, secure.server_params "server")) end
          local _, fields = assert(peer:head())
          local answer = frames.response(nil, raw.accept_key(fields["sec-websocket-key"]))
          return function()
            for _ = 1, 3 do websock.step(0) end  -- what is ready already comes first
            speak()
            assert(peer:send(answer))
            busy(timeout * 1.2)
            ends.turn_until(function() return ws or err end)
            assert.is_nil(err)
            ws:abort()
            peer:close()
          end
        end)
      end)
    end

    it("stop finds the peers' Close frames", function()
      in_time(function(timeout)
        local server, list = crowd.open(MANY)
        local done
        websock.spawn(function()
          server:stop(timeout)
          done = true
        end)
        websock.step()
        websock.step()
        return function()
          for _, one in ipairs(list) do
            assert.equal(1001, (one.peer:closed()))
            one.peer:masked("close", frames.close_payload(1001))
          end
          busy(timeout * 1.2)
          ends.turn_until(function() return done end)
          for _, one in ipairs(list) do assert.is_true(one.ws.close_clean) end
        end
      end)
    end)
  end)

  describe("of a process that was stopped:", function()
    local SERVER = [[
      local websock = require "websock"
      local timeout = %g
      local server = assert(websock.listen {
        port = 0, tls = %s, idle_timeout = timeout, handshake_timeout = timeout,
        handler = function(ws)
          for message in ws:messages() do ws:send(message) end
        end})
      websock.spawn(function()
        print("port " .. select(2, server:getsockname()))
        local told
        while true do
          if server.n_links ~= told then
            told = server.n_links
            print("links " .. told .. ".")
            io.stdout:flush()
          end
          websock.sleep(0.01)
        end
      end)
      websock.run()]]

    local function start(poller, transport, timeout)
      local tls = "nil"
      if transport == "wss" then
        local made = certificates.server
        tls = ("{cert = %q, key = %q}"):format(made.chain, made.key)
      end
      local child = process.start(process.lua("-e", SERVER:format(timeout, tls)),
        {env = {WEBSOCK_POLLER = poller, LD_PRELOAD = os.getenv "SANITIZED"},
          turn = websock.step})
      ends.at_end(function() child:stop() end)
      return child, child:expect "port (%d+)"
    end

    -- Peers of the child, connected by connect(peer).
    local function peers_of(child, port, transport, timeout, connect)
      local peers = {}
      for i = 1, transport == "wss" and 20 or 600 do
        local peer = raw.client(port)
        if transport == "wss" then peer = assert(secure.wrap(peer, {})) end
        ends.at_end(function() peer:close() end)
        connect(peer)
        peers[i] = peer
      end
      child:expect("links (" .. #peers .. ")%.", timeout)
      return peers
    end

    -- Makes each peer send what the child can read only when it goes on. Returns whether
    -- it was stopped before its first deadline.
    local function while_stopped(child, begun, timeout, peers, bytes)
      child:signal "STOP"
      local is_early = websock.now() < begun + timeout
      for _, peer in ipairs(peers) do assert(peer:send(bytes)) end
      busy(timeout * 1.2)
      child:signal "CONT"
      return is_early
    end

    for _, poller in ipairs {"epoll", "poll"} do
      for _, transport in ipairs {"ws", "wss"} do
        local how = (" (%s, %s)"):format(transport, poller)

        it("idle_timeout closes no connection" .. how, function()
          in_time(function(timeout)
            local child, port = start(poller, transport, timeout)
            local begun = websock.now()
            local peers = peers_of(child, port, transport, timeout, function(peer)
              peer:send(frames.request())
              assert(peer:head())
            end)
            return function()
              local x = frames.masked("text", "x")
              if not while_stopped(child, begun, timeout, peers, x) then return "too late" end
              all_get(peers, 1, "x")
            end, begun
          end)
        end)

        it("handshake_timeout drops no connection" .. how, function()
          in_time(function(timeout)
            local child, port = start(poller, transport, timeout)
            local begun, request = websock.now(), frames.request()
            local peers = peers_of(child, port, transport, timeout, function(peer)
              peer:send(request:sub(1, 40))
            end)
            return function()
              local rest = request:sub(41)
              if not while_stopped(child, begun, timeout, peers, rest) then return "too late" end
              for _, peer in ipairs(peers) do assert.matches(" 101 ", (assert(peer:head()))) end
            end, begun
          end)
        end)
      end
    end
  end)
end)
