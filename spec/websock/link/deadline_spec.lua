-- Deadlines of connections: bytes that have arrived before a deadline is judged count,
-- however long the loop was not turned and however many others it had to read before:
-- because a host does not step, or a handler blocks.

local websock = require "websock"
local certificates = require "support.certificates"
local deadlines = require "support.deadlines"
local ends = require "support.ends"
local frames = require "support.frames"
local raw = require "support.raw"
local secure = require "support.secure"
local wss = require "support.wss"

local MANY = deadlines.MANY
local busy = deadlines.busy
local in_time = deadlines.in_time
local all_get = deadlines.all_get
local noise = deadlines.noise

-- Each calls meanwhile() and then does not let the loop turn for some time.
local AWAY = {
  ["a host that does not step"] = function(seconds, meanwhile)
    meanwhile()
    busy(seconds)
  end,
  ["a handler that blocks"] = function(seconds, meanwhile)
    local done
    websock.spawn(function()
      meanwhile()
      busy(seconds)
      done = true
    end)
    ends.turn_until(function() return done end)
  end,
}

-- Makes one test for each of AWAY: test(away, is_secure), where away(timeout, meanwhile)
-- lets more than the timeout pass.
local function whenever(name, transports, test)
  for way, away in pairs(AWAY) do
    for transport in transports:gmatch "%w+" do
      it(("%s: %s (%s)"):format(name, way, transport), function()
        test(function(timeout, meanwhile) away(timeout * 1.2, meanwhile) end,
          transport == "wss")
      end)
    end
  end
end

local function serve(is_secure, options)
  options.tls = is_secure and certificates.of "server"
  return wss.serve(options)
end

local function dial(server, is_secure)
  local peer = raw.client(ends.port(server))
  ends.at_end(function() peer:close() end)
  return is_secure and assert(secure.wrap(peer, {})) or peer
end

local function open(server, is_secure)
  local peer = dial(server, is_secure)
  peer:send(frames.request())
  assert.matches("^HTTP/1.1 101 ", (assert(peer:head())))
  return peer
end

local function open_all(n, ...)
  local peers = {}
  for i = 1, n do peers[i] = open(...) end
  return peers
end

local function nothing() end

-- How many connections a test has. TLS handshakes take long: only a few, behind others
-- that send.
local function some(is_secure)
  if is_secure then return 10, noise() end
  return MANY, nothing
end

describe("deadlines #heavy", function()
  after_each(function() ends.finish() end)

  whenever("idle_timeout closes no connection whose message has arrived", "ws wss", function(away, is_secure)
    in_time(function(timeout)
      local n, speak = some(is_secure)
      local server = serve(is_secure, {idle_timeout = timeout, ping_interval = false})
      local peers = open_all(n, server, is_secure)
      return function()
        away(timeout, function()
          speak()
          for _, peer in ipairs(peers) do peer:masked("text", "x") end
        end)
        all_get(peers, 1, "x")
      end
    end)
  end)

  whenever("idle_timeout waits for a handler that could not send", "ws wss", function(away, is_secure)
    in_time(function(timeout)
      local server = serve(is_secure, {idle_timeout = timeout, ping_interval = false,
        handler = function(ws)
          websock.sleep(timeout / 2)
          ws:send "x"
          ws:receive()
        end})
      local peers = open_all(3, server, is_secure)
      return function()
        away(timeout, function() end)
        all_get(peers, 1, "x")
      end
    end)
  end)

  it("idle_timeout closes a connection from which nothing has arrived", function()
    in_time(function(timeout)
      local server = serve(false, {idle_timeout = timeout, ping_interval = false})
      local peers = open_all(3, server)
      return function()
        busy(timeout * 1.2)
        for _, peer in ipairs(peers) do assert.equal(1001, (peer:closed())) end
      end
    end)
  end)

  whenever("handshake_timeout drops no connection whose request has arrived", "ws wss", function(away, is_secure)
    in_time(function(timeout)
      local n, speak = some(is_secure)
      local server = serve(is_secure, {handshake_timeout = timeout})
      local peers, request = {}, frames.request()
      for i = 1, n do
        peers[i] = dial(server, is_secure)
        peers[i]:send(request:sub(1, 40))
      end
      ends.turn_until(function() return server.n_links == #peers end)
      return function()
        away(timeout, function()
          speak()
          for _, peer in ipairs(peers) do peer:send(request:sub(41)) end
        end)
        for _, peer in ipairs(peers) do assert.matches(" 101 ", (assert(peer:head()))) end
      end
    end)
  end)

  -- Calls f after the loop was away. It was late by a fifth of the timeout at least, and
  -- grants as much again. Returns "too late" if f fails after that time may be over.
  local function granted(timeout, f)
    local back = websock.now()
    local ok, err = pcall(f)
    if not ok and websock.now() - back > timeout / 10 then return "too late" end
    assert(ok, err)
  end

  -- Ends a TLS handshake that has begun, and the opening handshake.
  local function shake_hands(conn)
    local ok, err, line
    repeat
      ok, err = conn:dohandshake()
      websock.step(0.001)
    until ok or err ~= "wantread"
    assert(ok, err)
    conn:send(frames.request())
    repeat
      line, err = conn:receive "*l"
      websock.step(0.001)
    until line or err ~= "wantread" and err ~= "timeout"
    assert.matches(" 101 ", assert(line, err))
    conn:close()
  end

  whenever("handshake_timeout lets a TLS handshake go on that was held up", "ws", function(away)
    in_time(function(timeout)
      local server = serve(true, {handshake_timeout = timeout})
      local peers = {}
      for i = 1, 3 do peers[i] = raw.client(ends.port(server)) end
      ends.turn_until(function() return server.n_links == #peers end)
      return function()
        local hello = {}
        away(timeout, function()
          for i, peer in ipairs(peers) do
            hello[i] = require("ssl").wrap(peer.sock, {mode = "client", protocol = "any"})
            hello[i]:settimeout(0)
            hello[i]:dohandshake()  -- its first bytes are sent
          end
        end)
        return granted(timeout, function()
          for _, conn in ipairs(hello) do shake_hands(conn) end
        end)
      end
    end)
  end)

  whenever("handshake_timeout lets hooks go on that were held up", "ws", function(away)
    in_time(function(timeout)
      local server = serve(false, {handshake_timeout = timeout, authorize = function()
        websock.sleep(0.001)
        return true
      end})
      local peers = {}
      for i = 1, 3 do peers[i] = dial(server) end
      ends.turn_until(function() return server.n_links == #peers end)
      return function()
        away(timeout, function()
          for _, peer in ipairs(peers) do peer:send(frames.request()) end
        end)
        return granted(timeout, function()
          for _, peer in ipairs(peers) do assert.matches(" 101 ", (assert(peer:head()))) end
        end)
      end
    end)
  end)

  it("handshake_timeout drops a connection whose request has not arrived", function()
    in_time(function(timeout)
      local server = serve(false, {handshake_timeout = timeout})
      local peer = dial(server)
      ends.turn_until(function() return server.n_links == 1 end)
      return function()
        busy(timeout * 1.2)
        assert.same({"", "closed"}, {peer:rest()})
      end
    end)
  end)

  whenever("close_timeout: a Close that has arrived is clean", "ws wss", function(away, is_secure)
    in_time(function(timeout)
      local n, speak = some(is_secure)
      local list = {}
      local server = serve(is_secure, {close_timeout = timeout, handler = function(ws)
        list[#list + 1] = ws
        ws:receive()
      end})
      local peers = open_all(n, server, is_secure)
      ends.turn_until(function() return #list == #peers end)
      for _, ws in ipairs(list) do ws:close(1000, "", 0) end
      websock.step()
      return function()
        away(timeout, function()
          speak()
          for _, peer in ipairs(peers) do
            peer:masked("close", frames.close_payload(1000))
          end
        end)
        ends.turn_until(function() return server.n_links == 0 end)
        for _, ws in ipairs(list) do assert.is_true(ws.close_clean) end
      end
    end)
  end)

  it("close_timeout counts from the time when the Close frame leaves", function()
    local ws, peer
    local server = ends.listen {port = 0, close_timeout = 1, handler = function(connection)
      ws = connection
      ws:close(1000, "", 0)
      busy(1.3)
    end}
    peer = ends.open(server)
    ends.turn_until(function() return ws end)
    assert.equal(1000, (peer:closed()))
    peer:masked("close", frames.close_payload(1000))
    ends.turn_until(function() return ws.close_clean ~= nil end)
    assert.is_true(ws.close_clean)
  end)

  it("ping_timeout counts from the time when the ping leaves", function()
    in_time(function(timeout)
      local _, peer, server = ends.server {ping_interval = timeout, ping_timeout = timeout}
      return function()
        local last = websock.now() + timeout
        repeat websock.step(0) until websock.now() > last
        busy(timeout * 2)
        local begun = websock.now()
        repeat websock.step(0) until websock.now() > begun + timeout / 2
        if websock.now() > begun + timeout then return "too late" end
        assert.equal(1, server:count())
        repeat until peer:frame().opcode == 9
      end
    end)
  end)
end)
