-- Taking sockets over, and objects for descriptors of ours.

local luasocket = require "socket"
local core = require "websock.core"
local socket = require "websock.socket"
local driver = require "websock.driver"

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

  it("looks into Copas's wrapper", function()
    local one, other = pair()
    local wrapped = setmetatable({socket = one},
      {__tostring = function() return tostring(one) .. " (copas wrapped)" end})
    local fd, how = socket.take("test", wrapped)
    assert.equal(driver.native, how)
    assert.equal(-1, one:getfd())
    core.closefd(fd)
    other:close()
  end)

  it("leaves other objects what they are", function()
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

  it("makes an object on a duplicate: closing it leaves ours open", function()
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
end)
