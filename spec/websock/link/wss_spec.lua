-- Connections over TLS, both ends ours or one of them LuaSec's. The keys of the TLS table
-- are tested in spec/websock/base/tls_spec.lua.

local ssl = require "ssl"
local websock = require "websock"
local certificates = require "support.certificates"
local ends = require "support.ends"
local frames = require "support.frames"
local secure = require "support.secure"
local wss = require "support.wss"

local before = wss.before
local pair = wss.pair
local bytes = wss.bytes
local luasec_client = secure.open
local luasec_server = wss.of_luasec

local MiB = 1024 * 1024

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

      it("frames across several records, byte by byte", function()
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

    it("reads on after a busy application has stopped reading", function()
      local ours, theirs = pair()
      local sent
      websock.spawn(function()
        for i = 1, 60 do assert(ours:send(bytes(20000) .. i, "binary", {timeout = 30})) end
        sent = true
      end)
      for _ = 1, 50 do websock.step(0.001) end  -- the other end reads ahead, and stops
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

  it("needs no ssl module of another library", function()
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

  it("takes pages of https as the same origin, but not of http", function()
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
