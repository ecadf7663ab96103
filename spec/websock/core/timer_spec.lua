-- The binding of the timers: times, handles, objects, and a userdata that can be closed
-- at any time. The heap is tested in C.

local core = require "websock.core"

describe("core.timers", function()
  it("gives back handles in the order of their times", function()
    local timers <close>, at = core.timers {}
    local handles = {}
    for i, time in ipairs {3, 1, 2, 1.5} do handles[i] = at(time, {}) end
    assert.equal(1, timers:first())
    assert.equal(handles[2], (timers:due(2)))
    assert.equal(handles[4], (timers:due(2)))
    assert.equal(handles[3], (timers:due(2)))
    assert.equal(0, select("#", timers:due(2)))
    assert.equal(3, timers:first())
  end)

  it("returns the handle, and the time when it was due", function()
    local timers <close>, at = core.timers {}
    local handle = at(1, {})
    assert.same({handle, 1}, {timers:due(1.5)})
    assert.equal(0, select("#", timers:due(1)))
  end)

  it("keeps the object of a timer in the table until it is cancelled", function()
    local timed, object = {}, {}
    local timers <close>, at, cancel = core.timers(timed)
    local handle = at(1, object)
    assert.equal(object, timed[handle])
    cancel(handle)
    assert.is_nil(next(timed))
    assert.equal(0, select("#", timers:first()))
  end)

  it("moves and cancels", function()
    local timers <close>, at, cancel, move = core.timers {}
    local one, other = at(1, {}), at(2, {})
    move(one, 3)
    assert.equal(2, timers:first())
    cancel(other)
    assert.equal(3, timers:first())
    cancel(other)  -- again: nothing
    move(other, 0)
    cancel(-1)
    cancel(99)
    assert.equal(3, timers:first())
  end)

  it("refuses values that are no times", function()
    local timers <close>, at, _, move = core.timers {}
    assert.error_matches(function() at(0 / 0, {}) end, "not a time")
    assert.error_matches(function() at("soon", {}) end, "number expected")
    assert.error_matches(function() core.timers() end, "table expected")
    local handle = at(math.huge, {})
    assert.error_matches(function() move(handle, 0 / 0) end, "not a time")
    assert.equal(math.huge, timers:first())
    assert.equal(0, select("#", timers:due(1e300)))
  end)

  it("may be closed several times", function()
    local timers, at, cancel, move = core.timers {}
    local handle = at(1, {})
    timers:close()
    timers:close()
    cancel(handle)
    assert.error_matches(function() at(1, {}) end, "closed timers")
    assert.error_matches(function() timers:first() end, "closed timers")
    assert.error_matches(function() timers:due(1) end, "closed timers")
    assert.error_matches(function() move(handle, 1) end, "closed timers")
    assert.matches("^websock%.timers: ", tostring(timers))
  end)

  it("is of its own type", function()
    local poller <close> = core.poller()
    local first = getmetatable((core.timers {})).__index.first
    assert.error_matches(function() first(poller) end, "websock.timers expected")
    assert.error_matches(function() first(io.stdout) end, "websock.timers expected")
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
