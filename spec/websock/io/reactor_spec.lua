-- The reactor: timers, the functions for a host's own loop, many descriptors.

local socket = require "socket"
local websock = require "websock"
local core = require "websock.core"
local reactor = require "websock.io.reactor"
local child = require "support.child"
local clock = require "support.clock"
local ends = require "support.ends"
local notes = require "support.notes"

local log, note = notes.log, notes.note

describe("reactor", function()
  before_each(notes.clear)
  after_each(ends.finish)

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

    -- In a usual turn, which is one call into C, and in one that has more to do.
    for kind, prepare in pairs {
      usual = function() end,
      other = function() reactor.turn:busy() end,
    } do
      local function sleep()
        websock.spawn(function()
          websock.sleep(0)
          note "slept"
        end)
        websock.step()
        prepare()
      end

      it("ends in a turn whose wait was interrupted: the poller is asked again, " .. kind, function()
        sleep()
        clock.interrupt(1)
        websock.step(0)
        assert.same({2, 0}, {clock.waited()})
        assert.same({"slept"}, log)
      end)

      it("does not end before the poller has answered, " .. kind, function()
        sleep()
        clock.interrupt(2)
        websock.step(0)
        assert.same({}, log)
        websock.step(0)
        assert.same({"slept"}, log)
      end)
    end

    it("raises on values that are no seconds", function()
      assert.error_matches(function() websock.sleep() end, "seconds expected")
      assert.error_matches(function() websock.sleep(-1) end, "seconds from 0 up")
      assert.error_matches(function() websock.sleep "1" end, "seconds from 0 up")
    end)

    it("is not ended by wake", function()
      local thread = websock.spawn(function()
        websock.sleep(100)
        note "slept"
      end)
      websock.step()
      assert.is_false(websock.wake(thread))
      websock.step(0)
      assert.same({}, log)
      clock.pass(100)
      websock.run()
      assert.same({"slept"}, log)
    end)
  end)

  describe("a host's own loop", function()
    it("gets the time to the next timer", function()
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
      local one, other = ends.socket_pair()
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

  it("forgets a conn that is collected, though its file lives on", function()
    local poller, listener = reactor.poller(), assert(socket.bind("127.0.0.1", 0))
    local one = assert(socket.connect("127.0.0.1", (select(2, listener:getsockname()))))
    local other, conn = assert(listener:accept()), core.conn(core.config "client")
    conn:attach(assert(core.dupfd(one:getfd())))
    assert(reactor.register(conn:fd(), conn))
    assert.is_true(poller:wait(0) > 0)
    while poller:next() do end
    conn = nil  -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert(other:send "x")
    assert.equal("x", one:receive(1))
    assert.equal(0, poller:wait(0))
    for _, object in ipairs {one, other, listener} do object:close() end
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
