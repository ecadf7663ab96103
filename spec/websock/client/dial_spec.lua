-- websock.connect: dialling, its timeout, and the option `socket`.

local socket = require "socket"
local unix = require "socket.unix"
local websock = require "websock"
local core = require "websock.core"
local descriptors = require "support.descriptors"
local ends = require "support.ends"
local frames = require "support.frames"
local look_alike = require "support.look_alike"
local raw = require "support.raw"

local serve = ends.serve

local function keep_silent() websock.park() end

describe("connect", function()
  descriptors.watch(before_each, after_each, ends.finish)

  describe("timeout", function()
    it("covers a server that sends nothing", function()
      local begun = websock.now()
      assert.same({n = 2, nil, "timeout"},
        table.pack(websock.connect(serve(keep_silent), {timeout = 0.05})))
      assert.is_true(websock.now() - begun >= 0.05)
    end)

    it("covers a server that does not accept", function()
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
    it("returns that nobody listens", function()
      local reserved <close> = raw.reserve()
      assert.same({n = 2, nil, "connect: connection refused"},
        table.pack(websock.connect("ws://127.0.0.1:" .. reserved.port)))
    end)

    it("returns that there is no such host", function()
      local ws, err = websock.connect("ws://does-not-exist.invalid")
      assert.is_nil(ws)
      assert.matches("^dns: ", err)
    end)

    -- Makes the look-up of every host return these addresses.
    local function resolve_to(list)
      local real, file, fd = core.lookup, descriptors.of(io.open, "Makefile")
      core.lookup = function()
        return setmetatable({
          fd = function() return fd end,  -- a file is readable at once
          take = function() return list end,
        }, {__close = function() end})
      end
      ends.at_end(function()
        core.lookup = real
        file:close()
      end)
    end

    it("tries all of a host's addresses", function()
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

    it("returns the error of the last address if all fail", function()
      resolve_to {{host = "127.0.0.3", family = "inet"}, {host = "127.0.0.4", family = "inet"}}
      local reserved <close> = raw.reserve()
      assert.same({nil, "connect: connection refused"},
        {websock.connect("ws://shop.example:" .. reserved.port)})
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

    it("tries the family only", function()
      local ws, err = websock.connect("ws://127.0.0.1:1", {family = "inet6"})
      assert.is_nil(ws)
      assert.matches("^dns: ", err)
      ws, err = websock.connect("ws://[::1]:1", {family = "inet"})
      assert.is_nil(ws)
      assert.matches("^dns: ", err)
    end)

    it("reaches IPv6", function()
      local server = websock.listen {host = "::1", port = 0, handler = function(ws) ws:send "six" end}
      if not server then return end  -- this machine has no IPv6
      ends.at_end(function() server:stop(0) end)
      local ws = assert(websock.connect("ws://[::1]:" .. ends.port(server)))
      assert.equal("six", ws:receive())
      ws:close()
    end)

    it("reaches a Unix socket, and sends the URL's host in the request", function()
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
      local reserved <close> = raw.reserve()
      websock.spawn(function() ran = true end)
      websock.connect("ws://localhost:" .. reserved.port)
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

    it("takes over a LuaSocket object's descriptor", function()
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

    it("is closed if the URL is invalid", function()
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

    it("raises if methods are missing or if it is closed", function()
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
