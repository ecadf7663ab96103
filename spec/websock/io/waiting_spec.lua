-- Waiting from every place: in a coroutine of the loop, inside one, outside.

local websock = require "websock"
local ends = require "support.ends"
local notes = require "support.notes"

local log, note = notes.log, notes.note

describe("scheduler", function()
  before_each(notes.clear)
  after_each(ends.finish)

  describe("waiting", function()
    it("in a coroutine inside a coroutine of the loop raises", function()
      ends.inside(function()
        local iterate = coroutine.wrap(function() websock.sleep(0.01) end)
        assert.error_matches(iterate, "cannot wait here")
        assert.error_matches(coroutine.wrap(function() websock.park() end), "cannot wait here")
      end)
    end)

    it("in a C callback raises", function()
      ends.inside(function()
        assert.error_matches(function()
          table.sort({1, 2}, function() websock.sleep(0.01) end)
        end, "cannot wait here")
      end)
    end)

    it("in __close while coroutine.close runs inside the loop raises", function()
      ends.inside(function()
        local thread = websock.spawn(function()
          local _ <close> = setmetatable({}, {__close = function() websock.sleep(0.01) end})
          websock.park()
        end)
        coroutine.yield()
        local ok, err = coroutine.close(thread)
        assert.is_false(ok)
        assert.matches("cannot wait here", err)
      end)
    end)

    it("in __close of a coroutine that ends by itself works", function()
      ends.inside(function()
        local _ <close> = setmetatable({}, {__close = function()
          websock.sleep(0.01)
          note "slept"
        end})
      end)
      assert.same({"slept"}, log)
    end)

    it("in the main chunk turns the loop", function()
      websock.spawn(note, "turned")
      websock.sleep(0.01)
      assert.same({"turned"}, log)
    end)

    it("in a user's coroutine outside the loop turns it, too", function()
      websock.spawn(note, "turned")
      local thread = coroutine.create(function()
        websock.sleep(0.01)
        return "done"
      end)
      assert.same({true, "done"}, {coroutine.resume(thread)})
      assert.same({"turned"}, log)
    end)
  end)
end)
