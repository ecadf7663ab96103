-- Connections in TLS, both ends ours or one of them LuaSec's. What the keys of
-- the TLS table do is in tls_spec.lua.

local socket = require "socket"
local ssl = require "ssl"
local websock = require "websock"
local certificates = require "support.certificates"
local descriptors = require "support.descriptors"
local ends = require "support.ends"
local frames = require "support.frames"
local raw = require "support.raw"
local relay = require "support.relay"
local secure = require "support.secure"
local wss = require "support.wss"

local MiB = 1024 * 1024

-- A relay before a server; it ends with the test.
local function before(server, options)
  local between = relay.open(ends.port(server), options)
  ends.at_end(function() between:close() end)
  return between
end

-- A server whose handler parks, its connection, and our client.
local function pair(options, tls)
  local theirs, thread
  local all = {handler = function(ws)
    theirs, thread = ws, coroutine.running()
    websock.park()
  end}
  for name, value in pairs(options or {}) do all[name] = value end
  local server = wss.serve(all)
  local between = before(server)
  local ours = wss.connect(between.port, tls)
  ends.turn_until(function() return thread end)
  ends.at_end(function() websock.wake(thread) end)
  return ours, theirs, between, server
end

-- LuaSec's client of a server of ours, after the opening handshake.
local function luasec_client(server, params)
  local peer = assert(secure.client(ends.port(server), params))
  ends.at_end(function() peer:close() end)
  peer:send(frames.request())
  assert(peer:head())
  return peer
end

-- Our client of a LuaSec server, and its peer.
local function luasec_server(params, options)
  local listener <close> = raw.server()
  local peer
  websock.spawn(function()
    peer = assert(secure.wrap(listener:accept(), secure.server_params("server", params)))
    peer:welcome()
  end)
  local ws = wss.connect(listener.port, nil, nil, options)
  ends.at_end(function() peer:close() end)
  return ws, peer
end

-- n bytes in which no two places look alike.
local function bytes(n)
  local parts = {}
  for i = 1, (n + 7) // 8 do parts[i] = ("%08x"):format(i) end
  return table.concat(parts):sub(1, n)
end

describe("wss", function()
  after_each(function() ends.finish() end)

  for _, version in ipairs {"tlsv1_2", "tlsv1_3"} do
    describe("by " .. version, function()
      it("our server and LuaSec's client", function()
        local peer = luasec_client(wss.serve(), {protocol = version})
        for _, size in ipairs {0, 1, 125, 126, 16383, 16384, 16385, 70000} do
          local message = bytes(size)
          peer:masked("binary", message)
          assert.is_true(assert(peer:frame()).payload == message)
        end
      end)

      it("our client and LuaSec's server", function()
        local ws, peer = luasec_server {protocol = version}
        for _, size in ipairs {0, 1, 125, 126, 16383, 16384, 16385, 70000} do
          local message = bytes(size)
          assert(ws:send(message, "binary"))
          assert.is_true(assert(peer:frame()).payload == message)
          peer:plain("binary", message)
          assert.is_true(assert(ws:receive(30)) == message)
        end
      end)

      it("a record that holds many frames, and nothing after it", function()
        local peer = luasec_client(wss.serve(), {protocol = version})
        local many = {}
        for i = 1, 300 do many[i] = frames.masked("text", "message " .. i) end
        peer:send(table.concat(many))
        for i = 1, 300 do assert.equal("message " .. i, assert(peer:frame()).payload) end
      end)

      it("frames that lie across records, byte by byte", function()
        local peer = luasec_client(wss.serve(), {protocol = version})
        local frame = frames.masked("text", bytes(300))
        for i = 1, #frame do peer:send(frame:sub(i, i)) end
        assert.equal(bytes(300), assert(peer:frame()).payload)
      end)
    end)
  end

  describe("both ends ours", function()
    it("echo", function()
      local ws = wss.connect(wss.serve())
      for _, size in ipairs {0, 1, 125, 126, 16383, 16384, 16385, 65535, 65536} do
        wss.assert_echo(ws, bytes(size), "binary")
        wss.assert_echo(ws, bytes(size), "text")
      end
    end)

    it("10 MiB #slow", function()
      local ws = wss.connect(wss.serve {max_message = 10 * MiB})
      wss.assert_echo(ws, bytes(10 * MiB), "binary")
    end)

    it("10 MiB both ways at once, through small buffers #slow", function()
      local ours, theirs = pair {max_message = 10 * MiB, max_queue = 1000}
      for _, ws in ipairs {ours, theirs} do
        ws:socket():setoption("send-buffer-size", 16384)
        ws:socket():setoption("recv-buffer-size", 32768)
      end
      local message, done = bytes(10 * MiB), 0
      for _, way in ipairs {{ours, theirs}, {theirs, ours}} do
        websock.spawn(function()
          for from = 1, #message, 50000 do
            assert(way[1]:send(message:sub(from, from + 49999), "binary"))
          end
        end)
        websock.spawn(function()
          local parts = {}
          for _ = 1, #message, 50000 do parts[#parts + 1] = assert(way[2]:receive(60)) end
          assert(table.concat(parts) == message)
          done = done + 1
        end)
      end
      ends.turn_until(function() return done == 2 end)
    end)

    it("many small messages from many clients", function()
      local server, done = wss.serve(), 0
      local tls = websock.tls(wss.trusting())
      for i = 1, 20 do
        websock.spawn(function()
          local ws <close> = assert(wss.dial(server, tls))
          for n = 1, 50 do assert(ws:send(i .. " " .. n)) end
          for n = 1, 50 do assert(ws:receive(30) == i .. " " .. n) end
          done = done + 1
        end)
      end
      ends.turn_until(function() return done == 20 end)
    end)

    it("pings", function()
      local ours, theirs = pair()
      assert.is_true(assert(ours:ping("a", 30)) >= 0)
      local seconds
      websock.spawn(function() seconds = theirs:ping("b", 30) end)
      ends.turn_until(function() return seconds end)
    end)

    it("streams a message in parts", function()
      local ours, theirs = pair()
      local message, got = bytes(300000), {}
      websock.spawn(function()
        local w = assert(theirs:writer "binary")
        for from = 1, #message, 10000 do assert(w:write(message:sub(from, from + 9999))) end
        assert(w:finish())
      end)
      repeat
        local chunk, _, last = assert(ours:receive_part(30))
        got[#got + 1] = chunk
      until last
      assert.is_true(table.concat(got) == message)
    end)

    it("publishes and broadcasts", function()
      local server = wss.serve()
      local tls, list = websock.tls(wss.trusting()), {}
      for i = 1, 5 do list[i] = wss.connect(server, tls) end
      ends.turn_until(function() return server:count() == 5 end)
      for ws in server:connections() do ws:subscribe "all" end
      local large = bytes(100000)
      assert.same({5, 0}, {server:publish("all", large, "binary")})
      assert.same({5, 0}, {server:broadcast "small"})
      for i = 1, 5 do
        assert.is_true(list[i]:receive(30) == large)
        assert.equal("small", (list[i]:receive(30)))
      end
    end)

    it("goes on reading where a busy application has stopped it", function()
      local ours, theirs = pair()
      local sent
      websock.spawn(function()
        for i = 1, 60 do assert(ours:send(bytes(20000) .. i, "binary", {timeout = 30})) end
        sent = true
      end)
      for _ = 1, 50 do websock.step(0.001) end  -- theirs reads ahead, and stops
      local got = 0
      websock.spawn(function()
        for i = 1, 60 do
          assert(theirs:receive(30) == bytes(20000) .. i)
          got = i
        end
      end)
      ends.turn_until(function() return sent and got == 60 end)
    end)

    it("has a socket, names and a descriptor", function()
      local ws = wss.connect(wss.serve())
      local host, port = ws:getpeername()
      assert.same({"127.0.0.1", "number"}, {host, type(port)})
      assert.is_true(ws:getfd() > 2)
      assert.equal(tostring(port), tostring(select(2, ws:socket():getpeername())))
    end)

    it("by a Unix socket", function()
      local path = certificates.path "socket"
      local server = wss.serve {unix = path}
      local ws = assert(websock.connect("wss://localhost/", {unix = path, tls = wss.trusting()}))
      wss.assert_echo(ws, "over a path")
      ws:abort()
      assert.equal(path, (server:getsockname()))
    end)

    it("each byte by itself", function()
      local between = before(wss.serve(), {drip = true})
      local ws = wss.connect(between.port)
      for _, size in ipairs {0, 1, 126, 5000} do wss.assert_echo(ws, bytes(size)) end
      assert.is_true(ws:close(1000, "slowly"))
      assert.is_true(ws.close_clean)
    end)
  end)

  describe("the end", function()
    for _, who in ipairs {"client", "server"} do
      it("is agreed on: the " .. who .. " begins", function()
        local ours, theirs = pair()
        local one, other = ours, theirs
        if who == "server" then one, other = theirs, ours end
        local result
        websock.spawn(function() result = table.pack(one:close(4001, "enough")) end)
        websock.spawn(function() other:receive(30) end)
        ends.turn_until(function() return result end)
        assert.is_true(result[1])
        for _, ws in ipairs {one, other} do
          assert.same({4001, "enough", true}, {ws.close_code, ws.close_reason, ws.close_clean})
        end
      end)

      it("is never clean where the stream was cut: the " .. who .. " sees it", function()
        local ours, theirs, between = pair()
        local one, other = ours, theirs
        if who == "server" then one, other = theirs, ours end
        other:send("the last", "text", {timeout = 0})
        ends.turn_until(function() return other:buffered() == 0 end)
        local result
        websock.spawn(function()
          assert(one:receive(30) == "the last")
          result = table.pack(one:receive(30))
        end)
        for _ = 1, 20 do websock.step(0) end
        between:cut()
        ends.turn_until(function() return result end)
        assert.same({nil, "closed", 1006, "eof", n = 4}, result)
        assert.is_false(one.close_clean)
      end)
    end

    it("by a close_notify alone is none either", function()
      local ws, peer = luasec_server()
      peer:close()
      assert.same({nil, "closed", 1006, "eof", n = 4}, table.pack(ws:receive(30)))
      assert.is_false(ws.close_clean)
    end)

    it("in the middle of a message delivers no part of it", function()
      local ours, theirs, between = pair()
      local result
      websock.spawn(function() result = table.pack(ours:receive(30)) end)
      websock.spawn(function() assert(theirs:writer "text"):write "half a" end)
      local down = between.down
      ends.turn_until(function() return between.down > down end)
      between:cut()
      ends.turn_until(function() return result end)
      assert.same({nil, "closed", 1006, "eof", n = 4}, result)
    end)

    for _, version in ipairs {"tlsv1_2", "tlsv1_3"} do
      it("comes with a close_notify from our server: " .. version, function()
        local peer = luasec_client(wss.serve(), {protocol = version})
        peer:masked("close", "\x03\xe8")
        assert.equal(1000, (peer:closed()))
        assert.same({"", "closed"}, {peer:rest()})  -- not "unexpected eof"
      end)

      it("comes with a close_notify from our client: " .. version, function()
        -- a client waits so long for its server to end first; if that was too short
        -- for the peer's Close frame on this machine, once more
        for _, timeout in ipairs {0.2, 3, 30} do
          local ws, peer = luasec_server({protocol = version}, {close_timeout = timeout})
          local closed
          websock.spawn(function() closed = table.pack(ws:close(1000)) end)
          assert.equal(1000, (peer:closed()))
          peer:plain("close", "\x03\xe8")
          local rest, err = peer:rest()
          peer:close()
          ends.turn_until(function() return closed end)
          if ws.close_clean then
            assert.same({"", "closed"}, {rest, err})
            assert.is_true(closed[1])
            return
          end
          assert.equal("timeout", closed[2])
        end
        error "it took too long"
      end)

      it("comes with a close_notify after a refusal: " .. version, function()
        local server = wss.serve {authorize = function() return false, 403, {}, "no" end}
        local peer = assert(secure.client(ends.port(server), {protocol = version}))
        peer:send(frames.request())
        local head, err = peer:rest()
        assert.matches("^HTTP/1.1 403 .*no$", head)
        assert.equal("closed", err)
        peer:close()
      end)
    end

    it("is clean without a close_notify once both have said Close", function()
      local ws, peer = luasec_server()
      peer:plain("close", "\x03\xe8")
      local result
      websock.spawn(function() result = table.pack(ws:receive(30)) end)
      assert.equal(1000, (peer:closed()))
      peer:shutdown()
      ends.turn_until(function() return result end)
      assert.same({nil, "closed", 1000, "", n = 4}, result)
      assert.is_true(ws.close_clean)
    end)

    it("raises no SIGPIPE", function()
      local raised = 0
      websock.signal("PIPE", function() raised = raised + 1 end)
      ends.at_end(function() websock.signal("PIPE", nil) end)
      local ours, theirs, between = pair()
      between:reset()
      for _ = 1, 10 do
        for _, ws in ipairs {ours, theirs} do ws:send(bytes(100000), "binary", {timeout = 0}) end
        websock.step(0.005)
      end
      for _, ws in ipairs {ours, theirs} do ws:close(1000, "", 0) end
      ends.turn_until(function() return ours:state() == "closed" and theirs:state() == "closed" end)
      assert.equal(0, raised)
    end)

    it("leaves no descriptor, whoever has ended it", function()
      local count = descriptors.count()
      local server = wss.serve {handler = function(ws)
        local what = ws:receive(30)
        if what == "close" then ws:close() elseif what == "abort" then ws:abort() end
      end}
      for i = 1, 8 do
        local ws = assert(wss.dial(server))
        ws:send(({"close", "abort", "return", "wait"})[i % 4 + 1])
        if i > 4 then ws:abort() else ws:close() end
      end
      server:stop()
      ends.turn_until(function() return descriptors.count() <= count end)
    end)

    it("takes everybody along when the server stops", function()
      local server = wss.serve {close_timeout = 30}
      local open = wss.connect(server)
      local shaking = raw.client(ends.port(server))
      for _ = 1, 5 do websock.step(0.01) end
      local stopped, result
      websock.spawn(function() server:stop() stopped = true end)
      websock.spawn(function() result = table.pack(open:receive(30)) end)
      ends.turn_until(function() return stopped and result end)
      assert.equal(1001, result[3])
      assert.is_true(open.close_clean)
      assert.same({"", "closed"}, {shaking:rest()})
      shaking:close()
    end)
  end)

  describe("a session", function()
    -- Bytes from the server until the first message is back.
    local function cost(between, tls, host)
      local sent = between.down
      local ws = wss.connect(between.port, tls, host)
      wss.assert_echo(ws, "hello")
      ws:close()
      return between.down - sent
    end

    it("is resumed by a client that comes back with its context", function()
      local between = before(wss.serve())
      local tls = websock.tls(wss.trusting())
      local first = cost(between, tls)
      local saved = #certificates.text(certificates.server.cert) // 2
      for _ = 1, 3 do assert.is_true(first - cost(between, tls) > saved, "not resumed") end
      local other = cost(between, websock.tls(wss.trusting()))
      assert.is_true(first - other < saved, "another context has no session")
    end)

    it("of a client with a certificate is resumed, too", function()
      local server = wss.serve {tls = {cert = certificates.server.chain,
        key = certificates.server.key, client_ca = certificates.ca.cert}}
      local between = before(server)
      local tls = websock.tls(wss.trusting(certificates.of "client"))
      local first = cost(between, tls)
      assert.is_true(cost(between, tls) < first - 500, "not resumed")
    end)

    it("of one name is no other's: names are checked each time", function()
      local server = wss.serve {tls = certificates.of "host_only"}
      local tls = websock.tls(wss.trusting())
      for _ = 1, 2 do
        wss.connect(server, tls):close()
        local ws, err = wss.dial(server, tls, "127.0.0.1")
        assert.is_nil(ws)
        assert.matches("^tls: ", err)
      end
    end)

    it("is forgotten without harm where the server knows it no more", function()
      local server = wss.serve()
      local tls = websock.tls(wss.trusting())
      wss.connect(server, tls):close()
      server:set_tls(certificates.of "renewed")
      wss.assert_echo(wss.connect(server, tls), "a full handshake")
    end)
  end)

  describe("the time for a handshake", function()
    -- Beginnings of TLS that go nowhere.
    local hello = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" .. ("\x55"):rep(32)
    local stalls = {
      ["nothing"] = {""}, ["one byte"] = {"\x16"}, ["half a hello"] = {hello},
    }
    for name, pieces in pairs(stalls) do
      it("ends a client that sends " .. name .. ", others are served", function()
        local server = wss.serve {handshake_timeout = 0.3}
        local count, peers = descriptors.count(), {}
        for i = 1, 20 do
          peers[i] = raw.client(ends.port(server))
          peers[i]:send_pieces(pieces)
        end
        wss.assert_echo(wss.connect(server), "served meanwhile")
        for _, peer in ipairs(peers) do
          local _, err = peer:rest()
          assert.equal("closed", err)
          peer:close()
        end
        wss.assert_echo(wss.connect(server), "served after it")
        ends.turn_until(function() return descriptors.count() <= count + 4 end)
      end)
    end

    it("ends a client that drips its hello", function()
      local server = wss.serve {handshake_timeout = 0.3}
      local peer = raw.client(ends.port(server))
      local ended
      for i = 1, 10000 do
        if not peer:send((hello .. ("x"):rep(10000)):sub(i, i)) then
          ended = true
          break
        end
        websock.step(0.001)
      end
      assert.is_true(ended)
      peer:close()
    end)

    it("goes on after TLS: no request is as bad as no hello", function()
      local server = wss.serve {handshake_timeout = 0.3}
      local peer = assert(secure.client(ends.port(server), {}))
      local bytes_sent = peer:rest()
      assert.matches("^H?T?T?P?", bytes_sent)
      peer:close()
      wss.assert_echo(wss.connect(server), "served")
    end)

    it("ends a client of ours whose server says nothing, others go on", function()
      local silent <close> = raw.server()
      local server = wss.serve()
      local result
      websock.spawn(function()
        result = table.pack(websock.connect(wss.url(silent.port), {timeout = 0.3, tls = wss.trusting()}))
      end)
      wss.assert_echo(wss.connect(server), "meanwhile")
      ends.turn_until(function() return result end)
      assert.same({nil, "timeout"}, {result[1], result[2]})
    end)

    it("ends a client of ours whose server stops in the middle", function()
      local server = wss.serve()
      for _, limit in ipairs {1, 100, 700} do
        local between = before(server)
        websock.spawn(function()
          while between.down < limit and between.up == 0 do websock.sleep(0) end
          between.stalled = true
        end)
        local ws, err = wss.dial(between.port, nil, nil, {timeout = 0.3})
        assert.same({nil, "timeout"}, {ws, err})
        between:close()
      end
    end)

    it("is not used up by a server that ends it: told at once", function()
      for _, bytes_sent in ipairs {"", "\x16\x03", "HTTP/1.1 400 Bad Request\r\n\r\n",
          "\x15\x03\x01\x00\x02\x02\x28"} do
        local listener <close> = raw.server()
        websock.spawn(function()
          local peer = assert(listener:accept())
          assert(peer:receive(1))
          peer:send(bytes_sent)
          peer:shutdown()
          peer:rest()
          peer:close()
        end)
        local ws, err = wss.dial(listener.port)
        assert.is_nil(ws)
        assert.matches("^tls: ", err)
      end
    end)
  end)

  describe("met by who speaks something else", function()
    it("a server by plain HTTP: ended, others are served", function()
      local server = wss.serve()
      local peer = raw.client(ends.port(server))
      peer:send(frames.request())
      local answer = peer:rest()
      assert.not_matches("101", answer)
      peer:close()
      local ws, err, response = websock.connect("ws://127.0.0.1:" .. ends.port(server), {timeout = 30})
      assert.same({nil, "refused", 400}, {ws, err, response.status})
      wss.assert_echo(wss.connect(server), "served")
    end)

    it("a server by garbage", function()
      local errors = {}
      local server = wss.serve {on_error = function(err) errors[#errors + 1] = err end}
      for _, garbage in ipairs {"\0", "\x16\x03\x01\xff\xff", ("\xff"):rep(20000),
          "\x80\x2e\x01\x00\x02" .. ("x"):rep(50), "\x17\x03\x03\x00\x05hello", "\x14\x03\x03\x00\x01\x01"} do
        local peer = raw.client(ends.port(server))
        peer:send(garbage)
        peer:shutdown()
        peer:rest()
        peer:close()
      end
      wss.assert_echo(wss.connect(server), "served")
      assert.same({}, errors)
    end)

    it("a plain server by TLS", function()
      local server = wss.serve {tls = false}
      local ws, err = wss.dial(server)
      assert.is_nil(ws)
      assert.matches("^tls: .*TLS", err)
      local plain = assert(websock.connect("ws://127.0.0.1:" .. ends.port(server)))
      wss.assert_echo(plain, "served")
      plain:abort()
    end)

    it("a connection by garbage in place of a record", function()
      local ours, _, between = pair()
      local result
      websock.spawn(function() result = table.pack(ours:receive(30)) end)
      between.sides[1]:send "\x17\x03\x03\x00\x20 none of this was encrypted by anybody"
      ends.turn_until(function() return result end)
      assert.same({nil, "closed", 1006}, {table.unpack(result, 1, 3)})
      assert.is_false(ours.close_clean)
    end)
  end)

  it("a certificate is replaced under load without one lost message #slow", function()
    local server = wss.serve()
    local names, replaced, running, done = {"renewed", "server"}, 0, 0, 0
    local trust = wss.trusting()
    local function talk(i)
      running = running + 1
      repeat
        local ws <close> = assert(wss.dial(server, i % 2 == 0 and trust or websock.tls(trust)))
        for n = 1, 20 do
          assert(ws:send(i .. "." .. n .. bytes(n * 100)))
          assert(ws:receive(30) == i .. "." .. n .. bytes(n * 100))
          done = done + 1
        end
        assert(ws:close())
      until replaced >= 20
      running = running - 1
    end
    for i = 1, 6 do websock.spawn(talk, i) end
    websock.spawn(function()
      for i = 1, 20 do
        local seen = done
        while done < seen + 10 do websock.sleep(0.001) end
        assert(server:set_tls(certificates.of(names[i % 2 + 1])))
        replaced = i
      end
    end)
    ends.turn_until(function() return replaced == 20 and running == 0 end)
  end)

  describe("on a socket that was given", function()
    it("a LuaSocket object is put into TLS, and checked against the URL", function()
      local server = wss.serve {tls = certificates.of "host_only"}
      local function dial(host)
        local object = assert(socket.connect("127.0.0.1", ends.port(server)))
        return wss.dial(server, nil, host, {socket = object})
      end
      local ws = assert(dial "localhost")
      wss.assert_echo(ws, "on a given socket")
      ws:abort()
      local refused, err = dial "127.0.0.1"
      assert.is_nil(refused)
      assert.matches("^tls: ", err)
    end)

    -- LuaSec's object, after its handshake.
    local function wrapped(server)
      return assert(secure.client(ends.port(server), {})).tls
    end

    for _, scheme in ipairs {"ws", "wss"} do
      it("LuaSec's, for a client, is used as it is: " .. scheme, function()
        local server = wss.serve {max_message = 3 * MiB}
        local ws = assert(websock.connect(scheme .. "://localhost/", {socket = wrapped(server),
          max_message = 3 * MiB, max_queue = 3 * MiB, timeout = 30}))
        for _, size in ipairs {0, 126, 8191, 8192, 8193, 16384, 70000, 2 * MiB} do
          wss.assert_echo(ws, bytes(size), "binary")
        end
        assert.is_true(ws:close(1000, "done"))
        assert.is_true(ws.close_clean)
      end)
    end

    it("LuaSec's, for a server, is accepted as it is", function()
      local listener <close> = raw.server()
      local accepted
      websock.spawn(function()
        local peer = assert(secure.wrap(listener:accept(), secure.server_params "server"))
        local ws = assert(websock.accept(peer.tls, {max_message = 3 * MiB, max_queue = 3 * MiB}))
        wss.echo(ws)
        accepted = ws
      end)
      local ws = wss.connect(listener.port)
      for _, size in ipairs {0, 126, 8191, 8192, 8193, 16384, 70000, 2 * MiB} do
        wss.assert_echo(ws, bytes(size), "binary")
      end
      assert.is_true(ws:close(4000, "done"))
      ends.turn_until(function() return accepted end)
      assert.same({4000, "done", true},
        {accepted.close_code, accepted.close_reason, accepted.close_clean})
    end)

    it("one whose kernel takes little at a time: the handshake goes on", function()
      local made, authority = certificates.server, certificates.text(certificates.intermediate.cert)
      local tls = {cert = certificates.text(made.chain) .. authority:rep(100), key = made.key}
      local listener <close> = raw.server()
      local theirs
      websock.spawn(function()
        local peer = assert(listener:accept())
        peer.sock:setoption("send-buffer-size", 1)
        theirs = websock.accept(peer.sock, {tls = tls, handshake_timeout = wss.patience})
      end)
      wss.connect(listener.port)
      ends.turn_until(function() return theirs end)
      theirs:abort()
    end)

    it("a LuaSocket object is accepted into TLS", function()
      local listener <close> = raw.server()
      websock.spawn(function()
        local ws = assert(websock.accept(assert(listener:accept()).sock,
          {tls = certificates.of "server"}))
        wss.echo(ws)
      end)
      wss.assert_echo(wss.connect(listener.port), "accepted")
    end)

    it("accept tells how TLS has failed", function()
      local listener <close> = raw.server()
      local result
      websock.spawn(function()
        result = table.pack(websock.accept(assert(listener:accept()).sock,
          {tls = certificates.of "server"}))
      end)
      local peer = raw.client(listener.port)
      peer:send "GET / HTTP/1.1\r\n\r\n"
      ends.turn_until(function() return result end)
      peer:close()
      assert.is_nil(result[1])
      assert.matches("^tls: ", result[2])
    end)

    it("accept gives up after handshake_timeout", function()
      local listener <close> = raw.server()
      local result
      websock.spawn(function()
        result = table.pack(websock.accept(assert(listener:accept()).sock,
          {tls = certificates.of "server", handshake_timeout = 0.2}))
      end)
      local peer = raw.client(listener.port)
      ends.turn_until(function() return result end)
      peer:close()
      assert.same({nil, "timeout"}, {result[1], result[2]})
    end)

    it("one whose TLS has failed is closed", function()
      local server, count = wss.serve(), descriptors.count()
      for _ = 1, 5 do
        local object = assert(socket.connect("127.0.0.1", ends.port(server)))
        assert.is_nil((wss.dial(server, {}, nil, {socket = object})))
      end
      ends.turn_until(function() return descriptors.count() <= count end)
    end)
  end)

  it("needs no ssl module of others", function()
    assert.is_table(ssl)
    local status, output = require("support.child").run(([[
      package.preload.ssl = function() error "loaded" end
      local server = assert(websock.listen {port = 0, handler = function(ws) ws:send(ws:receive()) end,
        tls = {cert = %q, key = %q}})
      local _, port = server:getsockname()
      local ws = assert(websock.connect("wss://localhost:" .. port, {tls = {ca_file = %q}}))
      ws:send "by itself"
      print(ws:receive(30))
      ws:close()
      server:stop()]]):format(certificates.server.chain, certificates.server.key, certificates.ca.cert))
    assert.same({0, "by itself\ttext\n"}, {status, output})
  end)

  it("takes pages of https for the same origin, and none of http", function()
    local server = wss.serve()
    local port = ends.port(server)
    local function knock(origin, host)
      local peer = assert(secure.client(port))
      peer:send(frames.request {Origin = origin, Host = host})
      local line = assert(peer:head())
      peer:close()
      return math.tointeger(tonumber(line:match "^HTTP/1%.1 (%d+)"))
    end
    assert.equal(101, knock("https://a.example", "a.example"))
    assert.equal(101, knock("https://a.example:" .. port, "a.example:" .. port))
    assert.equal(403, knock("http://a.example", "a.example"))
    assert.equal(403, knock("http://a.example:" .. port, "a.example:" .. port))
    assert.equal(403, knock("https://b.example", "a.example"))
  end)
end)
