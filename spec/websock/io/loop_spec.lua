-- The built-in loop: order, waiting from every place there is, what a coroutine
-- that is closed leaves behind (nothing), descriptors, signals.

local socket = require "socket"
local websock = require "websock"
local core = require "websock.core"
local child = require "support.child"
local descriptors = require "support.descriptors"
local clock = require "support.clock"
local ends = require "support.ends"

local log

local function note(...) log[#log + 1] = table.concat({...}, " ") end

-- Two connected sockets.
local function socket_pair()
  local listener = assert(socket.bind("127.0.0.1", 0))
  local _, port = listener:getsockname()
  local one = assert(socket.connect("127.0.0.1", port))
  local other = assert(listener:accept())
  listener:close()
  ends.at_end(function()
    one:close()
    other:close()
  end)
  return one, other
end

-- Errors of spawned functions go here for one test.
local function catch_errors()
  local caught = {}
  websock.on_error = function(...) caught[#caught + 1] = table.pack(...) end
  ends.at_end(function() websock.on_error = nil end)
  return caught
end

describe("loop", function()
  before_each(function() log = {} end)
  after_each(function() ends.finish() end)

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

    it("raises on what cannot be called", function()
      assert.error_matches(function() websock.spawn(1) end, "spawn: function expected, got number")
      local callable = setmetatable({}, {__call = function(_, x) note(x) end})
      websock.spawn(callable, "called")
      websock.run()
      assert.same({"called"}, log)
    end)

    it("lets a function that yields by itself go on in the next turn", function()
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

  describe("sleep", function()
    it("ends in the order of the deadlines", function()
      for _, seconds in ipairs {300, 100, 200} do
        websock.spawn(function()
          websock.sleep(seconds)
          note(seconds)
        end)
      end
      clock.pass_until(function() return #log == 3 end)
      assert.same({"100", "200", "300"}, log)
    end)

    it("takes at least its time", function()
      local begun = websock.now()
      websock.sleep(0.02)
      assert.is_true(websock.now() - begun >= 0.02)
    end)

    -- Has the poller's waits interrupted, as by signals; returns their timeouts.
    local function interrupt(times)
      local methods, waits = debug.getmetatable(core.poller()).__index, {}
      local original = methods.wait
      function methods.wait(poller, timeout)
        waits[#waits + 1] = timeout
        if #waits <= times then return nil, "interrupted" end
        return original(poller, timeout)
      end
      ends.at_end(function() methods.wait = original end)
      return waits
    end

    it("ends in a turn whose wait was interrupted: that asks once more", function()
      websock.spawn(function()
        websock.sleep(0)
        note "slept"
      end)
      websock.step()
      local waits = interrupt(1)
      websock.step(0)
      assert.same({0, 0}, waits)
      assert.same({"slept"}, log)
    end)

    it("does not end before the poller has told what is ready", function()
      websock.spawn(function()
        websock.sleep(0)
        note "slept"
      end)
      websock.step()
      interrupt(2)
      websock.step(0)
      assert.same({}, log)
      websock.step(0)
      assert.same({"slept"}, log)
    end)

    it("raises on what are no seconds", function()
      assert.error_matches(function() websock.sleep() end, "seconds expected")
      assert.error_matches(function() websock.sleep(-1) end, "seconds from 0 up")
      assert.error_matches(function() websock.sleep "1" end, "seconds from 0 up")
    end)

    it("is ended by nobody's wake", function()
      local thread = websock.spawn(function()
        websock.sleep(0.02)
        note "slept"
      end)
      websock.step()
      assert.is_false(websock.wake(thread))
      websock.step()
      assert.same({}, log)
      websock.run()
      assert.same({"slept"}, log)
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

    it("hand over nothing when nothing is given", function()
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

    it("tell false where nobody is parked", function()
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

    it("wake keeps its values when a second one comes", function()
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
        assert.equal("woken", websock.park(0.01))
        websock.spawn(function()
          websock.sleep(0.03)
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

    it("wake raises on what is no thread", function()
      assert.error_matches(function() websock.wake(print) end, "thread expected, got function")
    end)

    it("reach nobody who waits for something else", function()
      local one, other = socket_pair()
      local result
      local thread = websock.spawn(function() result = websock.wait(one, "r") end)
      websock.step()
      assert.is_false(websock.wake(thread, "wrong"))
      other:send "x"
      websock.run()
      assert.is_true(result)
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
      local one, other = socket_pair()
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

  describe("step", function()
    it("tells whether work remains", function()
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

    it("raises on what is no time", function()
      assert.error_matches(function() websock.step(-1) end, "seconds from 0 up")
    end)
  end)

  describe("run", function()
    it("returns at once when nothing is to be done", function()
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

    it("returns nil and the first error of a function that was spawned, at its end", function()
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

    it("returns true where on_error is told", function()
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
        spawn(function()  -- the error is run's to return, not this serve's
          spawn(function() spawn(end_it) error("inside", 0) end)
          say(serve())
        end)
        say(run())]]))
    end)
  end)

  describe("on_error", function()
    it("gets the error, the thread and a traceback", function()
      local caught = catch_errors()
      local function culprit() error("oh no") end
      local thread = websock.spawn(function()
        culprit()
        return true
      end)
      websock.run()
      local err, whose, traceback = table.unpack(caught[1], 1, 3)
      assert.equal(1, #caught)
      assert.matches("loop_spec.lua:%d+: oh no", err)
      assert.equal(thread, whose)
      assert.matches("oh no.*traceback:.*culprit", traceback)
    end)

    it("gets errors that are no strings as they are", function()
      local caught, object = catch_errors(), {}
      websock.spawn(error, object)
      websock.spawn(error, nil)
      websock.run()
      assert.equal(object, caught[1][1])
      assert.is_nil(caught[2][1])
      assert.equal("string", type(caught[2][3]))
    end)

    it("that raises is contained", function()
      local status, output = child.run [[
        websock.on_error = function() error "second" end
        websock.spawn(error, "first")
        websock.spawn(print, "still here")
        websock.run()]]
      assert.equal(0, status)
      assert.matches("first.*on_error raised: .*second", output)
      assert.matches("still here", output)
    end)

    it("is stderr by default", function()
      local status, output = child.run [[
        websock.spawn(error, "lost")
        websock.run()
        print "and on"]]
      assert.equal(0, status)
      assert.matches("websock: [^\n]*lost\nstack traceback:", output)
      assert.matches("and on", output)
    end)

    it("can be read, set and taken back, and is a function", function()
      assert.is_nil(websock.on_error)
      local function f() end
      websock.on_error = f
      assert.equal(f, websock.on_error)
      websock.on_error = nil
      assert.is_nil(websock.on_error)
      assert.error_matches(function() websock.on_error = 1 end, "on_error: function expected")
    end)

    it("closes the variables of what has raised, where nothing can wait", function()
      local caught = catch_errors()
      websock.spawn(function()
        local _ <close> = setmetatable({}, {__close = function()
          note "closing"
          websock.sleep(1)
        end})
        error "first"
      end)
      websock.run()
      assert.same({"closing"}, log)
      assert.matches("first.*while closing.*cannot wait here", caught[1][3])
    end)

    it("costs no other coroutine its turn", function()
      catch_errors()
      websock.spawn(note, "before")
      websock.spawn(error, "x")
      websock.spawn(note, "after")
      websock.run()
      assert.same({"before", "after"}, log)
    end)
  end)

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

    it("in a coroutine of the user's, outside the loop, turns it too", function()
      websock.spawn(note, "turned")
      local thread = coroutine.create(function()
        websock.sleep(0.01)
        return "done"
      end)
      assert.same({true, "done"}, {coroutine.resume(thread)})
      assert.same({"turned"}, log)
    end)
  end)

  describe("wait", function()
    it("on a socket, both directions", function()
      local one, other = socket_pair()
      assert.is_true(websock.wait(one, "w"))
      assert.same({n = 2, nil, "timeout"}, table.pack(websock.wait(one, "r", 0.01)))
      other:send "x"
      assert.is_true(websock.wait(one, "r"))
      assert.is_true(websock.wait(one, "r"))  -- it still is: level-triggered
      assert.is_true(websock.wait(one:getfd(), "r"))
    end)

    it("with 0 tells how it is now, and runs nobody else", function()
      local one, other = socket_pair()
      websock.spawn(note, "other")
      assert.same({n = 2, nil, "timeout"}, table.pack(websock.wait(one, "r", 0)))
      assert.is_true(websock.wait(one, "w", 0))
      other:send "x"
      assert.is_true(websock.wait(one, "r", 0))
      assert.same({}, log)
      websock.run()
    end)

    it("on a socket that the peer has closed", function()
      local one, other = socket_pair()
      other:close()
      assert.is_true(websock.wait(one, "r"))
      assert.is_true(websock.wait(one, "w"))
    end)

    it("on a pipe, both directions", function()
      local writer, out = descriptors.of(io.popen, "cat >/dev/null", "w")
      assert.is_true(websock.wait(out, "w"))
      writer:close()
      local reader, fd = descriptors.of(io.popen, "sleep 0.05; echo x", "r")
      assert.is_true(websock.wait(fd, "r"))
      assert.equal("x", reader:read())
      reader:close()
    end)

    it("on a full socket until there is room", function()
      local one, other = socket_pair()
      one:settimeout(0)
      local sent = 0
      repeat
        local last, _, partial = one:send(("x"):rep(65536))
        sent = sent + (last or partial)
      until not last
      assert.same({n = 2, nil, "timeout"}, table.pack(websock.wait(one, "w", 0.01)))
      websock.spawn(function() other:receive(sent) end)
      assert.is_true(websock.wait(one, "w"))
    end)

    it("on a regular file is over at once", function()
      local file, fd = descriptors.of(io.open, "Makefile")
      assert.is_true(websock.wait(fd, "r"))
      assert.is_true(websock.wait(fd, "w"))
      assert.is_true(websock.wait(fd, "r", 0))
      file:close()
    end)

    it("on a descriptor that is none gives an error", function()
      local ok, err = websock.wait(1023, "r", 1)
      assert.is_nil(ok)
      assert.equal("string", type(err))
      assert.not_equal("timeout", err)
    end)

    it("serves a reader and a writer of one descriptor", function()
      local one, other = socket_pair()
      websock.spawn(function() note("r", tostring(websock.wait(one, "r"))) end)
      websock.spawn(function()
        note("w", tostring(websock.wait(one, "w")))
        other:send "x"
      end)
      websock.run()
      assert.same({"w true", "r true"}, log)
    end)

    it("gives a second waiter for the same direction 'busy'", function()
      local one, other = socket_pair()
      websock.spawn(function() note(tostring(websock.wait(one, "r"))) end)
      websock.step()
      assert.same({nil, "busy"}, {websock.wait(one, "r")})
      other:send "x"
      websock.run()
      assert.same({"true"}, log)
    end)

    it("times out for one direction while the other goes on", function()
      local one, other = socket_pair()
      one:settimeout(0)
      repeat local last = one:send(("x"):rep(65536)) until not last
      websock.spawn(function() note(tostring(websock.wait(one, "r"))) end)
      websock.step()
      assert.same({nil, "timeout"}, {websock.wait(one, "w", 0.01)})
      other:send "x"
      websock.run()
      assert.same({"true"}, log)
    end)

    it("sees what LuaSocket has read ahead", function()
      local one, other = socket_pair()
      other:send "two\nlines\n"
      assert.equal("two", one:receive())
      assert.is_true(one:dirty())
      assert.is_true(websock.wait(one, "r", 0))
      assert.is_true(websock.wait(one, "r"))
    end)

    it("works on a number that was closed and came back", function()
      local one, other = socket_pair()
      websock.wait(one, "r", 0.01)
      local fd = one:getfd()
      one:close()
      other:close()
      local again, peer = socket_pair()
      assert.equal(fd, math.min(again:getfd(), peer:getfd()))
      again:send "x"
      assert.is_true(websock.wait(peer, "r"))
      peer:send "x"
      assert.is_true(websock.wait(again, "r"))
    end)

    it("raises on what is no descriptor, socket or mode", function()
      assert.error_matches(function() websock.wait(1, "rw") end, 'mode: "r" or "w"')
      assert.error_matches(function() websock.wait(-1, "r") end, "descriptor from 0 up")
      assert.error_matches(function() websock.wait(1.5, "r") end, "descriptor from 0 up")
      assert.error_matches(function() websock.wait({}, "r") end, "an open socket expected")
      local closed = socket.tcp()
      closed:close()
      assert.error_matches(function() websock.wait(closed, "r") end, "an open socket expected")
      assert.error_matches(function() websock.wait(0, "r", -1) end, "seconds from 0 up")
    end)
  end)

  describe("a host's own loop", function()
    it("learns when the next timer is due", function()
      assert.is_nil(websock.timeout())
      local thread = websock.spawn(websock.sleep, 1000)
      assert.equal(0, websock.timeout())
      websock.step()
      local left = websock.timeout()
      assert.is_true(left > 0 and left <= 1000)
      coroutine.close(thread)
      assert.is_nil(websock.timeout())
    end)

    it("has a descriptor to watch, or none with poll", function()
      local fd = websock.pollfd()
      if os.getenv "WEBSOCK_POLLER" == "poll" then
        assert.is_nil(fd)
        return
      end
      local watched = {getfd = function() return fd end, dirty = function() return false end}
      local one, other = socket_pair()
      websock.spawn(function() note(tostring(websock.wait(one, "r"))) end)
      websock.step()
      assert.same({}, (socket.select({watched}, nil, 0)))
      other:send "x"
      assert.equal(watched, socket.select({watched}, nil, 20)[1])
      websock.step()
      websock.step()
      assert.same({"true"}, log)
    end)
  end)

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

    it("catches what would have ended the process", function()
      local status = child.run [[
        websock.signal("TERM", function() os.exit(3) end)
        os.execute("kill -TERM " .. io.open("/proc/self/stat"):read("n"))
        websock.sleep(20)
        os.exit(4)]]
      assert.equal(3, status)
    end)

    it("raises on names that are none, and on what cannot be caught", function()
      assert.error_matches(function() websock.signal("NONSENSE", print) end, "signal: ")
      assert.error_matches(function() websock.signal("KILL", print) end, "signal: ")
      assert.error_matches(function() websock.signal("TERM", 1) end, "signal: function expected")
    end)
  end)

  it("is not limited to 1,024 descriptors", function()
    local code = [[
      local socket = require "socket"
      local files = {}
      for i = 1, 1100 do files[i] = assert(io.open "/dev/null") end
      local server = assert(websock.listen {port = 0, handler = function(ws)
        assert(ws:getfd() > 1024)
        for message in ws:messages() do ws:send(message) end
      end})
      local _, port = server:getsockname()
      local ws = assert(websock.connect("ws://127.0.0.1:" .. port))
      assert(ws:getfd() > 1024)
      ws:send "high"
      print(ws:receive())
      local sock = socket.connect("127.0.0.1", port)
      print(websock.wait(sock, "w"))
      server:stop(0)]]
    local status, output = child.run(code, 2048)
    assert.equal("high\ttext\ntrue\n", output)
    assert.equal(0, status)
  end)
end)
