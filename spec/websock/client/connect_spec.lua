-- websock.connect: dialling, the request as it goes out, each way in which a
-- handshake fails, and sockets brought along.

local socket = require "socket"
local unix = require "socket.unix"
local websock = require "websock"
local core = require "websock.core"
local descriptors = require "support.descriptors"
local ends = require "support.ends"
local frames = require "support.frames"
local look_alike = require "support.look_alike"
local raw = require "support.raw"

-- A listener whose one connection is handled by f(peer), in a coroutine; the URL.
local function serve(f)
  local listener = raw.server()
  local thread = websock.spawn(function()
    local peer <close> = assert(listener:accept())
    f(peer)
  end)
  ends.at_end(function()
    coroutine.close(thread)
    listener:close()
  end)
  return "ws://127.0.0.1:" .. listener.port
end

-- What connect says to a server that answers with these bytes and ends.
local function answered(bytes, options)
  return websock.connect(serve(function(peer)
    peer:head()
    peer:send(bytes)
  end), options)
end

-- The request that connect sends.
local function request_of(options, prefix, suffix)
  local line, fields
  local url = serve(function(peer)
    line, fields = peer:head()
    peer:send "HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n"
  end)
  url = "ws://" .. (prefix or "") .. url:sub(#"ws://" + 1) .. (suffix or "")
  local _, err = websock.connect(url, options)
  assert.equal("refused", err)
  return line, fields
end

local function free_port()
  local listener <close> = raw.server()
  return listener.port
end

local function keep_silent() websock.park() end

describe("connect", function()
  local before

  before_each(function() before = descriptors.count() end)

  after_each(function()
    ends.finish()
    collectgarbage()
    collectgarbage()
    -- the poller's own are made once
    assert.is_true(descriptors.count() <= before + 3, "a descriptor is left open")
  end)

  describe("request", function()
    it("is what RFC 6455 4.1 asks for", function()
      local line, fields = request_of(nil, nil, "/chat?a=b")
      assert.equal("GET /chat?a=b HTTP/1.1", line)
      assert.equal("websocket", fields.upgrade:lower())
      assert.equal("upgrade", fields.connection:lower())
      assert.equal("13", fields["sec-websocket-version"])
      assert.matches("^127%.0%.0%.1:%d+$", fields.host)
      assert.matches("^[%w+/]+==$", fields["sec-websocket-key"])
      assert.equal(24, #fields["sec-websocket-key"])
      assert.is_nil(fields.origin)
      assert.is_nil(fields.authorization)
      assert.is_nil(fields["sec-websocket-protocol"])
      assert.is_nil(fields["sec-websocket-extensions"])
    end)

    it("has another key each time", function()
      local _, one = request_of()
      local _, two = request_of()
      assert.not_equal(one["sec-websocket-key"], two["sec-websocket-key"])
    end)

    it("carries origin, protocols and userinfo", function()
      local _, fields = request_of({origin = "https://a.example", protocols = {"b", "a"}},
        "Aladdin:open%20sesame@")
      assert.equal("https://a.example", fields.origin)
      assert.equal("b, a", fields["sec-websocket-protocol"])
      assert.equal("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", fields.authorization)
      assert.matches("^127", fields.host)
    end)

    it("carries headers from a map, with lists, or from pairs", function()
      local _, fields = request_of {headers = {["X-One"] = "1", ["X-Two"] = {"a", "b"}}}
      assert.same({"1", "a, b"}, {fields["x-one"], fields["x-two"]})
      _, fields = request_of {headers = {{"X-One", "1"}, {"X-One", "2"}}}
      assert.equal("1, 2", fields["x-one"])
    end)

    it("has Origin and Authorization once, from `headers` where they are there too", function()
      for _, given in ipairs {
        {Origin = "http://b", Authorization = "Bearer b"}, {origin = "http://b", AUTHORIZATION = "Bearer b"},
        {{"oRigin", "http://b"}, {"authorization", "Bearer b"}}, {{"Authorization", "Bearer b"}, Origin = "http://b"},
        {Origin = {"http://b"}, Authorization = {"Bearer b"}},
      } do
        local _, fields = request_of({origin = "http://a", headers = given}, "a:a@")
        assert.same({"http://b", "Bearer b"}, {fields.origin, fields.authorization})
      end
    end)

    it("has them from where they are", function()
      local _, fields = request_of({origin = "http://a", headers = {Authorization = "Bearer b"}}, "a:a@")
      assert.same({"http://a", "Bearer b"}, {fields.origin, fields.authorization})
      _, fields = request_of({origin = "http://a", headers = {{"origin", "http://b"}}}, "a:a@")
      assert.same({"http://b", "Basic YTph"}, {fields.origin, fields.authorization})
      _, fields = request_of({origin = "http://a", headers = {["X-Origin"] = "c", Origin = {}}}, "a:a@")
      assert.same({"http://a", "Basic YTph"}, {fields.origin, fields.authorization})
      _, fields = request_of {headers = {Origin = "", authorization = ""}}
      assert.same({"", ""}, {fields.origin, fields.authorization})
    end)

    it("raises where `headers` has one of them twice", function()
      for name, given in pairs {Origin = {{"origin", "http://a"}, {"Origin", "http://b"}},
        Authorization = {Authorization = {"a", "b"}}} do
        assert.error_matches(function() websock.connect("ws://127.0.0.1:1", {headers = given}) end,
          "connect: header '" .. name .. "': given twice")
      end
    end)

    it("attack 21: CR, LF and NUL raise before anything is sent", function()
      local accepted
      local url = serve(function() accepted = true end)
      for _, bad in ipairs {"\r", "\n", "\0", "\r\nX: y"} do
        for _, options in ipairs {
          {headers = {A = "b" .. bad}}, {headers = {["A" .. bad] = "b"}}, {headers = {{"A", bad}}},
          {origin = "http://a" .. bad}, {protocols = {"a" .. bad}},
        } do
          assert.has_error(function() websock.connect(url, options) end)
        end
        assert.has_error(function() websock.connect(url .. "/a" .. bad) end)
      end
      websock.step(0.01)
      assert.is_nil(accepted)
    end)

    it("raises on fields of the handshake's own, and on what is no token, naming it", function()
      local function refused(expected, options)
        local ok, err = pcall(function() return websock.connect("ws://127.0.0.1:1", options) and nil end)
        assert.is_false(ok, expected)
        assert.matches("^spec/websock/client/connect_spec.lua:%d+: connect: ", err)
        assert.equal("connect: " .. expected, (err:gsub("^.-:%d+: ", "")))
      end
      for _, name in ipairs {"x y", "", "a,b", "\xC3\xA4"} do
        refused(("protocol '%s': a subprotocol is no token"):format(name), {protocols = {"fine", name}})
      end
      refused("protocol 'a': given twice", {protocols = {"a", "b", "a"}})
      for _, name in ipairs {"a b", "", "a:b"} do
        refused(("header '%s': a field's name is no token"):format(name), {headers = {Fine = "1", [name] = "1"}})
      end
      refused("header 'X-A': a field's value has an invalid byte", {headers = {{"X-A", "1"}, {"X-A", "\1"}}})
      refused("header 'host': a field that the library sets itself (Host, Connection, Upgrade, Content-Length, "
        .. "Transfer-Encoding, Sec-WebSocket-...)", {headers = {host = "a"}})
      refused("option 'origin': 'http://a?x: y': a field's value has an invalid byte",
        {origin = "http://a\nx: y"})
    end)
  end)

  describe("options", function()
    it("raise at the caller's line when they are unknown or wrong", function()
      local function raises(pattern, ...)
        local ok, err = pcall(function(...)
          websock.connect(...)
          return true
        end, ...)
        assert.is_false(ok)
        assert.matches("^spec/websock/client/connect_spec.lua:%d+: " .. pattern, err)
      end
      raises("connect: unknown option 'time_out'", "ws://a", {time_out = 1})
      raises("connect: option 'timeout'", "ws://a", {timeout = "1"})
      raises("connect: options: table expected", "ws://a", 1)
      raises("connect: url: string expected, got nil", nil)
    end)

    it("of later versions say so", function()
      for name, value in pairs {redirects = 1, proxy = true,
        scheduler = "copas"} do
        assert.error_matches(function() websock.connect("ws://127.0.0.1:1", {[name] = value}) end,
          "'" .. name .. "': .*later version")
      end
    end)

    it("a URL that is none is an error, no raise", function()
      local ws, err = websock.connect "ftp://a"
      assert.is_nil(ws)
      assert.matches("^url: ", err)
    end)
  end)

  describe("response", function()
    it("is a field of the connection", function()
      local ws = ends.client({protocols = {"a", "b"}},
        {["Sec-WebSocket-Protocol"] = "b", ["X-Served-By"] = "test"})
      assert.same({101, "Switching Protocols", "test"},
        {ws.response.status, ws.response.reason, ws.response.headers["X-Served-By"]})
      assert.equal("b", ws.protocol)
      assert.is_nil(ws.request)
      assert.is_nil(ws.server)
    end)

    it("may bring messages along", function()
      local ws = assert(websock.connect(serve(function(peer)
        local _, fields = peer:head()
        peer:send(frames.response(nil, raw.accept_key(fields["sec-websocket-key"]))
          .. frames.plain("text", "early") .. frames.plain("close", frames.close_payload(1000)))
        peer:rest(5)
      end)))
      assert.equal("early", ws:receive())
      assert.equal(1000, select(3, ws:receive()))
    end)

    it("may come byte by byte", function()
      local ws = assert(websock.connect(serve(function(peer)
        local _, fields = peer:head()
        local answer = frames.response(nil, raw.accept_key(fields["sec-websocket-key"]))
          .. frames.plain("text", "x")
        for byte in answer:gmatch "." do
          peer:send(byte)
          coroutine.yield()
        end
        peer:rest(5)
      end)))
      assert.equal("x", ws:receive())
      ws:abort()
    end)

    it("with another status is 'refused', with all of it", function()
      local ws, err, response = answered(
        "HTTP/1.1 404 Not Here\r\nContent-Length: 5\r\nX-A: 1\r\nX-A: 2\r\n\r\nsorry")
      assert.is_nil(ws)
      assert.equal("refused", err)
      assert.same({404, "Not Here", "1, 2", "sorry"},
        {response.status, response.reason, response.headers["X-a"], response.body})
    end)

    local COOKIES = {"a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT", "b=2, 3; Path=/", "a=4"}

    it("lists its fields as they came; cookies are told apart", function()
      local _, err, response = answered("HTTP/1.1 403 No\r\nSet-Cookie: " .. COOKIES[1] .. "\r\nX-A: 1\r\n"
        .. "SET-COOKIE: " .. COOKIES[2] .. "\r\nx-a:\r\nset-cookie: " .. COOKIES[3] .. "\r\n\r\n")
      assert.equal("refused", err)
      assert.same({{"Set-Cookie", COOKIES[1]}, {"X-A", "1"}, {"SET-COOKIE", COOKIES[2]}, {"x-a", ""},
        {"set-cookie", COOKIES[3]}}, response.fields)
      assert.equal(table.concat(COOKIES, "\n"), response.headers["Set-Cookie"])
      assert.equal("1, ", response.headers["X-A"])
    end)

    it("of a connection has them too", function()
      local ws = ends.client(nil, {["Set-Cookie"] = COOKIES})
      local found = {}
      for _, field in ipairs(ws.response.fields) do
        if field[1] == "Set-Cookie" then found[#found + 1] = field[2] end
      end
      assert.same(COOKIES, found)
      assert.equal(table.concat(COOKIES, "\n"), ws.response.headers["set-cookie"])
      assert.equal(6, #ws.response.fields)
    end)

    it("has one cookie as it is, and none as nil", function()
      assert.equal(COOKIES[1], ends.client(nil, {["Set-Cookie"] = COOKIES[1]}).response.headers["set-cookie"])
      assert.equal("", ends.client(nil, {["Set-Cookie"] = ""}).response.headers["set-cookie"])
      assert.is_nil(ends.client().response.headers["set-cookie"])
    end)

    it("shows itself as its status line, as far as it came", function()
      for line, shown in pairs {["401 Unauthorized"] = "401 Unauthorized", ["599 x"] = "599 x", ["404 "] = "404",
        ["404"] = "404", ["403 Nein,  d\xC3\xA4 nicht "] = "403 Nein,  d\xC3\xA4 nicht "} do
        local _, _, response = answered("HTTP/1.1 " .. line .. "\r\nContent-Length: 0\r\n\r\n")
        assert.equal(shown, tostring(response))
      end
      assert.equal("101 Switching Protocols", tostring(ends.client().response))
    end)

    it("refused without a length has the body up to the end", function()
      local _, err, response = answered "HTTP/1.1 503 \r\n\r\nall of this"
      assert.same({"refused", 503, "", "all of this"},
        {err, response.status, response.reason, response.body})
    end)

    it("refused has at most 64 KiB of the body", function()
      local body = ("x"):rep(70000)
      local _, err, response = answered("HTTP/1.1 500 No\r\nContent-Length: 70000\r\n\r\n" .. body)
      assert.equal("refused", err)
      assert.equal(65536, #response.body)
    end)

    it("refused as a redirect is told with its place", function()
      local _, err, response = answered "HTTP/1.1 302 Found\r\nLocation: ws://b/\r\nContent-Length: 0\r\n\r\n"
      assert.same({"refused", 302, "ws://b/"}, {err, response.status, response.headers.Location})
    end)

    -- Fields that make a 101 invalid (RFC 6455 4.1); the Accept is right unless
    -- they say otherwise.
    local invalid = {
      {"without Upgrade", {Upgrade = false}}, {"with another Upgrade", {Upgrade = "h2c"}},
      {"without Connection", {Connection = false}}, {"with another Connection", {Connection = "close"}},
      {"without Accept", {["Sec-WebSocket-Accept"] = false}},
      {"with a subprotocol not asked for", {["Sec-WebSocket-Protocol"] = "x"}},
      {"with an extension not asked for", {["Sec-WebSocket-Extensions"] = "permessage-deflate"}},
      {"attack 22: with a wrong Accept", {["Sec-WebSocket-Accept"] = frames.accept}},
      {"with two Accepts", {["Sec-WebSocket-Accept"] = {frames.accept, frames.accept}}},
    }
    for _, case in ipairs(invalid) do
      it(case[1] .. " is no handshake", function()
        local ws, err = websock.connect(serve(function(peer)
          local _, fields = peer:head()
          peer:send(frames.response(case[2], raw.accept_key(fields["sec-websocket-key"])))
          peer:rest(5)
        end))
        assert.is_nil(ws)
        assert.matches("^handshake: ", err)
      end)
    end

    for name, bytes in pairs {
      ["garbage"] = "SSH-2.0-OpenSSH\r\n\r\n", ["nothing"] = "", ["half a head"] = "HTTP/1.1 101 X\r\nUp",
      ["HTTP/2"] = "HTTP/2 101 X\r\n\r\n", ["a bad field"] = "HTTP/1.1 101 X\r\nA B\r\n\r\n",
    } do
      it("of " .. name .. " is no handshake", function()
        local ws, err = answered(bytes)
        assert.is_nil(ws)
        assert.matches("^handshake: ", err)
      end)
    end

    it("attack 6: that never ends its head is given up at a limit", function()
      local ws, err = websock.connect(serve(function(peer)
        peer:head()
        peer:send "HTTP/1.1 101 X\r\n"
        for i = 1, 100000 do
          if not peer:send(("X-%d: %s\r\n"):format(i, ("y"):rep(100))) then return end
        end
      end))
      assert.is_nil(ws)
      assert.matches("^handshake: ", err)
    end)

    it("after a reset is no handshake", function()
      local ws, err = websock.connect(serve(function(peer)
        peer:head()
        peer:reset()
      end))
      assert.is_nil(ws)
      assert.matches("^handshake: ", err)
    end)
  end)

  describe("timeout", function()
    it("covers a server that says nothing", function()
      local begun = websock.now()
      assert.same({n = 2, nil, "timeout"},
        table.pack(websock.connect(serve(keep_silent), {timeout = 0.05})))
      assert.is_true(websock.now() - begun >= 0.05)
    end)

    it("covers a server that nobody accepts at", function()
      local listener <close> = raw.server()
      assert.same({nil, "timeout"},
        {websock.connect("ws://127.0.0.1:" .. listener.port, {timeout = 0.05})})
    end)

    it("attack 10: covers one that drips its answer", function()
      assert.same({nil, "timeout"}, {websock.connect(serve(function(peer)
        peer:head()
        peer:send "HTTP/1.1 101 X\r\nX: "
        while peer:send "y" do websock.sleep(0.002) end
      end), {timeout = 0.05})})
    end)

    it("covers one that drips a refusal's body", function()
      local _, err = websock.connect(serve(function(peer)
        peer:head()
        peer:send "HTTP/1.1 404 X\r\n\r\n"
        while peer:send "y" do websock.sleep(0.002) end
      end), {timeout = 0.05})
      assert.is_true(err == "timeout" or err == "refused")
    end)

    it("of 0 leaves nothing behind", function()
      local ws, err = websock.connect(serve(keep_silent), {timeout = 0})
      assert.is_nil(ws)
      assert.equal("timeout", err)
    end)
  end)

  describe("dialling", function()
    it("tells that nobody listens", function()
      assert.same({n = 2, nil, "connect: connection refused"},
        table.pack(websock.connect("ws://127.0.0.1:" .. free_port())))
    end)

    it("tells that there is no such host", function()
      local ws, err = websock.connect("ws://does-not-exist.invalid")
      assert.is_nil(ws)
      assert.matches("^dns: ", err)
    end)

    -- Has every host look up to these addresses.
    local function resolve_to(list)
      local real, file, fd = core.lookup, descriptors.of(io.open, "Makefile")
      core.lookup = function()
        return setmetatable({
          fd = function() return fd end,  -- a file: the answer is there at once
          take = function() return list end,
        }, {__close = function() end})
      end
      ends.at_end(function()
        core.lookup = real
        file:close()
      end)
    end

    it("tries a host's addresses one after the other", function()
      resolve_to {{host = "127.0.0.3", family = "inet"}, {host = "::1", family = "inet6"},
        {host = "127.0.0.1", family = "inet"}, {host = "127.0.0.4", family = "inet"}}
      local port = serve(function(peer)
        peer:welcome()
        peer:rest(5)
      end):match ":(%d+)$"
      local ws = assert(websock.connect("ws://shop.example:" .. port))
      assert.equal("127.0.0.1", (ws:getpeername()))
      ws:abort()
    end)

    it("tells why the last address of all failed", function()
      resolve_to {{host = "127.0.0.3", family = "inet"}, {host = "127.0.0.4", family = "inet"}}
      assert.same({nil, "connect: connection refused"},
        {websock.connect("ws://shop.example:" .. free_port())})
    end)

    it("looks names up", function()
      local url = serve(function(peer)
        peer:welcome()
        peer:rest(5)
      end)
      local ws = assert(websock.connect("ws://localhost:" .. url:match ":(%d+)$"))
      assert.equal("127.0.0.1", (ws:getpeername()))
      ws:abort()
    end)

    it("heeds the family", function()
      local ws, err = websock.connect("ws://127.0.0.1:1", {family = "inet6"})
      assert.is_nil(ws)
      assert.matches("^dns: ", err)
      ws, err = websock.connect("ws://[::1]:1", {family = "inet"})
      assert.is_nil(ws)
      assert.matches("^dns: ", err)
    end)

    it("reaches IPv6", function()
      local server = websock.listen {host = "::1", port = 0, handler = function(ws) ws:send "six" end}
      if not server then return end  -- a machine without IPv6
      ends.at_end(function() server:stop(0) end)
      local ws = assert(websock.connect("ws://[::1]:" .. ends.port(server)))
      assert.equal("six", ws:receive())
      ws:close()
    end)

    it("reaches a Unix socket, the URL's host in the request", function()
      local path = os.tmpname()
      os.remove(path)
      local host
      local server = ends.listen {unix = path, handler = function(ws)
        host = ws.request.headers.host
        ws:send "unix"
      end}
      local ws = assert(websock.connect("ws://shop.example/", {unix = path}))
      assert.equal("unix", ws:receive())
      assert.equal("shop.example", host)
      assert.matches("^unix", tostring(ws:socket()))
      ws:close()
      server:stop(0)
      local _, err = websock.connect("ws://a/", {unix = path})
      assert.matches("^connect: ", err)
    end)

    it("lets other coroutines run meanwhile", function()
      local ran
      websock.spawn(function() ran = true end)
      websock.connect("ws://localhost:" .. free_port())
      assert.is_true(ran)
    end)

    it("works in coroutines, many at once", function()
      local server = ends.listen {port = 0, handler = function(ws) ws:send(ws.request.path) end}
      local got, url = {}, "ws://127.0.0.1:" .. ends.port(server)
      for i = 1, 20 do
        websock.spawn(function()
          local ws <close> = assert(websock.connect(url .. "/" .. i))
          got[i] = ws:receive()
        end)
      end
      ends.turn_until(function() return #got == 20 end)
      assert.equal("/20", got[20])
    end)

    it("cannot wait in a nested coroutine", function()
      ends.inside(function()
        assert.error_matches(coroutine.wrap(function() websock.connect "ws://127.0.0.1:1" end),
          "cannot wait here")
      end)
    end)
  end)

  describe("socket option", function()
    -- A LuaSocket object connected to a peer that f handles.
    local function connected(f)
      local port = serve(f):match ":(%d+)$"
      return assert(socket.connect("127.0.0.1", port))
    end

    local function welcome(peer)
      peer:welcome()
      peer:plain("text", "hello")
      peer:plain("close", frames.close_payload(assert(peer:closed())))
      peer:rest(0.05)
    end

    it("takes a LuaSocket object's descriptor over", function()
      local sock = connected(welcome)
      local fd = sock:getfd()
      local ws = assert(websock.connect("ws://any.example", {socket = sock}))
      assert.equal(fd, ws:getfd())
      assert.equal(-1, sock:getfd())
      assert.equal("hello", ws:receive())
      assert.is_true(ws:close())
    end)

    it("takes what LuaSocket has read ahead", function()
      -- the server speaks first, as after a proxy's CONNECT
      local sock = connected(function(peer)
        peer:send "HTTP/1.1 200 Connected\r\n\r\nHTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno"
        peer:rest(5)
      end)
      websock.wait(sock, "r")
      websock.sleep(0.01)
      assert.equal("HTTP/1.1 200 Connected", sock:receive())
      assert.equal("", sock:receive())
      assert.is_true(sock:dirty())
      local _, err, response = websock.connect("ws://any.example", {socket = sock})
      assert.same({"refused", "no"}, {err, response.body})
    end)

    it("drives a look-alike through its methods", function()
      local object = look_alike(connected(welcome))
      local ws = assert(websock.connect("ws://any.example", {socket = object}))
      assert.equal(object, ws:socket())
      assert.equal("hello", ws:receive())
      assert.is_true(ws:close())
      assert.equal(1, object.calls.close)
      assert.is_true(object.calls.receive > 0 and object.calls.send > 0)
    end)

    it("is closed on failure", function()
      local object = look_alike(connected(function(peer)
        peer:head()
        peer:send "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"
      end))
      local _, err = websock.connect("ws://any.example", {socket = object})
      assert.equal("refused", err)
      assert.equal(1, object.calls.close)
    end)

    it("is closed when the URL is none", function()
      local object = look_alike(connected(keep_silent))
      local _, err = websock.connect("nonsense", {socket = object})
      assert.matches("^url: ", err)
      assert.equal(1, object.calls.close)
    end)

    it("is closed at the timeout", function()
      local object = look_alike(connected(keep_silent))
      assert.same({nil, "timeout"}, {websock.connect("ws://a", {socket = object, timeout = 0.02})})
      assert.equal(1, object.calls.close)
    end)

    it("raises where methods are missing or it is closed", function()
      assert.error_matches(function() websock.connect("ws://a", {socket = {}}) end,
        "a socket object needs the method 'receive'")
      local sock = socket.tcp()
      sock:close()
      assert.error_matches(function() websock.connect("ws://a", {socket = sock}) end,
        "connect: option 'socket': the socket is closed")
    end)

    it("may be a Unix socket's", function()
      local path = os.tmpname()
      os.remove(path)
      ends.listen {unix = path, handler = function(ws) ws:send "hi" end}
      local sock = unix.stream()
      assert(sock:connect(path))
      local ws = assert(websock.connect("ws://a", {socket = sock}))
      assert.equal("hi", ws:receive())
      ws:close()
    end)
  end)
end)
