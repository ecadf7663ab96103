-- The binding of the timers: times, slots, handles, and a userdata that can be closed
-- at any time. The heap is tested in C.

local core = require "websock.core"

describe("core.timers", function()
  it("gives back slots in the order of their times", function()
    local timers <close> = core.timers()
    for i, at in ipairs {3, 1, 2, 1.5} do timers:set(at, i) end
    assert.equal(1, timers:first())
    assert.equal(2, (timers:due(2)))
    assert.equal(4, (timers:due(2)))
    assert.equal(3, (timers:due(2)))
    assert.equal(0, select("#", timers:due(2)))
    assert.equal(3, timers:first())
  end)

  it("returns the handle with the slot, and the time when it was due", function()
    local timers <close> = core.timers()
    local handle = timers:set(1, 4294967295)
    assert.same({4294967295, handle, 1}, {timers:due(1.5)})
    assert.equal(0, select("#", timers:due(1)))
  end)

  it("has slot 0 by default", function()
    local timers <close> = core.timers()
    timers:set(1)
    assert.equal(0, (timers:due(1)))
  end)

  it("has no first time without timers", function()
    local timers <close> = core.timers()
    assert.equal(0, select("#", timers:first()))
    timers:cancel(timers:set(1))
    assert.equal(0, select("#", timers:first()))
  end)

  it("moves and cancels", function()
    local timers <close> = core.timers()
    local one, other = timers:set(1, 1), timers:set(2, 2)
    timers:move(one, 3)
    assert.equal(2, timers:first())
    timers:cancel(other)
    assert.equal(3, timers:first())
    timers:cancel(other)  -- again: nothing
    timers:move(other, 0)
    timers:cancel(-1)
    timers:cancel(99)
    assert.equal(3, timers:first())
  end)

  it("refuses values that are no times", function()
    local timers <close> = core.timers()
    assert.error_matches(function() timers:set(0 / 0) end, "not a time")
    assert.error_matches(function() timers:set "soon" end, "number expected")
    local handle = timers:set(math.huge)
    assert.error_matches(function() timers:move(handle, 0 / 0) end, "not a time")
    assert.equal(math.huge, timers:first())
    assert.equal(0, select("#", timers:due(1e300)))
  end)

  it("may be closed several times", function()
    local timers = core.timers()
    local handle = timers:set(1)
    timers:close()
    timers:close()
    timers:cancel(handle)
    assert.error_matches(function() timers:set(1) end, "closed timers")
    assert.error_matches(function() timers:first() end, "closed timers")
    assert.error_matches(function() timers:due(1) end, "closed timers")
    assert.error_matches(function() timers:move(handle, 1) end, "closed timers")
    assert.matches("^websock%.timers: ", tostring(timers))
  end)

  it("is of its own type", function()
    local poller <close> = core.poller()
    local set = getmetatable(core.timers()).__index.set
    assert.error_matches(function() set(poller, 1) end, "websock.timers expected")
    assert.error_matches(function() set(io.stdout, 1) end, "websock.timers expected")
  end)
end)

describe("core.now", function()
  it("never goes back", function()
    local last = core.now()
    for _ = 1, 1000 do
      local now = core.now()
      assert.is_true(now >= last)
      last = now
    end
  end)
end)
