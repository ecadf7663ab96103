-- The scheduler: order, parked threads, and that a closed coroutine leaves nothing
-- behind.

local websock = require "websock"
local clock = require "support.clock"
local ends = require "support.ends"
local notes = require "support.notes"

local log, note = notes.log, notes.note

describe("scheduler", function()
  before_each(notes.clear)
  after_each(ends.finish)

  describe("spawn", function()
    it("runs functions in order, from the next turn on", function()
      for i = 1, 3 do websock.spawn(note, i) end
      assert.same({}, log)
      websock.run()
      assert.same({"1", "2", "3"}, log)
    end)

    it("passes all arguments, nil among them", function()
      local given
      websock.spawn(function(...) given = table.pack(...) end, nil, 2, nil)
      websock.run()
      assert.same({n = 3, nil, 2, nil}, given)
    end)

    it("returns the thread that runs", function()
      local thread, seen
      thread = websock.spawn(function() seen = coroutine.running() end)
      websock.run()
      assert.equal(thread, seen)
    end)

    it("from a coroutine runs in the next turn, after those already ready", function()
      websock.spawn(function()
        websock.spawn(note, "inner")
        note "outer"
      end)
      websock.spawn(note, "second")
      websock.run()
      assert.same({"outer", "second", "inner"}, log)
    end)

    it("raises on values that cannot be called", function()
      assert.error_matches(function() websock.spawn(1) end, "spawn: function expected, got number")
      local callable = setmetatable({}, {__call = function(_, x) note(x) end})
      websock.spawn(callable, "called")
      websock.run()
      assert.same({"called"}, log)
    end)

    it("resumes a function that yields by itself in the next turn", function()
      local thread = websock.spawn(function()
        note "before"
        coroutine.yield()
        note "after"
      end)
      websock.spawn(note, "other")
      assert.is_true(websock.step())
      assert.same({"before", "other"}, log)
      assert.is_false(websock.wake(thread))
      websock.run()
      assert.same({"before", "other", "after"}, log)
    end)
  end)

  describe("park and wake", function()
    local function parked(timeout)
      local thread = websock.spawn(function() note(select("#", websock.park(timeout))) end)
      websock.step()
      return thread
    end

    it("hand values over, nil among them", function()
      local got
      local thread = websock.spawn(function() got = table.pack(websock.park()) end)
      websock.step()
      assert.is_true(websock.wake(thread, nil, 2, nil))
      websock.run()
      assert.same({n = 3, nil, 2, nil}, got)
    end)

    it("hand over nothing if nothing is given", function()
      websock.wake(parked())
      websock.run()
      assert.same({"0"}, log)
    end)

    it("resume in the order of the wakes, never inside the call", function()
      local threads = {}
      for i = 1, 3 do
        threads[i] = websock.spawn(function()
          websock.park()
          note(i)
        end)
      end
      websock.step()
      for _, i in ipairs {2, 3, 1} do websock.wake(threads[i]) end
      assert.same({}, log)
      websock.run()
      assert.same({"2", "3", "1"}, log)
    end)

    it("return false if the thread is not parked", function()
      local thread = websock.spawn(function() websock.park() end)
      assert.is_false(websock.wake(thread))  -- has not begun
      websock.step()
      assert.is_true(websock.wake(thread))
      assert.is_false(websock.wake(thread))  -- woken already
      websock.run()
      assert.is_false(websock.wake(thread))  -- has ended
      assert.is_false(websock.wake(coroutine.create(print)))
      assert.is_false(websock.wake(coroutine.running()))
    end)

    it("wake keeps its values when there is a second one", function()
      local got
      local thread = websock.spawn(function() got = websock.park() end)
      websock.step()
      websock.wake(thread, "first")
      assert.is_false(websock.wake(thread, "second"))
      websock.run()
      assert.equal("first", got)
    end)

    it("park times out", function()
      assert.same({n = 2, nil, "timeout"}, table.pack(websock.park(0.01)))
      ends.inside(function()
        assert.same({n = 2, nil, "timeout"}, table.pack(websock.park(0.01)))
      end)
    end)

    it("park with 0 runs nobody else", function()
      websock.spawn(note, "other")
      assert.same({n = 2, nil, "timeout"}, table.pack(websock.park(0)))
      assert.same({}, log)
      websock.run()
    end)

    it("a timeout does not come after the wake, nor into a later park", function()
      ends.inside(function()
        local me = coroutine.running()
        websock.spawn(function() websock.wake(me, "woken") end)
        assert.equal("woken", websock.park(10))
        websock.spawn(function()
          clock.pass(20)
          websock.wake(me, "again")
        end)
        assert.equal("again", websock.park())
      end)
    end)

    it("a wake after the timeout is stale", function()
      local thread = parked(0.01)
      ends.turn_until(function() return log[1] end)
      assert.is_false(websock.wake(thread))
      assert.same({"2"}, log)
    end)

    it("work in the main chunk too", function()
      local main = coroutine.running()
      websock.spawn(function() websock.wake(main, "from the loop") end)
      assert.equal("from the loop", websock.park())
    end)

    it("wake raises on values that are no threads", function()
      assert.error_matches(function() websock.wake(print) end, "thread expected, got function")
    end)

    it("do not reach a thread that waits for something else", function()
      local one, other = ends.socket_pair()
      local result
      local thread = websock.spawn(function() result = websock.wait(one, "r") end)
      websock.step()
      assert.is_false(websock.wake(thread, "wrong"))
      other:send "x"
      websock.run()
      assert.is_true(result)
    end)
  end)

  describe("a coroutine that nobody refers to", function()
    it("goes on after its sleep", function()
      websock.spawn(function()
        websock.sleep(0.01)
        note "slept"
      end)
      websock.step()
      collectgarbage()
      collectgarbage()
      websock.run()
      assert.same({"slept"}, log)
    end)

    it("goes on when it is woken", function()
      local nobodys = setmetatable({}, {__mode = "v"})
      websock.spawn(function()
        nobodys[1] = coroutine.running()
        note(websock.park())
      end)
      websock.step()
      collectgarbage()
      collectgarbage()
      assert.is_true(websock.wake(nobodys[1], "woken"))
      collectgarbage()
      collectgarbage()
      websock.run()
      assert.same({"woken"}, log)
    end)
  end)

  describe("coroutine.close", function()
    -- The thread of f, which has begun.
    local function begun(f)
      local thread = websock.spawn(f)
      websock.step()
      return thread
    end

    it("of one that has not begun leaves nothing", function()
      local thread = websock.spawn(note, "never")
      coroutine.close(thread)
      websock.run()
      assert.is_false(websock.step())
      assert.same({}, log)
    end)

    it("of a parked one leaves nothing", function()
      local thread = begun(function() websock.park() end)
      coroutine.close(thread)
      assert.is_false(websock.wake(thread))
      assert.is_false(websock.step())
      websock.run()
    end)

    it("of one parked with a timeout leaves no timer", function()
      coroutine.close(begun(function() websock.park(1000) end))
      assert.is_nil(websock.timeout())
      assert.is_false(websock.step())
    end)

    it("of a woken one leaves nothing", function()
      local thread = begun(function() note(websock.park()) end)
      websock.wake(thread, "never")
      coroutine.close(thread)
      websock.run()
      assert.same({}, log)
    end)

    it("of a sleeping one leaves no timer", function()
      coroutine.close(begun(function() websock.sleep(1000) end))
      assert.is_nil(websock.timeout())
      websock.run()
    end)

    it("of one that waits for a descriptor leaves room for another", function()
      local one, other = ends.socket_pair()
      coroutine.close(begun(function() websock.wait(one, "r") end))
      assert.is_false(websock.step())
      other:send "x"
      assert.is_true(websock.wait(one, "r"))
    end)

    it("runs what the coroutine wanted to close", function()
      coroutine.close(begun(function()
        local _ <close> = setmetatable({}, {__close = function() note "closed" end})
        websock.park()
      end))
      assert.same({"closed"}, log)
    end)

    it("by another coroutine of the loop leaves nothing", function()
      local thread = begun(function() websock.sleep(1000) end)
      ends.inside(function() coroutine.close(thread) end)
      assert.is_nil(websock.timeout())
      assert.is_false(websock.step())
    end)

    it("of one that is ready beside others runs these", function()
      local second
      websock.spawn(function() coroutine.close(second) end)
      second = websock.spawn(note, "never")
      websock.spawn(note, "third")
      websock.run()
      assert.same({"third"}, log)
    end)
  end)
end)
