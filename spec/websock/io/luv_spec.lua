-- The loop as a guest in libuv's, by luv. `use` is for good, so in this file nothing turns
-- the loop but libuv's.

local uv = require "luv"
local websock = require "websock"
local own_host = require "support.own_host"
local raw = require "support.raw"

websock.use "luv"

-- Runs f in a coroutine, and libuv's loop until nothing is left to do.
local function inside(f)
  local failure, ended
  coroutine.wrap(function()
    local ok, err = xpcall(f, debug.traceback)
    if not ok then failure = err end
    ended = true
    if failure then uv.stop() end
  end)()
  if not failure then uv.run() end
  if failure then error(failure, 0) end
  assert.is_true(ended)
end

-- The same with a connection to an echo server.
local function connected(f, options)
  inside(function()
    local server, url = own_host.echo(options)
    local ws = assert(websock.connect(url))
    f(ws, server)
    ws:close()
    server:stop()
  end)
end

-- Calls f in a callback of luv's, after so many milliseconds.
local function later(ms, f)
  local timer = uv.new_timer()
  timer:start(ms, 0, function()
    timer:close()
    f()
  end)
end

-- Waits in a coroutine of luv's by luv's means.
local function pause(ms)
  local thread = coroutine.running()
  later(ms, function() assert(coroutine.resume(thread)) end)
  coroutine.yield()
end

describe("in luv", function()
  it("a coroutine waits, and others of luv's run meanwhile", function()
    connected(function(ws)
      local others = 0
      local timer = uv.new_timer()
      timer:start(1, 1, function() others = others + 1 end)
      assert(ws:send "hello")
      assert.same({"hello", "text"}, {ws:receive()})
      repeat assert.same({nil, "timeout"}, {ws:receive(0.01)}) until others > 5
      timer:close()
      assert.is_number(ws:ping())
    end)
  end)

  it("the loop turns once in each turn of libuv's, though more is ready meanwhile", function()
    local turns, theirs = 0, 0
    local one, other = raw.pair()
    inside(function()
      local prepare = uv.new_prepare()
      websock.spawn(function()
        while theirs < 100 do
          turns = turns + 1
          coroutine.yield()  -- there is always something for the next turn
        end
      end)
      websock.spawn(function()
        while theirs < 100 do
          assert(websock.wait(other, "r"))
          assert(other:receive(1))
        end
      end)
      prepare:start(function()
        theirs = theirs + 1
        assert(one:send "x")
        if theirs == 100 then prepare:close() end
      end)
    end)
    one:close()
    other:close()
    assert(turns <= theirs + 2, turns .. " turns")
  end)

  it("a handler runs in a coroutine that luv's callbacks resume", function()
    connected(function(ws)
      assert(ws:send "it")
      assert.equal("it", (ws:receive()))
      assert.same({nil, "closed", 1000, ""}, {ws:receive()})
    end, {scheduler = "luv", handler = function(ws)
      pause(5)
      ws:send(ws:receive())
      pause(5)
    end})
  end)

  it("a callback may not wait, but does what needs no wait", function()
    connected(function(ws)
      local results
      later(1, function()
        local ok, err = pcall(function() ws:ping() end)
        results = {ok, err, ws:send "from a callback"}
      end)
      assert.equal("from a callback", (ws:receive()))
      assert.is_false(results[1])
      assert.matches("luv_spec.lua:%d+: ping: cannot wait here: this is a callback of another scheduler",
        results[2])
      assert.is_true(results[3])
    end)
  end)

  it("the main chunk waits before the loop runs", function()
    local server, url = own_host.echo()
    local ws = assert(websock.connect(url))
    assert(ws:send "in main")
    assert.equal("in main", (ws:receive()))
    ws:close()
    server:stop()
  end)

  it("the loop ends when nothing is left to do, though a connection is open", function()
    own_host.leaves_connection(inside)
  end)

  it("the loop runs as long as a coroutine waits here", function()
    local woken
    local weak = setmetatable({}, {__mode = "v"})
    weak[1] = coroutine.create(function() woken = websock.park() end)
    assert(coroutine.resume(weak[1]))
    websock.spawn(function()
      websock.sleep(0.05)
      collectgarbage()
      websock.wake(weak[1], "the only one")
    end)
    uv.run()
    assert.equal("the only one", woken)
  end)

  it("a coroutine that is closed leaves its connection to others", function()
    connected(function(ws)
      local thread = coroutine.create(function() ws:receive() end)
      assert(coroutine.resume(thread))
      assert.same({nil, "busy"}, {ws:receive()})
      assert.is_true(coroutine.close(thread))
      assert(ws:send "for another")
      assert.equal("for another", (ws:receive()))
    end)
  end)

  it("a connection over LuaSec's socket", function()
    inside(own_host.echoes_over_luasec)
  end)

  it("a coroutine's error is one of luv's callbacks", function()
    local status, output = own_host.run [[
      local uv, websock = require "luv", require "websock"
      websock.use "luv"
      coroutine.wrap(function()
        websock.sleep(0.01)
        error "the user's"
      end)()
      uv.run()
    ]]
    assert.matches("the user's\nstack traceback:", output)
    assert.is_true(status ~= 0)
  end)

  it("the loop raises where it must not be turned", function()
    assert.error_matches(function() websock.run() end, "run: the loop runs inside another scheduler")
    assert.error_matches(function() websock.step() end, "step: the loop runs inside another scheduler")
    assert.error_matches(function() websock.serve {port = 0, handler = print} end,
      "serve: the loop runs inside another scheduler")
  end)
end)
