-- The functions step and run of the module.

local websock = require "websock"
local child = require "support.child"
local clock = require "support.clock"
local ends = require "support.ends"
local frames = require "support.frames"
local notes = require "support.notes"

local log, note = notes.log, notes.note

describe("loop", function()
  before_each(notes.clear)
  after_each(ends.finish)

  describe("run", function()
    it("lets other threads run after what takes long; step serves all that is ready", function()
      local order, served = "", 0
      local server = ends.listen {port = 0, on_message = function()
        order, served = order .. "m", served + 1
        clock.skip(0.01)
      end}
      local peers = {}
      for i = 1, 3 do peers[i] = ends.open(server) end
      local function send()
        for _, peer in ipairs(peers) do peer.sock:send(frames.masked("text", "x")) end
      end
      send()
      websock.spawn(function()
        repeat
          order = order .. "t"
          websock.sleep(0)
        until served == 3
        websock.stop()
      end)
      assert.is_true(websock.run())
      assert.matches("^t*mt+mt+m", order)
      order = ""
      send()
      websock.step(0)
      assert.equal("mmm", order)
    end)
  end)

  describe("step", function()
    it("returns whether work remains", function()
      assert.is_false(websock.step())
      websock.spawn(websock.sleep, 0.01)
      assert.is_true(websock.step())
      repeat until not websock.step(1)
      assert.is_false(websock.step(0))
    end)

    it("with 0 or nothing never waits", function()
      local thread = websock.spawn(websock.sleep, 1000)
      local begun = websock.now()
      for _ = 1, 10 do assert.is_true(websock.step()) end
      for _ = 1, 10 do assert.is_true(websock.step(0)) end
      assert.is_true(websock.now() - begun < 500)
      coroutine.close(thread)
    end)

    it("waits at most the given time", function()
      local begun = websock.now()
      websock.step(0.02)
      assert.is_true(websock.now() - begun >= 0.02)
    end)

    it("runs each ready thread once", function()
      websock.spawn(function()
        for i = 1, 3 do
          note(i)
          coroutine.yield()
        end
      end)
      websock.step()
      assert.same({"1"}, log)
      websock.step()
      assert.same({"1", "2"}, log)
      websock.run()
    end)

    it("raises on values that are no times", function()
      assert.error_matches(function() websock.step(-1) end, "seconds from 0 up")
    end)
  end)

  describe("run", function()
    it("returns at once if nothing is left to do", function()
      websock.run()
      assert.is_false(websock.step())
    end)

    it("ends at stop, and goes on when it is called again", function()
      local thread = websock.spawn(function()
        note "one"
        websock.stop()
        websock.park()
        note "two"
      end)
      websock.run()
      assert.same({"one"}, log)
      websock.wake(thread)
      websock.run()
      assert.same({"one", "two"}, log)
    end)

    it("and step raise inside a coroutine of the loop", function()
      ends.inside(function()
        assert.error_matches(function() websock.run() end, "run.* inside the loop")
        assert.error_matches(function() websock.step() end, "step.* inside the loop")
        coroutine.wrap(function()
          assert.error_matches(function() websock.run() end, "inside the loop")
        end)()
      end)
    end)

    it("works in a coroutine under no scheduler", function()
      websock.spawn(note, "ran")
      coroutine.wrap(websock.run)()
      assert.same({"ran"}, log)
    end)
  end)

  describe("run", function()
    -- The output of a process that runs this, without the tracebacks.
    local function printed(code)
      local status, output = child.run(code)
      assert.equal(0, status, output)
      local kept = {}
      for line in output:gmatch "[^\n]+" do kept[#kept + 1] = line:match "^> (.*)" end
      return kept
    end

    local SAY = [[
      local function say(...)
        local words = table.pack(...)
        for i = 1, words.n do words[i] = tostring(words[i]) end
        print("> " .. table.concat(words, " "))
      end
      local spawn, run = websock.spawn, websock.run
    ]]

    it("returns true", function()
      assert.is_true(websock.run())
      websock.spawn(note, "ran")
      assert.is_true(websock.run())
      websock.spawn(websock.stop)
      assert.is_true(websock.run())
    end)

    it("returns nil and the first error of a spawned function, at its end", function()
      local status, output = child.run [[
        websock.spawn(function() websock.sleep(0.01) print "went on" end)
        websock.spawn(error, "one", 0)
        websock.spawn(error, "two", 0)
        print("run:", websock.run())
        print("then:", websock.run())]]
      assert.equal(0, status)
      assert.matches("websock: one\nstack traceback.*websock: two\nstack", output)
      assert.matches("went on\nrun:\tnil\tone\nthen:\ttrue\n$", output)
    end)

    it("returns one from before it, since the last run", function()
      assert.same({"step false", "nil early", "true"}, printed(SAY .. [[
        spawn(error, "early", 0)
        say("step", websock.step())
        say(run())
        say(run())]]))
    end)

    it("returns one after stop", function()
      assert.same({"nil broken", "true"}, printed(SAY .. [[
        spawn(error, "broken", 0)
        spawn(function()
          websock.stop()
          websock.sleep(0.01)
        end)
        say(run())
        say(run())]]))
    end)

    it("returns errors that are no strings as they are, and nil as text", function()
      assert.same({"nil true", "nil nil string", "nil false"}, printed(SAY .. [[
        local object = {}
        spawn(error, object)
        local ok, err = run()
        say(ok, err == object)
        spawn(error, nil)
        ok, err = run()
        say(ok, err, type(err))
        spawn(error, false)
        say(run())]]))
    end)

    it("returns one of a function that waited, and of a signal's", function()
      assert.same({"nil late", "nil on TERM"}, printed(SAY .. [[
        spawn(function() websock.sleep(0.001) error("late", 0) end)
        say(run())
        websock.signal("TERM", function(name) error("on " .. name, 0) end)
        spawn(function()
          os.execute "kill -TERM $PPID"
          websock.sleep(0.05)
        end)
        say(run())]]))
    end)

    it("returns true if on_error gets the error", function()
      assert.same({"told lost", "true"}, printed(SAY .. [[
        websock.on_error = function(err) say("told", err) end
        spawn(error, "lost", 0)
        say(run())]]))
    end)

    it("returns true, whatever handlers, hooks and their on_error raise", function()
      assert.same({"true"}, printed(SAY .. [[
        local server
        local function broken() error "broken" end
        local port
        server = assert(websock.listen {
          port = 0, handler = broken, http = broken,
          authorize = function(request) return request.path == "/in" or broken() end,
        })
        port = select(2, server:getsockname())
        spawn(function()
          for _, path in ipairs {"/in", "/hook"} do
            local ws = websock.connect("ws://127.0.0.1:" .. port .. path)
            if ws then ws:receive() end
          end
          server:stop()
        end)
        say(run())]]))
    end)

    it("of serve returns the same", function()
      assert.same({"nil broken", "true", "true", "nil inside"}, printed(SAY .. [[
        local function handler(ws) ws.server:stop(0) end
        local path = os.tmpname()
        local function end_it() websock.connect("ws://localhost/", {unix = path}) end
        local function serve()
          os.remove(path)
          return websock.serve {unix = path, handler = handler}
        end
        spawn(function() spawn(end_it) error("broken", 0) end)
        say(serve())
        spawn(end_it)
        say(serve())
        spawn(function()  -- run returns the error, not this serve
          spawn(function() spawn(end_it) error("inside", 0) end)
          say(serve())
        end)
        say(run())]]))
    end)
  end)
end)
