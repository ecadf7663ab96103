-- Sockets that are taken over, and socket objects for our descriptors.

local luasocket = require "socket"
local core = require "websock.core"
local socket = require "websock.link.socket"
local driver = require "websock.link.driver"

local function pair()
  local listener <const> = assert(luasocket.bind("127.0.0.1", 0))
  local _, port = listener:getsockname()
  local one = assert(luasocket.connect("127.0.0.1", port))
  local other = assert(listener:accept())
  listener:close()
  return one, other
end

describe("socket", function()
  it("takes a LuaSocket object's descriptor and what was read ahead", function()
    local one, other = pair()
    other:send "line\nmore"
    assert.equal("line", one:receive())
    local fd = one:getfd()
    local taken, how, foreign, received = socket.take("test", one)
    assert.same({fd, "more"}, {taken, received})
    assert.equal(driver.native, how)
    assert.is_nil(foreign)
    assert.equal(-1, one:getfd())
    core.closefd(fd)
    assert.is_nil((other:receive()))
    other:close()
  end)

  it("takes the socket in Copas's wrapper", function()
    local one, other = pair()
    local wrapped = setmetatable({socket = one},
      {__tostring = function() return tostring(one) .. " (copas wrapped)" end})
    local fd, how = socket.take("test", wrapped)
    assert.equal(driver.native, how)
    assert.equal(-1, one:getfd())
    core.closefd(fd)
    other:close()
  end)

  it("leaves other objects as they are", function()
    local one, other = pair()
    local object = {}
    for _, name in ipairs {"receive", "send", "getfd", "settimeout", "close"} do
      object[name] = function(_, ...) return one[name](one, ...) end
    end
    local fd, how, foreign, received = socket.take("test", object)
    assert.same({one:getfd(), ""}, {fd, received})
    assert.equal(driver.methods, how)
    assert.equal(object, foreign)
    one:close()
    other:close()
  end)

  it("names the method that is missing", function()
    for _, missing in ipairs {"receive", "send", "getfd", "settimeout", "close"} do
      local object = {}
      for _, name in ipairs {"receive", "send", "getfd", "settimeout", "close"} do
        if name ~= missing then object[name] = print end
      end
      assert.error_matches(function() socket.take("test", object) end, "needs the method '" .. missing .. "'")
    end
    assert.error_matches(function() socket.take("test", 5) end, "needs the method")
  end)

  it("makes an object for a duplicate: closing it leaves ours open", function()
    local one, other = pair()
    local fd = one:getfd()
    local object = socket.handle(fd)
    assert.not_equal(fd, object:getfd())
    assert.same({one:getsockname()}, {object:getsockname()})
    object:setoption("keepalive", true)
    assert.is_true(one:getoption "keepalive")
    object:close()
    other:send "still\n"
    assert.equal("still", one:receive())
    one:close()
    other:close()
  end)

  describe("that was given is closed once, by a call", function()
    local websock = require "websock"
    local look_alike = require "support.look_alike"
    local wss = require "support.wss"
    local certificates = require "support.certificates"

    -- Calls f with a socket of each kind; after that it is closed.
    local function closes(f)
      local one, other = pair()
      f(one)
      assert.equal(-1, one:getfd())
      other:settimeout(10)
      assert.same({nil, "closed", ""}, {other:receive()})
      other:close()
      one, other = pair()
      local object = look_alike(one)
      f(object)
      assert.equal(1, object.calls.close)
      other:close()
    end

    local function raising(call)
      return function(object)
        assert.is_false((pcall(call, object)))
      end
    end

    local function nested(call)
      return function(object)
        local results
        websock.spawn(function()
          results = table.pack(coroutine.wrap(function() return pcall(call, object) end)())
        end)
        websock.run()
        assert.is_false(results[1])
        assert.matches("cannot wait here", results[2])
      end
    end

    local CONNECT = {
      ["an unknown option"] = {"ws://a", {colour = 1}},
      ["an option that is wrong"] = {"ws://a", {timeout = "x"}},
      ["no URL at all"] = {nil, {}},
      ["a line in the URL"] = {"ws://a\n", {}},
      ["a wrong header"] = {"ws://a", {headers = {["a b"] = "1"}}},
      ["a header that is none"] = {"ws://a", {headers = {1}}},
      ["a wrong protocol"] = {"ws://a", {protocols = {"a b"}}},
      ["another way to connect"] = {"ws://a", {unix = "/a"}},
      ["half a certificate"] = {"wss://a", {tls = {cert = "a"}}},
    }
    for how, arguments in pairs(CONNECT) do
      it("connect that raises for " .. how, function()
        closes(raising(function(object)
          arguments[2].socket = object
          websock.connect(arguments[1], arguments[2])
        end))
      end)
    end

    it("connect that returns an error", function()
      for _, arguments in ipairs {{"nonsense", {}}, {"ws://a b", {}}, {"ws://a", {timeout = 0}},
        {"ws://a", {tls = wss.trusting()}}} do
        closes(function(object)
          arguments[2].socket = object
          assert.is_nil((websock.connect(arguments[1], arguments[2])))
        end)
      end
    end)

    it("connect that cannot wait", function()
      closes(nested(function(object) websock.connect("ws://a", {socket = object}) end))
    end)

    local ACCEPT = {
      ["an unknown option"] = {colour = 1},
      ["a server that is none"] = {server = {}},
      ["a wrong header"] = {headers = {["a b"] = "1"}},
      ["an origin that is none"] = {origins = {"https://a/"}},
      ["a request that is none"] = {request = {}},
      ["a header in it that is none"] = {request = {method = "GET", target = "/", headers = {1}}},
      ["tls that is not to come"] = {request = {method = "GET", target = "/"},
        tls = {cert = "a", key = "a"}},
      ["half a certificate"] = {tls = {cert = "a"}},
    }
    for how, given in pairs(ACCEPT) do
      it("accept that raises for " .. how, function()
        closes(raising(function(object) websock.accept(object, given) end))
      end)
    end

    it("accept that returns an error", function()
      local server = assert(websock.listen {port = false, handler = print})
      server:stop(0)
      closes(function(object)
        assert.same({nil, "closed"}, {websock.accept(object, {server = server})})
      end)
      local one, other = pair()
      assert.is_nil((websock.accept(one, {tls = {cert = "/none", key = "/none"}})))
      assert.equal(-1, one:getfd())
      other:close()
    end)

    it("accept that cannot wait", function()
      closes(nested(function(object) websock.accept(object) end))
    end)

    it("connect and accept with the option tls, if it is driven through its methods", function()
      local server_tls = certificates.of "server"
      for _, call in ipairs {
        function(object) websock.connect("wss://a", {socket = object, tls = wss.trusting()}) end,
        function(object) websock.accept(object, {tls = server_tls}) end,
      } do
        local one, other = pair()
        local object = look_alike(one)
        local ok, err = pcall(call, object)
        assert.is_false(ok)
        assert.matches("option 'tls': a socket object that is no LuaSocket's has its own TLS", err)
        assert.equal(1, object.calls.close)
        other:close()
      end
    end)

    it("listen that raises or returns an error", function()
      for _, given in ipairs {{colour = 1}, {}, {handler = print, port = 0}, {handler = print, headers = {1}},
        {handler = print, origins = {"*"}}, {handler = print, tls = {}},
        {handler = print, tls = {cert = "/none", key = "/none"}}} do
        local object = assert(luasocket.bind("127.0.0.1", 0))
        given.socket = object
        local ok, server = pcall(websock.listen, given)
        assert.is_falsy(ok and server)
        assert.equal(-1, object:getfd())
      end
    end)
  end)
end)
