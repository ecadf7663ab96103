-- A coroutine of the loop that somebody else resumes while it waits goes on waiting, and
-- gets what it waited for. One that waits for another scheduler is reported.

local socket = require "socket"
local websock = require "websock"
local clock = require "support.clock"
local ends = require "support.ends"
local frames = require "support.frames"
local raw = require "support.raw"

local BIG = ("x"):rep(1 << 20)

-- Resumes it from everywhere, with values that it must not return.
local function disturb(thread)
  local function resume()
    for _ = 1, 3 do
      assert.same({true}, {coroutine.resume(thread, "stranger", nil, 1)})
      assert.equal("suspended", coroutine.status(thread))
    end
  end
  resume()
  ends.inside(resume)
  ends.inside(function() coroutine.wrap(resume)() end)
  resume()
end

-- Begins f(...) in a coroutine and disturbs its first wait. Returns a function that
-- returns the results once it has ended.
local function disturbed(f, ...)
  local results
  local thread = websock.spawn(function(...) results = table.pack(f(...)) end, ...)
  for _ = 1, 3 do websock.step(0) end
  assert.is_nil(results)
  disturb(thread)
  for _ = 1, 3 do websock.step(0) end
  assert.is_nil(results)
  return function()
    ends.turn_until(function() return results end)
    return table.unpack(results, 1, results.n)
  end
end

local ROLES = {
  client = {make = ends.client, say = frames.plain},
  server = {make = ends.server, say = frames.masked},
}

local function both(name, body, options)
  for role, how in pairs(ROLES) do
    it(name .. " (" .. role .. ")", function()
      local all = {ping_interval = false}
      for key, value in pairs(options or {}) do all[key] = value end
      local ws, peer = how.make(all)
      body(ws, peer, function(...) assert(peer:send(how.say(...))) end)
    end)
  end
end

describe("a stranger's coroutine.resume", function()
  after_each(function() ends.finish() end)

  describe("leaves a coroutine waiting in", function()
    for _, how in ipairs {"receive", "receive_part"} do
      for _, timeout in ipairs {false, 1000} do
        both(("%s(%s)"):format(how, timeout or ""), function(ws, _, say)
          local results = disturbed(ws[how], ws, timeout or nil)
          say("text", "message")
          assert.equal("message", (results()))
          say("text", "next")
          assert.equal("next", (ends.inside(ws[how], ws, timeout or nil)))
        end)
      end
    end

    both("messages", function(ws, _, say)
      local results = disturbed(function()
        local got = {}
        for message in ws:messages() do got[#got + 1] = message end
        return got
      end)
      say("text", "one")
      say("text", "two")
      say("close", frames.close_payload(1000, ""))
      assert.same({"one", "two"}, (results()))
    end)

    both("receive until its timeout", function(ws)
      local results = disturbed(ws.receive, ws, 1000)
      clock.skip(1000)
      assert.same({nil, "timeout"}, {results()})
    end)

    both("receive until the end", function(ws)
      local results = disturbed(ws.receive, ws)
      ws:abort()
      assert.same({nil, "closed", 1006, "aborted"}, {results()})
    end)

    both("send and a writer's write", function(ws, peer)
      ws:socket():setoption("send-buffer-size", 4096)
      assert(ws:send(BIG, "binary", {timeout = 0}))
      local sent = disturbed(ws.send, ws, "behind it")
      assert.equal(#BIG, #assert(peer:frame()).payload)
      assert.is_true(sent())
      assert.equal("behind it", assert(peer:frame()).payload)
      local writer
      local written = disturbed(function()
        writer = ws:writer "binary"
        writer:write(BIG)
        return writer:finish "end"
      end)
      assert.equal(#BIG, #assert(peer:frame()).payload)
      assert.is_true(written())
      assert.equal("end", assert(peer:frame()).payload)
    end, {max_queue = 1000})

    both("ping", function(ws, peer, say)
      local results = disturbed(ws.ping, ws, "payload", 1000)
      assert.equal("payload", assert(peer:frame()).payload)
      say("pong", "payload")
      assert.equal("float", math.type((results())))
    end)

    both("close", function(ws, peer, say)
      local results = disturbed(ws.close, ws, 1000, "done", 1000)
      assert.equal(8, assert(peer:frame()).opcode)
      say("close", frames.close_payload(1000, "done"))
      peer:shutdown()
      assert.is_true(results())
    end)

    it("sleep", function()
      local begun = websock.now()
      local results = disturbed(function()
        websock.sleep(100)
        return websock.now() - begun
      end)
      clock.pass(100)
      assert.is_true(results() >= 100)
    end)

    it("park, also after it was woken", function()
      local thread
      local results = disturbed(function()
        thread = coroutine.running()
        return websock.park()
      end)
      assert.is_true(websock.wake(thread, "woken", nil, 3))
      assert.same({true}, {coroutine.resume(thread, "stranger")})
      assert.same({n = 3, "woken", nil, 3}, table.pack(results()))
    end)

    it("wait", function()
      local listener <close> = raw.server()
      local results = disturbed(websock.wait, listener.sock, "r", 1000)
      local sock = assert(socket.connect("127.0.0.1", listener.port))
      assert.is_true(results())
      sock:close()
    end)

    it("connect", function()
      local listener <close> = raw.server()
      local results = disturbed(websock.connect, "ws://localhost:" .. listener.port)
      local peer = assert(listener:accept())
      peer:welcome()
      local ws = results()
      assert.equal("open", ws:state())
      ws:abort()
      peer:close()
    end)

    it("accept", function()
      local listener <close> = raw.server()
      local peer = raw.client(listener.port)
      local results = disturbed(websock.accept, assert(listener:accept()).sock, {ping_interval = false})
      peer:send(frames.request())
      local ws = results()
      assert.equal("open", ws:state())
      ws:abort()
      peer:close()
    end)

    it("stop", function()
      local _, peer, server = ends.server {ping_interval = false}
      local results = disturbed(function()
        server:stop(1000)
        return server:count()
      end)
      peer:masked("close", frames.close_payload(1001, ""))
      assert.equal(1001, (peer:closed()))
      assert.equal(0, results())
    end)

    it("serve", function()
      local free = raw.server()
      free:close()
      local results = disturbed(websock.serve,
        {port = free.port, handler = function(ws) ws.server:stop(0) end})
      local _ <close> = raw.open(free.port)
      assert.is_true(results())
    end)

    both("receive while it lets others run", function(ws, _, say)
      local got = 0
      local thread = websock.spawn(function()
        for _ in ws:messages() do got = got + 1 end
      end)
      say("text", "first")
      for _ = 1, 300 do say("text", "x") end
      ends.turn_until(function()  -- it has yielded for a turn, or there is nothing left
        local before = got
        assert.same({true}, {coroutine.resume(thread, "stranger")})
        assert.equal(before, got)
        return got == 301
      end)
      ws:abort()
    end)
  end)

  it("does not begin a coroutine of the loop", function()
    local given
    local thread = websock.spawn(function(...) given = table.pack(...) end, 1, nil, 3)
    assert.same({true}, {coroutine.resume(thread, "stranger")})
    assert.is_nil(given)
    websock.run()
    assert.same({n = 3, 1, nil, 3}, given)
  end)

  describe("of one that has called coroutine.yield()", function()
    local caught

    before_each(function()
      caught = {}
      websock.on_error = function(err) caught[#caught + 1] = err end
    end)
    after_each(function() websock.on_error = nil end)

    it("resumes it, and then the loop does", function()
      local log = {}
      local thread = websock.spawn(function()
        log[1] = coroutine.yield()
        websock.sleep(0.01)
        log[2] = "slept"
        coroutine.yield()
        log[3] = "rested"
      end)
      websock.step(0)
      assert.same({true}, {coroutine.resume(thread, "stranger")})
      ends.turn_until(function() return coroutine.status(thread) == "dead" end)
      assert.same({"stranger", "slept", "rested"}, log)
      assert.same({}, caught)
      websock.run()
    end)

    it("may end it, and leaves nothing behind", function()
      local thread = websock.spawn(function() return coroutine.yield() end)
      websock.step(0)
      assert.same({true}, {coroutine.resume(thread)})
      assert.equal("dead", coroutine.status(thread))
      websock.run()
      assert.is_false(websock.step(0))
    end)

    it("may end it by an error, which is reported", function()
      local thread = websock.spawn(function()
        coroutine.yield()
        error("raised", 0)
      end)
      websock.step(0)
      assert.same({false, "raised"}, {coroutine.resume(thread)})
      websock.run()
      assert.same({"raised"}, caught)
    end)

    it("in the loop, where it cannot wait, is reported, and its connection closed", function()
      local thread, reported
      local server = ends.listen {port = 0, ping_interval = false, handler = function(ws)
        thread = coroutine.running()
        repeat until coroutine.yield() == "stranger"
        ws:receive()
      end, on_error = function(err, ws, traceback) reported = {err, ws ~= nil, traceback} end}
      local peer = ends.open(server)
      websock.spawn(function()
        repeat coroutine.yield() until thread
        coroutine.resume(thread, "stranger")
      end)
      assert.equal(1011, (peer:closed()))
      assert.matches("cannot wait here", reported[1])
      assert.is_true(reported[2])
    end)
  end)
end)

describe("a coroutine of the loop that yields values", function()
  after_each(function() ends.finish() end)

  -- Yields as another scheduler's sleep might.
  local function foreign_sleep(...) return coroutine.yield(...) end

  for name, values in pairs {
    ["a number"] = {n = 1, 0.1}, ["nil"] = {n = 1}, ["false"] = {n = 1, false},
    ["several"] = {n = 3, nil, nil, {}},
  } do
    it("is reported with a traceback, and closed: " .. name, function()
      local reported, closed = {}, nil
      websock.on_error = function(...) reported[#reported + 1] = table.pack(...) end
      local thread = websock.spawn(function()
        local _ <close> = setmetatable({}, {__close = function() closed = true end})
        foreign_sleep(table.unpack(values, 1, values.n))
      end)
      websock.run()
      websock.on_error = nil
      assert.equal(1, #reported)
      local err, whose, traceback = table.unpack(reported[1], 1, 3)
      assert.matches("yielded values.*'scheduler'", err)
      assert.equal(thread, whose)
      assert.matches("foreign_sleep", traceback)
      assert.same({true, "dead"}, {closed, coroutine.status(thread)})
    end)

    it("has its connection closed with 1011: " .. name, function()
      local reports = {}
      local server = ends.listen {port = 0, ping_interval = false, handler = function(ws)
        ws:receive()
        foreign_sleep(table.unpack(values, 1, values.n))
      end, on_error = function(...) reports[#reports + 1] = table.pack(...) end}
      local peer = ends.open(server)
      peer:masked("text", "go on")
      assert.equal(1011, (peer:closed()))
      assert.equal(1, #reports)
      assert.matches("'scheduler'", reports[1][1])
      assert.equal("closing", reports[1][2]:state())
      assert.matches("foreign_sleep", reports[1][3])
    end)

    it("in a hook is answered with 500: " .. name, function()
      for _, hook in ipairs {"authorize", "http"} do
        local reported
        local server = ends.listen {port = 0, [hook] = function()
          foreign_sleep(table.unpack(values, 1, values.n))
        end, handler = function() end, on_error = function(err) reported = err end}
        local peer = ends.dial(server)
        peer:send(hook == "http" and "GET / HTTP/1.1\r\nHost: here\r\n\r\n" or frames.request())
        assert.matches(" 500 ", (assert(peer:head())))
        assert.matches("'scheduler'", reported)
      end
    end)
  end
end)
