-- websock.listen, serve and accept as their users see them: handlers, hooks,
-- plain HTTP, limits, stopping.

local socket = require "socket"
local websock = require "websock"
local child = require "support.child"
local descriptors = require "support.descriptors"
local ends = require "support.ends"
local frames = require "support.frames"
local raw = require "support.raw"

local function echo(ws)
  for message, kind in ws:messages() do ws:send(message, kind) end
end

local reports

-- A server whose errors go to `reports`.
local function listen(options)
  local all = {port = 0, handler = echo, on_error = function(...)
    reports[#reports + 1] = table.pack(...)
  end}
  for name, value in pairs(options or {}) do all[name] = value end
  return ends.listen(all)
end

-- Sends bytes, and returns the answer's status, fields and body.
local function ask(server, bytes)
  local peer = ends.dial(server)
  peer:send(bytes)
  local line, fields = peer:head()
  assert(line, fields)
  local body = peer:rest()
  return math.tointeger(tonumber(line:match "^HTTP/1%.1 (%d+)")), fields, body, line
end

-- The status of a handshake with these fields.
local function knock(server, fields)
  local peer = ends.dial(server)
  peer:send(frames.request(fields))
  local line = assert(peer:head())
  peer:close()
  return math.tointeger(tonumber(line:match "^HTTP/1%.1 (%d+)"))
end

-- That the server serves.
local function serves(server)
  local peer = ends.open(server)
  peer:masked("text", "alive?")
  assert.equal("alive?", assert(peer:frame()).payload)
  peer:close()
end

describe("server", function()
  before_each(function() reports = {} end)
  after_each(function() ends.finish() end)

  describe("handler", function()
    it("gets the connection, with its request and server", function()
      local seen
      local server = listen {handler = function(ws) seen = ws ws:receive() end}
      local peer = ends.open(server, {["X-Tag"] = "1"}, "GET /a%20b?c=d HTTP/1.1")
      ends.turn_until(function() return seen end)
      local request = seen.request
      assert.same({"GET", "/a%20b?c=d", "/a%20b", "c=d", "1", "127.0.0.1"},
        {request.method, request.target, request.path, request.query, request.headers["x-TAG"],
          request.remote.host})
      assert.equal(select(2, peer.sock:getsockname()), tostring(request.remote.port))
      assert.equal(server, seen.server)
      assert.is_nil(request.body)
      assert.is_nil(seen.response)
    end)

    it("that returns closes with 1000", function()
      local peer = ends.open(listen {handler = function() end})
      assert.equal(1000, (peer:closed()))
    end)

    it("that returns has all it sent delivered", function()
      local payload = ("x"):rep(3000000)
      local peer = ends.open(listen {handler = function(ws) ws:send(payload) end})
      assert.is_true(assert(peer:frame()).payload == payload)
      assert.equal(1000, (peer:closed()))
    end)

    it("that raises closes with 1011 and reports it", function()
      local connection
      local server = listen {handler = function(ws)
        connection = ws
        error "oh no"
      end}
      local peer = ends.open(server)
      assert.equal(1011, (peer:closed()))
      local err, ws, traceback = table.unpack(reports[1], 1, 3)
      assert.matches("server_spec.lua:%d+: oh no$", err)
      assert.equal(connection, ws)
      assert.matches("oh no.*traceback", traceback)
      serves(listen())
    end)

    it("whose on_error raises harms nobody", function()
      local code = [[
        local server = websock.listen {port = 0, handler = function(ws)
          ws:receive()
          error "first"
        end, on_error = function() error "second" end}
        local ws = websock.connect("ws://127.0.0.1:" .. select(2, server:getsockname()))
        ws:send "go"
        print(ws:receive())
        server:stop(0)]]
      local status, output = child.run(code)
      assert.equal(0, status)
      assert.matches("first.*on_error raised:.*second", output)
      assert.matches("nil\tclosed\t1011", output)
    end)

    it("may close with a code of its own", function()
      local peer = ends.open(listen {handler = function(ws) ws:close(4000, "own", 0) end})
      assert.same({4000, "own"}, {peer:closed()})
    end)

    it("serves many connections at once", function()
      local server, peers = listen(), {}
      for i = 1, 50 do peers[i] = ends.open(server) end
      assert.equal(50, server:count())
      for i = 1, 50 do peers[i]:masked("text", "n" .. i) end
      for i = 1, 50 do assert.equal("n" .. i, peers[i]:frame().payload) end
    end)

    it("that is closed from outside ends its connection", function()
      local thread
      local server = listen {handler = function(ws)
        thread = coroutine.running()
        ws:receive()
      end}
      local peer = ends.open(server)
      ends.turn_until(function() return thread end)
      coroutine.close(thread)
      assert.equal(1000, (peer:closed()))
    end)
  end)

  describe("authorize", function()
    it("lets in whom it says", function()
      local server = listen {authorize = function(request)
        request.user = "alice"
        return true
      end, handler = function(ws) ws:send(ws.request.user) end}
      assert.equal("alice", ends.open(server):frame().payload)
    end)

    it("refuses with 403, or what it says instead", function()
      assert.equal(403, (ask(listen {authorize = function() return false end}, frames.request())))
      assert.equal(403, (ask(listen {authorize = function() end}, frames.request())))
      local status, fields, body = ask(listen {authorize = function()
        return false, 401, {["WWW-Authenticate"] = "Basic"}, "who are you"
      end}, frames.request())
      assert.same({401, "Basic", "who are you"}, {status, fields["www-authenticate"], body})
      assert.equal(0, #reports)
    end)

    it("may wait while others are served", function()
      local slow = {}
      local server = listen {authorize = function(request)
        if request.path == "/slow" then
          slow[1] = coroutine.running()
          websock.park()
        end
        return true
      end}
      local peer = ends.dial(server)
      peer:send(frames.request(nil, "GET /slow HTTP/1.1"))
      ends.turn_until(function() return slow[1] end)
      serves(server)
      websock.wake(slow[1])
      assert.matches("101", (peer:head()))
    end)

    it("that raises answers 500 and reports", function()
      local server = listen {authorize = function() error "secret" end}
      local status, _, body = ask(server, frames.request())
      assert.equal(500, status)
      assert.not_matches("secret", body)
      assert.matches("secret", reports[1][1])
      assert.is_nil(reports[1][2])
      assert.matches("traceback", reports[1][3])
    end)

    it("with a wrong result answers 500 and reports", function()
      for _, status in ipairs {200, 99, 600, "403", 4.5} do
        local before = #reports
        assert.equal(500, (ask(listen {authorize = function() return false, status end}, frames.request())))
        assert.equal(before + 1, #reports)
      end
      assert.equal(500, (ask(listen {authorize = function()
        return false, 403, {["X"] = "a\r\nb"}
      end}, frames.request())))
    end)

    it("is ended by handshake_timeout", function()
      local server = listen {handshake_timeout = 0.05, authorize = function()
        websock.sleep(1)
        return true
      end}
      local peer = ends.dial(server)
      peer:send(frames.request())
      assert.equal("", (peer:rest()))
      serves(listen())
    end)

    it("is asked only about valid handshakes", function()
      local asked
      local server = listen {authorize = function() asked = true return true end}
      assert.equal(400, (ask(server, frames.request {["Sec-WebSocket-Key"] = "short"})))
      assert.equal(426, (ask(server, frames.request {["Sec-WebSocket-Version"] = "8"})))
      assert.is_nil(asked)
    end)
  end)

  describe("protocols", function()
    local function chosen(protocols, offered)
      local fields
      local server = listen {protocols = protocols, handler = function(ws)
        ws:send(tostring(ws.protocol))
      end}
      local peer
      peer, fields = ends.open(server, {["Sec-WebSocket-Protocol"] = offered or nil})
      assert.equal(fields["sec-websocket-protocol"] or "nil", peer:frame().payload)
      return fields["sec-websocket-protocol"]
    end

    it("are chosen in the server's order", function()
      assert.equal("b", chosen({"b", "a"}, "a, b"))
      assert.equal("a", chosen({"c", "a"}, "a, b"))
      assert.equal("b", chosen({"b"}, {"a", "b"}))
    end)

    it("are none when none fits, or none is offered", function()
      assert.is_nil(chosen({"c"}, "a, b"))
      assert.is_nil(chosen({"c"}, false))
      assert.is_nil(chosen(nil, "a"))
      assert.is_nil(chosen({"A"}, "a"))
    end)

    it("may be chosen by a function", function()
      local given
      assert.equal("b", chosen(function(offered, request)
        given = {table.concat(offered, " "), request.path}
        return offered[2]
      end, "a, b"))
      assert.same({"a b", "/"}, given)
      assert.is_nil(chosen(function() end, "a"))
    end)

    it("chosen but not offered, or no string, are 500", function()
      for _, wrong in ipairs {"c", "a b", 1, true} do
        local before = #reports
        assert.equal(500, knock(listen {protocols = function() return wrong end},
          {["Sec-WebSocket-Protocol"] = "a"}), tostring(wrong))
        assert.equal(before + 1, #reports)
      end
      assert.equal(500, knock(listen {protocols = function() error "no" end},
        {["Sec-WebSocket-Protocol"] = "a"}))
    end)

    it("attack 13: have no magic names", function()
      for _, name in ipairs {"__index", "__gc", "constructor", "__proto__"} do
        assert.is_nil(chosen({"a"}, name))
        assert.equal(name, chosen({name}, name))
      end
    end)

    it("attack 14: that are no tokens are 400", function()
      for _, bad in ipairs {"a\128", "\xC3\xA4", "a b", "a,,\1", "a\127"} do
        assert.equal(400, knock(listen {protocols = {"a"}}, {["Sec-WebSocket-Protocol"] = bad}))
      end
    end)
  end)

  describe("headers", function()
    local function answer(headers)
      local _, fields = ends.open(listen {headers = headers})
      return fields
    end

    it("join the 101, from a map, pairs or a function", function()
      assert.equal("1", answer({["X-A"] = 1})["x-a"])
      assert.equal("1, 2", answer({["X-A"] = {"1", "2"}})["x-a"])
      assert.equal("1", answer({{"X-A", "1"}})["x-a"])
      assert.equal("/", answer(function(request) return {["X-A"] = request.path} end)["x-a"])
      assert.is_nil(answer(function() end)["x-a"])
    end)

    it("that are wrong answer 500 and report", function()
      for _, wrong in ipairs {{["X-A"] = "a\r\nB: c"}, {["X A"] = "b"}, {Upgrade = "x"}, {["X-A"] = {{}}},
        "X", error} do
        local before = #reports
        assert.equal(500, knock(listen {headers = function()
          return wrong == error and error "no" or wrong
        end}))
        assert.equal(before + 1, #reports)
      end
    end)
  end)

  describe("origins", function()
    it("attack 18: foreign, suffix, prefix and null origins get 403 by default", function()
      local server = listen()
      for _, origin in ipairs {"http://evil.example", "http://127.0.0.1.evil.example",
        "http://evil127.0.0.1", "null", "", "file://", "http://127.0.0.1:1"} do
        assert.equal(403, knock(server, {Origin = origin}), origin)
      end
      assert.equal(101, knock(server, {Origin = "http://127.0.0.1"}))
      assert.equal(101, knock(server, {Origin = "http://shop.example:81", Host = "shop.example:81"}))
      assert.equal(101, knock(server))
    end)

    it("may be a list or anybody", function()
      local server = listen {origins = {"https://a.example", "*.b.example"}}
      assert.equal(101, knock(server, {Origin = "https://a.example"}))
      assert.equal(101, knock(server, {Origin = "https://x.b.example"}))
      assert.equal(403, knock(server, {Origin = "http://127.0.0.1"}))
      assert.equal(101, knock(listen {origins = "*"}, {Origin = "null"}))
    end)

    it("without a scheme are http and https", function()
      local server = listen {origins = {"a.example"}}
      assert.equal(101, knock(server, {Origin = "http://a.example"}))
      assert.equal(101, knock(server, {Origin = "https://a.example"}))
      assert.equal(403, knock(server, {Origin = "ftp://a.example"}))
    end)

    it("are read once: who changes the table changes nothing", function()
      local list = {"https://a.example"}
      local server = listen {origins = list}
      list[1], list[2] = "https://b.example", "https://c.example"
      assert.equal(101, knock(server, {Origin = "https://a.example"}))
      assert.equal(403, knock(server, {Origin = "https://b.example"}))
    end)

    it("are checked before authorize", function()
      local asked
      local server = listen {authorize = function() asked = true return true end}
      assert.equal(403, knock(server, {Origin = "http://evil.example"}))
      assert.is_nil(asked)
    end)
  end)

  describe("options of handshakes", function()
    -- What listen, serve and accept say of these options, at the caller's line.
    local function refused(options, expected)
      for _, where in ipairs {"listen", "accept"} do
        local all = {}
        for name, value in pairs(options) do all[name] = value end
        if where == "listen" then all.port, all.handler = 0, echo end
        local ok, err = pcall(function()
          if where == "listen" then return websock.listen(all) and nil end
          return websock.accept(socket.tcp(), all) and nil
        end)
        assert.is_false(ok, expected)
        assert.matches("^spec/websock/server/server_spec.lua:%d+: ", err)
        assert.equal(where .. ": " .. expected, (err:gsub("^.-:%d+: ", "")))
      end
    end

    it("that are headers no answer may have raise at the call", function()
      local TOKEN, BYTE = "a field's name is no token", "a field's value has an invalid byte"
      for name, rule in pairs {["a b"] = TOKEN, ["a:"] = TOKEN, [""] = TOKEN, ["\xc3\xa4"] = TOKEN} do
        refused({headers = {Fine = "1", [name] = "x"}}, ("header '%s': %s"):format(name, rule))
        refused({headers = {{"Fine", "1"}, {name, "x"}}}, ("header '%s': %s"):format(name, rule))
      end
      refused({headers = {["X-A"] = {"fine", "a\1b"}}}, "header 'X-A': " .. BYTE)
      refused({headers = {["X-A"] = "\127"}}, "header 'X-A': " .. BYTE)
      refused({headers = {["X-A"] = "a\r\nb"}}, "header 'X-A': CR, LF and NUL are not allowed")
      refused({headers = {["X-A"] = true}}, "header 'X-A': string expected, got boolean")
      refused({headers = {"X-A: 1"}}, "headers: {name, value} expected, got string")
      for _, name in ipairs {"Upgrade", "connection", "Content-Length", "TRANSFER-ENCODING",
        "Sec-WebSocket-Accept", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"} do
        refused({headers = {[name] = "1"}}, ("header '%s': a field that the library sets itself "
          .. "(Host, Connection, Upgrade, Content-Length, Transfer-Encoding, Sec-WebSocket-...)"):format(name))
      end
    end)

    it("that are headers are read once, at the call", function()
      local fields = {["X-A"] = "1", ["X-B"] = {"2", "3"}}
      local server = listen {headers = fields}
      fields["X-A"] = "a b"
      fields["X-C"] = "\n"
      for _ = 1, 2 do
        local _, answer = ends.open(server)
        assert.same({"1", "2, 3"}, {answer["x-a"], answer["x-b"]})
        assert.is_nil(answer["x-c"])
      end
    end)

    it("that are protocols nobody can offer, or twice the same, raise at the call", function()
      local TOKEN = "a subprotocol is no token"
      for _, name in ipairs {"x y", "", "a,b", "\xc3\xa4", "a\1"} do
        refused({protocols = {"fine", name}}, ("protocol '%s': %s"):format(name:gsub("%c", "?"), TOKEN))
      end
      refused({protocols = {"a", "b", "a"}}, "protocol 'a': given twice")
    end)

    it("that are protocols are read once, at the call", function()
      local list = {"a"}
      local server = listen {protocols = list}
      list[1] = "b"
      local _, answer = ends.open(server, {["Sec-WebSocket-Protocol"] = "b, a"})
      assert.equal("a", answer["sec-websocket-protocol"])
    end)

    it("that are an origin which can never match raise at the call", function()
      refused({origins = {"https://a.example", "https://b.example/"}},
        "option 'origins': 'https://b.example/': an origin has no path, and no slash at its end")
    end)

    it("may be tables that can be called, for headers and protocols", function()
      local function callable(f)
        return setmetatable({}, {__call = function(_, ...) return f(...) end})
      end
      local server = listen {
        headers = callable(function() return {["X-Called"] = "yes"} end),
        protocols = callable(function(offered) return offered[2] end),
      }
      local _, answer = ends.open(server, {["Sec-WebSocket-Protocol"] = "a, b"})
      assert.same({"yes", "b"}, {answer["x-called"], answer["sec-websocket-protocol"]})
    end)

    it("name the header of an answer that cannot be sent", function()
      local function answer() return 401, {Fine = "1", ["a b"] = "2"}, "x" end
      local server = listen {http = answer, authorize = function() return false, answer() end}
      assert.equal(500, (ask(server, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")))
      assert.equal(500, knock(server))
      for i = 1, 2 do
        assert.matches("answer: header 'a b': a field's name is no token", reports[i][3])
      end
      reports = {}
    end)

    it("name the header that a function has returned in vain, and the function", function()
      local server = listen {headers = function() return {Fine = "1", ["a b"] = "2"} end}
      assert.equal(500, knock(server))
      assert.matches("headers: header 'a b': a field's name is no token %(hook at .*server_spec.lua:%d+%)",
        reports[1][1])
      reports = {}
    end)
  end)

  describe("http", function()
    local GET = "GET /page?x=1 HTTP/1.1\r\nHost: a\r\n\r\n"

    it("is answered with 426 by default", function()
      local status, fields = ask(listen(), GET)
      assert.equal(426, status)
      assert.equal("13", fields["sec-websocket-version"])
      assert.matches("[Uu]pgrade", fields.connection)
      assert.equal("websocket", fields.upgrade:lower())
    end)

    it("is answered by the function", function()
      local request
      local server = listen {http = function(r)
        request = r
        return 200, {["Content-Type"] = "text/html", ["X-A"] = {"1", "2"}}, "<p>hi"
      end}
      local status, fields, body = ask(server, GET)
      assert.same({200, "text/html", "1, 2", "<p>hi", "5"},
        {status, fields["content-type"], fields["x-a"], body, fields["content-length"]})
      assert.same({"GET", "/page?x=1", "/page", "x=1", "a", ""},
        {request.method, request.target, request.path, request.query, request.headers.Host, request.body})
      serves(server)
    end)

    it("leaves the body out for HEAD", function()
      local server = listen {http = function() return 200, nil, "12345" end}
      local status, fields, body = ask(server, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
      assert.same({200, "5", ""}, {status, fields["content-length"], body})
    end)

    it("has a request's body", function()
      local server = listen {http = function(request) return 200, nil, request.method .. request.body end}
      local _, _, body = ask(server, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody")
      assert.equal("POSTbody", body)
    end)

    it("refuses bodies above max_body with 413", function()
      local asked = 0
      local server = listen {max_body = 4, http = function() asked = asked + 1 return 204 end}
      local head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: "
      assert.equal(204, (ask(server, head .. "3\r\n\r\nabc")))
      assert.equal(204, (ask(server, head .. "4\r\n\r\nabcd")))
      assert.equal(413, (ask(server, head .. "5\r\n\r\nabcde")))
      assert.equal(413, (ask(server, head .. "99999999999999999999\r\n\r\n")))
      assert.equal(2, asked)
    end)

    it("nil is 426", function()
      assert.equal(426, (ask(listen {http = function() end}, GET)))
    end)

    it("with a wrong result answers 500 and reports", function()
      for _, result in ipairs {{"200"}, {99}, {600}, {101}, {200.5}, {200, "X: y"}, {200, {X = "\r\n"}},
        {200, nil, 5}, {200, nil, {}}, {200, {["Content-Length"] = "3"}, "12345"}} do
        local before = #reports
        local server = listen {http = function() return table.unpack(result, 1, 3) end}
        assert.equal(500, (ask(server, GET)), tostring(result[1]))
        assert.equal(before + 1, #reports)
      end
    end)

    it("that raises answers 500 and reports", function()
      local status, _, body = ask(listen {http = function() error "secret" end}, GET)
      assert.equal(500, status)
      assert.not_matches("secret", body)
      assert.matches("secret", reports[1][1])
    end)

    it("may wait, while others are served", function()
      local waiting
      local server = listen {http = function()
        waiting = coroutine.running()
        websock.park()
        return 200, nil, "at last"
      end}
      local peer = ends.dial(server)
      peer:send(GET)
      ends.turn_until(function() return waiting end)
      serves(server)
      websock.wake(waiting)
      assert.matches("200", (peer:head()))
    end)

    it("sends a large body whole", function()
      local large = ("y"):rep(5000000)
      local _, _, body = ask(listen {http = function() return 200, nil, large end}, GET)
      assert.is_true(body == large)
    end)
  end)

  describe("limits", function()
    it("max_header is 431", function()
      local server = listen {max_header = 1000}
      assert.equal(101, knock(server))
      assert.equal(431, (ask(server, frames.request {["X-Long"] = ("x"):rep(1000)})))
    end)

    it("attack 10: 2,000 fields are 431, a dripped head ends in time, others are served", function()
      local server = listen {handshake_timeout = 0.2}
      local many = {}
      for i = 1, 2000 do many["X-" .. i] = "y" end
      assert.equal(431, (ask(server, frames.request(many))))
      local peer = ends.dial(server)
      peer:send "GET / HTTP/1.1\r\nX: "
      local ended
      websock.spawn(function()
        while not ended and peer:send "y" do websock.sleep(0.005) end
      end)
      serves(server)
      local begun = websock.now()
      peer:rest()
      ended = true
      assert.is_true(websock.now() - begun < 10)
      assert.equal(0, server:count())
    end)

    it("a silent client is dropped at handshake_timeout", function()
      local peer = ends.dial(listen {handshake_timeout = 0.02})
      assert.equal("", (peer:rest()))
    end)

    it("max_connections is 503, until somebody leaves", function()
      local server = listen {max_connections = 2}
      local one = ends.open(server)
      ends.open(server)
      assert.equal(503, knock(server))
      one:close()
      ends.turn_until(function() return server:count() == 1 end)
      ends.turn_until(function() return knock(server) == 101 end)
    end)

    it("attack 32: without descriptors it does not spin, tells once and recovers", function()
      local code = [[
        local socket = require "socket"
        local told, server = 0
        server = assert(websock.listen {port = 0, handler = function(ws)
          for m in ws:messages() do ws:send(m) end
        end, on_error = function(err)
          told = told + 1
          print("told", err)
        end})
        local _, port = server:getsockname()
        local client = assert(socket.connect("127.0.0.1", port))  -- waits to be accepted
        local files = {}
        repeat files[#files + 1] = io.open "/dev/null" until #files > 0 and not io.open "/dev/null"
        local turns, cpu = 0, os.clock()
        local last = websock.now() + 0.35
        while websock.now() < last do
          websock.step(0.5)
          turns = turns + 1
        end
        print("turns", turns < 50, told)
        for _, file in ipairs(files) do file:close() end
        files = nil
        collectgarbage()
        local ws = assert(websock.connect("ws://127.0.0.1:" .. port))
        ws:send "recovered"
        print(ws:receive())
        server:stop(0)]]
      local status, output = child.run(code, 40)
      assert.equal("told\ttoo many open files\nturns\ttrue\t1\nrecovered\ttext\n", output)
      assert.equal(0, status)
    end)

    it("attack 26: garbage, wrong bits and resets cost one connection only", function()
      local server = ends.listen {port = 0, handler = echo, on_error = function(err) error(err) end}
      for _, bytes in ipairs {"\0\1\2\r\n\r\n", ("\255"):rep(100000), "\r\n\r\n\r\n\r\n", " \r\n\r\n",
        "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\22\3\1\2\0\1\0\1\252\3\3"} do
        local peer = ends.dial(server)
        peer:send(bytes)
        peer:shutdown()
        peer:rest()
        peer:close()
      end
      for _, frame in ipairs {
        frames.build {rsv = 7, mask = "abcd", payload = "x"}, frames.plain("text", "unmasked"),
        frames.build {opcode = 15, mask = "abcd"}, frames.build {opcode = "close", mask = "abcd", payload = "x"},
        frames.build {mask = "abcd", form = 64, length = math.maxinteger},
        frames.build {mask = "abcd", form = 64, length = -1}, frames.masked("text", "\xFF"),
      } do
        local peer = ends.open(server)
        peer:send(frame)
        assert.is_number(peer:closed())
        peer:close()
      end
      local peer = ends.open(server)
      peer:masked("text", "x", false)
      peer:reset()
      peer = ends.dial(server)
      peer:send "GET / HT"
      peer:reset()
      serves(server)
      ends.turn_until(function() return server:count() == 0 end)
    end)

    it("attack 25: a peer that ignores the close is dropped, its descriptor freed", function()
      local before
      local server = listen {close_timeout = 0.03, handler = function() end}
      before = descriptors.count()
      local peer = ends.open(server)
      assert.equal(1000, (peer:closed()))
      websock.spawn(function()
        while peer:masked("text", ("x"):rep(100)) do websock.sleep(0.002) end
      end)
      ends.turn_until(function() return descriptors.count() <= before + 1 end)
      assert.equal(0, server:count())
    end)

    it("attack 29: older drafts are 426 with the version that is spoken", function()
      for _, version in ipairs {"0", "7", "8", "12", "14", "99"} do
        local status, fields = ask(listen(), frames.request {["Sec-WebSocket-Version"] = version})
        assert.same({426, "13"}, {status, fields["sec-websocket-version"]})
      end
    end)
  end)

  describe("attack 23: inside every hook", function()
    local acts = {
      stop = function(server) server:stop(0) end,
      collect = function() collectgarbage() collectgarbage() end,
      error = function() error "in a hook" end,
      vanish = function(_, peer) peer:reset() coroutine.yield() end,
      ["stop and wait"] = function(server) server:stop(0) websock.sleep(0.01) end,
    }
    local hooks = {"authorize", "protocols", "headers", "http", "handler"}
    for name, act in pairs(acts) do
      for _, hook in ipairs(hooks) do
        it(name .. " in " .. hook, function()
          local server, peer, done
          server = listen {[hook] = function()
            done = true
            act(server, peer)
            return hook == "http" and 200 or hook == "authorize" or nil
          end}
          peer = ends.dial(server)
          peer:send(hook == "http" and "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
            or frames.request {["Sec-WebSocket-Protocol"] = "a"})
          ends.turn_until(function() return done end)
          for _ = 1, 5 do websock.step() end
          collectgarbage()
          if not name:find "stop" then serves(listen()) end
        end)
      end
    end

    for name, act in pairs {
      close = function(ws) ws:close(1000, "", 0) end, abort = function(ws) ws:abort() end,
      ["close and wait"] = function(ws) ws:close(1000, "", 0.01) end,
      ["abort and send"] = function(ws) ws:abort() ws:send "x" end,
    } do
      it(name .. " in the handler and on_error", function()
        local server = listen {handler = function(ws)
          act(ws)
          error "then this"
        end, on_error = function(err, ws)
          reports[1] = err
          ws:abort()
          collectgarbage()
        end}
        local peer = ends.dial(server)
        peer:send(frames.request())
        ends.turn_until(function() return reports[1] end)
        assert.equal(0, server:count())
      end)
    end
  end)

  describe("stop", function()
    it("closes everyone with 1001 and waits for them", function()
      local server = listen()
      local peers = {}
      for i = 1, 2 do peers[i] = ends.open(server) end
      for _, peer in ipairs(peers) do
        websock.spawn(function()
          assert.equal(1001, (peer:closed()))
          peer:masked("close", frames.close_payload(1001))
        end)
      end
      ends.turn_until(function() return server:count() == 2 end)
      server:stop()
      assert.equal(0, server:count())
      for _, peer in ipairs(peers) do assert.equal("", (peer:rest())) end
      assert.equal(0, #reports)
    end)

    it("accepts nobody any more", function()
      local server = listen()
      local port = ends.port(server)
      server:stop(0)
      assert.same({nil, "connection refused"}, {socket.connect("127.0.0.1", port)})
      assert.is_nil(server:getsockname())
      server:stop()
    end)

    it("aborts at its timeout who does not answer", function()
      local server = listen()
      local peer = ends.open(server)
      ends.turn_until(function() return server:count() == 1 end)
      local begun = websock.now()
      server:stop(0.03)
      assert.is_true(websock.now() - begun >= 0.03)
      assert.equal(1001, (peer:closed()))
      peer:rest()
      assert.is_string(peer.ended)
    end)

    it("with 0 waits for nobody, but the close goes out", function()
      local server = listen()
      local peer = ends.open(server)
      ends.turn_until(function() return server:count() == 1 end)
      server:stop(0)
      assert.equal(0, server:count())
      assert.equal(1001, (peer:closed()))
    end)

    it("in a handler does not wait for that handler", function()
      local stopped
      local server
      server = listen {handler = function(ws)
        ws:receive()
        server:stop(0.02)
        stopped = true
      end}
      local peer = ends.open(server)
      peer:masked("text", "stop")
      ends.turn_until(function() return stopped end)
      assert.equal(1001, (peer:closed()))
    end)

    it("drops handshakes that are under way", function()
      local server = listen()
      local peer = ends.dial(server)
      peer:send "GET / HTTP/1.1\r\n"
      websock.sleep(0.005)
      server:stop(0)
      peer:rest()
      assert.is_string(peer.ended)
    end)

    it("is what __close does", function()
      local port
      do
        local server <close> = websock.listen {port = 0, handler = echo}
        port = ends.port(server)
      end
      assert.is_nil(socket.connect("127.0.0.1", port))
    end)

    it("ends serve", function()
      local path = os.tmpname()
      os.remove(path)
      websock.spawn(function()
        local ws = assert(websock.connect("ws://a", {unix = path}))
        assert.equal(1001, select(3, ws:receive()))
      end)
      assert.is_true(websock.serve {unix = path, handler = function(ws) ws.server:stop(0) end})
      assert.is_nil(io.open(path))
      ends.inside(function()  -- in a coroutine too
        websock.spawn(function() assert(websock.connect("ws://a", {unix = path})):receive() end)
        assert.is_true(websock.serve {unix = path, handler = function(ws) ws.server:stop(0) end})
      end)
    end)

    it("serve tells that it cannot bind", function()
      local server = listen()
      local port = ends.port(server)
      assert.same({nil, "address in use", "127.0.0.1:" .. port}, {websock.serve {port = port, handler = echo}})
    end)
  end)

  describe("count and connections", function()
    it("are of those that are open", function()
      local server = listen()
      assert.equal(0, server:count())
      local one = ends.open(server)
      local two = ends.open(server)
      ends.dial(server)
      ends.turn_until(function() return server:count() == 2 end)
      local seen = 0
      for ws in server:connections() do
        assert.equal("open", ws:state())
        seen = seen + 1
      end
      assert.equal(2, seen)
      one:masked("close", "")
      two:reset()
      ends.turn_until(function() return server:count() == 0 end)
      assert.is_nil(server:connections()())
    end)

    it("are a snapshot", function()
      local server = listen()
      for _ = 1, 3 do ends.open(server) end
      ends.turn_until(function() return server:count() == 3 end)
      local seen = 0
      for ws in server:connections() do
        ws:abort()
        seen = seen + 1
      end
      assert.equal(3, seen)
      assert.equal(0, server:count())
    end)

    it("leave out who is closing", function()
      local ws, _, server = ends.server()
      assert.equal(1, server:count())
      ws:close(1000, "", 0)
      assert.equal(0, server:count())
    end)
  end)

  describe("listen", function()
    it("raises at the caller's line on wrong options", function()
      local function raises(pattern, options)
        local ok, err = pcall(function()
          websock.listen(options)
          return true
        end)
        assert.is_false(ok)
        assert.matches("^spec/websock/server/server_spec.lua:%d+: " .. pattern, err)
      end
      raises("listen: option 'handler' is required", {port = 0})
      raises("listen: option 'port' is required", {handler = echo})
      raises("listen: unknown option 'prot'", {prot = 1, port = 0, handler = echo})
      raises("listen: option 'port'", {port = -1, handler = echo})
    end)

    it("shows itself", function()
      assert.matches("^websock.server", tostring(listen()))
    end)

    it("keeps run going until it is stopped", function()
      local server = listen()
      assert.is_true(websock.step())
      websock.spawn(function() server:stop(0) end)
      websock.run()
    end)
  end)

  describe("accept", function()
    local function pair()
      local listener = assert(socket.bind("127.0.0.1", 0))
      local _, port = listener:getsockname()
      local peer = raw.client(port)
      local sock = assert(listener:accept())
      listener:close()
      ends.at_end(function() peer:close() end)
      return sock, peer
    end

    it("does the handshake on a socket from elsewhere", function()
      local sock, peer = pair()
      peer:send(frames.request())
      local ws = assert(websock.accept(sock))
      assert.equal(-1, sock:getfd())
      assert.matches("101", (peer:head()))
      assert.equal("127.0.0.1", ws.request.remote.host)
      peer:masked("text", "hello")
      ends.inside(function() assert.equal("hello", ws:receive()) end)
      ws:abort()
    end)

    it("takes what LuaSocket has read ahead", function()
      local sock, peer = pair()
      peer:send("PROXY line\r\n" .. frames.request() .. frames.masked("text", "early"))
      websock.wait(sock, "r")
      websock.sleep(0.005)
      assert.equal("PROXY line", sock:receive())
      assert.is_true(sock:dirty())
      local ws = assert(websock.accept(sock))
      ends.inside(function() assert.equal("early", ws:receive()) end)
      ws:abort()
    end)

    it("takes a request that was read already, and checks it", function()
      local fields = {
        host = "127.0.0.1", upgrade = "websocket", connection = "keep-alive, Upgrade",
        ["Sec-WebSocket-Key"] = frames.key, ["Sec-WebSocket-Version"] = "13",
      }
      local sock, peer = pair()
      local ws = assert(websock.accept(sock, {
        request = {method = "GET", target = "/x?y", headers = fields},
        received = frames.masked("text", "more"),
      }))
      local line, answer = peer:head()
      assert.matches("101", line)
      assert.equal(frames.accept, answer["sec-websocket-accept"])
      assert.same({"/x", "y"}, {ws.request.path, ws.request.query})
      ends.inside(function() assert.equal("more", ws:receive()) end)
      ws:abort()

      sock, peer = pair()
      fields["Sec-WebSocket-Key"] = "short"
      local refused = websock.accept(sock, {request = {method = "GET", target = "/", headers = fields}})
      assert.is_nil(refused)
      assert.matches("400", (peer:head()))
    end)

    it("attack 21: raises on CR, LF and NUL in such a request", function()
      for _, bad in ipairs {"\r", "\n", "\0"} do
        for _, request in ipairs {
          {method = "GET" .. bad, target = "/", headers = {}}, {method = "GET", target = "/" .. bad, headers = {}},
          {method = "GET", target = "/", headers = {A = "b" .. bad}},
        } do
          local sock = pair()
          assert.has_error(function() websock.accept(sock, {request = request}) end)
          sock:close()
        end
      end
    end)

    it("runs the hooks", function()
      local sock, peer = pair()
      peer:send(frames.request())
      local ws, err = websock.accept(sock, {authorize = function() return false, 401 end})
      assert.is_nil(ws)
      assert.equal("refused", err)
      assert.matches("401", (peer:head()))
    end)

    it("joins a server's count and stop", function()
      local server = listen {port = false}
      assert.is_nil(server:getsockname())
      local sock, peer = pair()
      peer:send(frames.request())
      local ws = assert(websock.accept(sock, {server = server}))
      assert.equal(server, ws.server)
      assert.equal(1, server:count())
      peer:head()
      server:stop(0)
      assert.equal(1001, (peer:closed()))
    end)

    it("joins a server's max_connections: one too many is refused with 503", function()
      local server = listen {port = false, max_connections = 1}
      local function join()
        local sock, peer = pair()
        peer:send(frames.request())
        local ws, err = websock.accept(sock, {server = server})
        return ws, err, peer:head()
      end
      local first, _, line = join()
      assert.matches(" 101 ", line)
      for _ = 1, 2 do
        local ws, err, answer = join()
        assert.same({nil, "refused"}, {ws, err})
        assert.matches(" 503 ", answer)
      end
      assert.equal(1, server:count())
      first:abort()
      assert.matches(" 101 ", (select(3, join())))
    end)

    it("closes at once what a server is given while 64 are being refused", function()
      local server, accepted = listen {port = false, max_connections = 1, handshake_timeout = 1000}, 0
      local function join()
        local sock, peer = pair()
        websock.spawn(function()
          accepted = accepted + 1
          websock.accept(sock, {server = server})
        end)
        return peer
      end
      for _ = 1, 65 do join() end  -- one, and 64 that are told so once they ask
      ends.turn_until(function() return accepted == 65 end)
      local sock, peer = pair()
      assert.same({nil, "refused"}, {websock.accept(sock, {server = server})})
      assert.equal("", (peer:rest()))
    end)

    it("times out with handshake_timeout", function()
      local sock, peer = pair()
      assert.same({nil, "timeout"}, {websock.accept(sock, {handshake_timeout = 0.02})})
      peer:rest()
      assert.is_string(peer.ended)
    end)

    it("tells of a peer that has gone", function()
      local sock, peer = pair()
      peer:close()
      local ws, err = websock.accept(sock)
      assert.is_nil(ws)
      assert.is_string(err)
    end)

    it("raises on what is no socket or server", function()
      assert.error_matches(function() websock.accept({}) end, "accept: a socket object needs the method")
      local sock = pair()
      assert.error_matches(function() websock.accept(sock, {server = {}}) end, "a server of websock")
      assert.error_matches(function() websock.accept(sock, {port = 1}) end, "accept: unknown option 'port'")
      sock:close()
    end)
  end)
end)
