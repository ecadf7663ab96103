-- Deadlines: what has arrived by the time one is judged counts, however long the
-- loop was not turned and however many others it had to read before. A host that
-- does not step, a handler that blocks, a process that was stopped.
--
-- Each test says how long the timeout is and takes as long as it needs to prepare
-- its connections: too long, and it begins anew with a longer one.

local websock = require "websock"
local certificates = require "support.certificates"
local crowd = require "support.crowd"
local ends = require "support.ends"
local frames = require "support.frames"
local process = require "support.process"
local raw = require "support.raw"
local secure = require "support.secure"
local wss = require "support.wss"

-- More than the poller hands out in one turn.
local MANY = 300

local function busy(seconds)
  local last = websock.now() + seconds
  repeat until websock.now() >= last
end

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

-- Calls prepare(timeout) with ever longer timeouts until it takes less than half of
-- one. It returns what is to be done next, and perhaps when it has really begun. It
-- may fail where it takes longer.
local function in_time(prepare)
  for _, timeout in ipairs {0.3, 1, 4, 16, 60} do
    local entered = websock.now()
    local ok, go_on, begun = pcall(prepare, timeout)
    local last = (begun or entered) + timeout / 2
    local is_early = websock.now() < last
    if is_early and not ok then error(go_on, 0) end
    if is_early and go_on() ~= "too late" then return end
    ends.finish()
  end
  error "this machine is too slow"
end

-- Once for each way to be away: test(away, is_secure), where away(timeout,
-- meanwhile) lets more than that time pass.
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

-- Connections that others have to wait for: `speak` makes them readable.
local function noise()
  local _, list = crowd.open(MANY, {ping_interval = false})
  return function()
    for _, one in ipairs(list) do one.peer:masked("text", "x") end
  end
end

local function nothing() end

-- How many connections a test has. TLS handshakes take their time: a few, behind
-- those that speak.
local function some(is_secure)
  if is_secure then return 10, noise() end
  return MANY, nothing
end

-- Pings may come in between, as long as that took.
local function all_get(peers, opcode, payload)
  for i, peer in ipairs(peers) do
    local frame, err
    repeat frame, err = peer:frame() until not frame or frame.opcode ~= frames.opcode.ping
    if not frame then error(("number %d: %s"):format(i, err)) end
    assert.same({opcode, payload}, {frame.opcode, frame.payload})
  end
end

describe("deadlines", function()
  after_each(function() ends.finish() end)

  whenever("idle_timeout closes nobody whose message has arrived", "ws wss", function(away, is_secure)
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

  it("idle_timeout closes all the same who does not make use of that", function()
    in_time(function(timeout)
      local server = serve(false, {idle_timeout = timeout, ping_interval = false})
      local peers = open_all(3, server)
      return function()
        busy(timeout * 1.2)
        for _, peer in ipairs(peers) do assert.equal(1001, (peer:closed())) end
      end
    end)
  end)

  whenever("handshake_timeout drops nobody whose request has arrived", "ws wss", function(away, is_secure)
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

  whenever("handshake_timeout lets a TLS handshake go on that could not", "ws", function(away)
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
        for i, conn in ipairs(hello) do
          local ok, err
          repeat
            ok, err = conn:dohandshake()
            websock.step(0.001)
          until ok or err ~= "wantread"
          assert(ok, err)
          conn:send(frames.request())
          local line
          repeat
            line, err = conn:receive "*l"
            websock.step(0.001)
          until line or err ~= "wantread" and err ~= "timeout"
          assert.matches(" 101 ", line)
          hello[i]:close()
        end
      end
    end)
  end)

  whenever("handshake_timeout lets hooks go on that could not", "ws", function(away)
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
        for _, peer in ipairs(peers) do assert.matches(" 101 ", (assert(peer:head()))) end
      end
    end)
  end)

  it("handshake_timeout drops all the same who does not make use of that", function()
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

  it("close_timeout counts from when the Close frame leaves", function()
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

  it("ping_timeout counts from when the ping leaves", function()
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

  describe("of a call:", function()
    -- A connection behind many that are read before it; act(ws) waits in a coroutine
    -- and what it returns is compared with the rest.
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
        repeat  -- all that the kernel has
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

    it("stop finds the peers' Closes", function()
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

    -- Has each peer send what the child can read only when it goes on. Returns
    -- whether it was stopped before its first deadline.
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

        it("idle_timeout closes nobody" .. how, function()
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

        it("handshake_timeout drops nobody" .. how, function()
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
