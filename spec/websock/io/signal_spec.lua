-- Functions for signals.

local websock = require "websock"
local child = require "support.child"
local descriptors = require "support.descriptors"
local ends = require "support.ends"
local notes = require "support.notes"

local log, note = notes.log, notes.note

describe("signal", function()
  before_each(notes.clear)
  after_each(ends.finish)

  describe("signal", function()
    local function kill(name)
      os.execute(("kill -%s %d"):format(name, descriptors.pid()))
    end

    it("runs the function in a coroutine of the loop", function()
      local main = coroutine.running()
      websock.signal("USR1", function(name)
        websock.sleep(0.001)
        note(name)
        websock.wake(main, "woken")
      end)
      kill "USR1"
      assert.equal("woken", websock.park(20))
      kill "USR1"
      assert.equal("woken", websock.park(20))
      assert.same({"USR1", "USR1"}, log)
      websock.signal("USR1", nil)
    end)

    it("does not keep run going", function()
      websock.signal("USR2", note)
      websock.run()
      websock.signal("USR2", nil)
    end)

    it("restores what was there before", function()
      local status = child.run [[
        websock.signal("TERM", function() os.exit(3) end)
        websock.signal("TERM", nil)
        os.execute("kill -TERM " .. io.open("/proc/self/stat"):read("n"))
        websock.sleep(20)
        os.exit(4)]]
      assert.equal(128 + 15, status)
    end)

    it("catches a signal that would have ended the process", function()
      local status = child.run [[
        websock.signal("TERM", function() os.exit(3) end)
        os.execute("kill -TERM " .. io.open("/proc/self/stat"):read("n"))
        websock.sleep(20)
        os.exit(4)]]
      assert.equal(3, status)
    end)

    it("raises on unknown names, and on signals that cannot be caught", function()
      assert.error_matches(function() websock.signal("NONSENSE", print) end, "signal: ")
      assert.error_matches(function() websock.signal("KILL", print) end, "signal: ")
      assert.error_matches(function() websock.signal("TERM", 1) end, "signal: function expected")
    end)
  end)
end)
