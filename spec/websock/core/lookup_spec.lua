-- The binding of name look-ups. What the helper thread does is tested in C.

local core = require "websock.core"
local descriptors = require "support.descriptors"
local child = require "support.child"

-- Returns the results of take once the answer has come.
local function answer(lookup)
  local poller <close> = core.poller()
  assert(poller:watch(lookup:fd(), 1, 1))
  assert.equal(1, poller:wait(60))
  return lookup:take()
end

describe("core.lookup", function()
  it("finds localhost", function()
    local lookup <close> = assert(core.lookup("localhost", "inet"))
    local list = assert(answer(lookup))
    assert.same({{host = "127.0.0.1", family = "inet"}}, list)
    assert.same(list, (lookup:take()))
  end)

  it("returns only addresses of the family asked for", function()
    local lookup <close> = assert(core.lookup("::1", "inet6"))
    assert.same({{host = "::1", family = "inet6"}}, (answer(lookup)))
    local none <close> = assert(core.lookup("::1", "inet"))
    local list, why = answer(none)
    assert.is_nil(list)
    assert.is_string(why)
    assert.error_matches(function() core.lookup("::1", "ipx") end, "invalid option 'ipx'")
  end)

  it("returns an error if there is no answer", function()
    local lookup <close> = assert(core.lookup "no-such-host.invalid")
    local list, why = answer(lookup)
    assert.is_nil(list)
    assert.not_equal("again", why)
    assert.is_string(why)
  end)

  it("returns that the answer is not there yet, or the answer", function()
    local lookup <close> = assert(core.lookup "localhost")
    local list, why
    repeat
      list, why = lookup:take()
      assert.is_true(list ~= nil or why == "again")
    until list
  end)

  it("refuses a host with a zero byte", function()
    assert.error_matches(function() core.lookup "127.0.0.1\0.example" end, "zero byte")
    assert.error_matches(function() core.lookup() end, "string expected")
    assert.error_matches(function() core.lookup {} end, "string expected")
  end)

  it("may be closed several times, at any time", function()
    for _ = 1, 50 do
      local lookup = assert(core.lookup "localhost")
      lookup:close()
      lookup:close()
      assert.error_matches(function() lookup:take() end, "closed lookup")
      assert.error_matches(function() lookup:fd() end, "closed lookup")
      assert.matches("^websock%.lookup: ", tostring(lookup))
    end
  end)

  it("is closed by the collector", function()
    local fd = assert(core.lookup "localhost"):fd()
    collectgarbage()
    collectgarbage()
    assert.is_nil(descriptors.list()[fd])
  end)

  it("may be running when the state closes", function()
    local status, output = child.run [[
      local core = require "websock.core"
      for i = 1, 20 do kept = core.lookup(i .. ".no-such-host.invalid") end
      os.exit(0, true)]]
    assert.equal("", output)
    assert.equal(0, status)
  end)
end)

describe("core.numeric", function()
  it("gives the host as it is printed, and its family", function()
    assert.same({"127.0.0.1", "inet"}, {core.numeric "127.0.0.1"})
    assert.same({"2001:db8::a", "inet6"}, {core.numeric "2001:0DB8::000A"})
  end)

  it("returns nothing for a name", function()
    for _, host in ipairs {"localhost", "", "[::1]", "127.0.0.1:80", "256.0.0.1"} do
      assert.equal(0, select("#", core.numeric(host)))
    end
    assert.error_matches(function() core.numeric "127.0.0.1\0.example" end, "zero byte")
  end)
end)
