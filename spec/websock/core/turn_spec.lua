-- The part of the loop's turn in C (csrc/binding/lua_serve.c, lua_flush.c, lua_ws_send.c), while
-- coroutines begin and end. The usual case is tested in receive_spec.lua and
-- send_spec.lua (spec/websock/link/).

local websock = require "websock"
local core = require "websock.core"
local allocator = require "support.allocator"
local ends = require "support.ends"
local frames = require "support.frames"
local memory = require "support.memory"
local raw = require "support.raw"

-- A server whose handler is `handler`, and one peer of it.
local function serve(handler)
  local server = ends.listen {port = 0, handler = handler, on_error = function() end}
  return ends.open(server), server
end

describe("a turn in C", function()
  after_each(function() ends.finish() end)

  it("answers a ping behind messages that the application has not received", function()
    local got, thread
    local peer = serve(function(ws)
      got, thread = ws:receive(), coroutine.running()
      websock.park()
    end)
    peer:send(frames.masked("text", "one") .. frames.masked("text", "two") .. frames.masked("ping", "x"))
    local pong = assert(peer:frame())
    assert.same({10, "x", "one"}, {pong.opcode, pong.payload, got})
    websock.wake(thread)
  end)

  it("handles a Close frame behind messages that the application has not received", function()
    local list, thread = {}, nil
    local peer = serve(function(ws)
      list[1], thread = ws:receive(), coroutine.running()
      websock.park()
      list[2], list[3] = ws:receive(), select(2, ws:receive())
    end)
    peer:send(frames.masked("text", "one") .. frames.masked("text", "two") .. frames.masked("close", "\3\232"))
    assert.equal(8, assert(peer:frame()).opcode)
    websock.wake(thread)
    ends.turn_until(function() return list[3] end)
    assert.same({"one", "two", "closed"}, list)
  end)

  it("closes a connection in order whose waiting coroutine was closed, though messages come", function()
    local thread
    local peer = serve(function(ws)
      thread = coroutine.running()
      for _ in ws:messages() do end
    end)
    peer:masked("text", "one")
    ends.turn_until(function() return thread end)
    websock.step(0)
    coroutine.close(thread)
    thread = nil
    collectgarbage()
    peer:masked("text", "two")
    assert.equal(8, assert(peer:frame()).opcode)
  end)

  it("lets another coroutine receive after one was closed while it waited", function()
    local conn, thread, heard
    local peer = serve(function(ws)
      conn, thread = ws, coroutine.running()
      websock.park()
    end)
    ends.turn_until(function() return conn end)
    local first = websock.spawn(function() conn:receive() end)
    websock.step(0)
    coroutine.close(first)
    websock.spawn(function() heard = conn:receive() end)
    websock.step(0)
    peer:masked("text", "for the second")
    ends.turn_until(function() return heard end)
    assert.equal("for the second", heard)
    websock.wake(thread)
  end)

  it("resumes a handler that yields nothing in the next turn", function()
    local peer = serve(function(ws)
      for message in ws:messages() do
        coroutine.yield()
        ws:send(message)
      end
    end)
    for _, text in ipairs {"one", "two"} do
      peer:masked("text", text)
      assert.equal(text, assert(peer:frame()).payload)
    end
  end)

  it("reports an error after a wait for a message, and goes on with other connections", function()
    local reports = {}
    local server = ends.listen {port = 0,
      handler = function(ws)
        for message in ws:messages() do
          if message == "raise" then error("raised") end
          ws:send(message)
        end
      end,
      on_error = function(err, ws, traceback) reports[#reports + 1] = {err, ws ~= nil, traceback} end,
    }
    local one, two = ends.open(server), ends.open(server)
    one:masked("text", "raise")
    two:masked("text", "go on")
    assert.equal("go on", assert(two:frame()).payload)
    local close = assert(one:frame())
    assert.same({8, 1011}, {close.opcode, (string.unpack(">I2", close.payload))})
    assert.equal(1, #reports)
    assert.matches("raised", reports[1][1])
    assert.is_true(reports[1][2])
    assert.matches("stack traceback", reports[1][3])
  end)

  it("gives every connection its messages, whatever its handler does in between", function()
    local got = {}
    local server = ends.listen {port = 0, handler = function(ws)
      local mine = {}
      got[#got + 1] = mine
      for message in ws:messages() do
        mine[#mine + 1] = message
        if #mine % 3 == 0 then websock.sleep(0) end
        if #mine % 5 == 0 then ws:send(message) end
      end
    end}
    local peers = {}
    for i = 1, 5 do peers[i] = ends.open(server) end
    for round = 1, 200 do
      for _, peer in ipairs(peers) do peer:masked("text", tostring(round)) end
    end
    for _, peer in ipairs(peers) do
      for i = 5, 200, 5 do assert.equal(tostring(i), assert(peer:frame()).payload) end
    end
    for _, mine in ipairs(got) do
      assert.equal(200, #mine)
      for i = 1, 200 do assert.equal(tostring(i), mine[i]) end
    end
  end)

  it("receives whole messages again after parts that it waited for", function()
    local list = {}
    local peer = serve(function(ws)
      list[1] = ws:receive_part()
      list[2], list[3] = ws:receive(), ws:receive()
      list[4] = ws:state()
    end)
    peer:masked("text", "one")
    ends.turn_until(function() return list[1] end)
    -- together with the end of the stream, which Lua handles
    peer:send(frames.masked("text", "two") .. frames.masked("text", "three"))
    peer:shutdown()
    ends.turn_until(function() return list[4] end)
    assert.same({"one", "two", "three"}, {table.unpack(list, 1, 3)})
  end)

  it("notices the end after a coroutine that waited with a timeout was closed", function()
    local conn, thread, ended
    local peer = serve(function(ws)
      conn, thread = ws, coroutine.running()
      websock.park()
    end)
    ends.turn_until(function() return conn end)
    local first = websock.spawn(function() conn:receive(raw.patience) end)
    websock.step(0)
    coroutine.close(first)
    local got = 0
    websock.spawn(function()  -- so many that it lets others run once
      for _ in conn:messages() do got = got + 1 end
      ended = true
    end)
    peer:send(frames.masked("text", "x"):rep(100))
    ends.turn_until(function() return got == 100 end)
    for _ = 1, 3 do websock.step(0) end
    conn:abort()
    ends.turn_until(function() return ended end)
    websock.wake(thread)
  end)

  it("does not read for a coroutine that is busy", function()
    local got, most = 0, 0
    local n <const> = 60000
    local peer = serve(function(ws)
      local _, conn = next(ws)
      for _ in ws:messages() do
        got, most = got + 1, math.max(most, conn:unread())
      end
    end)
    local bytes, from = frames.masked("text", "x"):rep(n), 1
    ends.turn_until(function()  -- as much as the kernel takes, then a turn
      local last, _, partial = peer.sock:send(bytes, from)
      from = (last or partial) + 1
      return got == n
    end)
    assert.is_true(most < 65536 + 65536 + 16, most)
  end)

  -- Returns a turn, and a function that resumes a thread with values.
  local function new_turn()
    local woken = {}
    local turn = core.turn({}, {}, woken, print, print, print)
    return turn, function(thread, ...)
      woken[thread] = {select("#", ...), ...}
      return turn:resume(thread)
    end
  end

  it("has room for what a coroutine yields, returns or raises, however much that is", function()
    local _, resume = new_turn()
    for _, n in ipairs {0, 1, 18, 19, 20, 21, 22, 23, 250, 100000} do
      local list = table.move({}, 1, n, 1)
      local thread = coroutine.create(function()
        coroutine.yield(table.unpack(list, 1, n))
        return table.unpack(list, 1, n)
      end)
      local ok, err = resume(thread, table.unpack(list, 1, n))
      assert.same({n, n == 0}, {n, ok})
      if n > 0 then assert.matches("yielded values.*'scheduler'", err) end
      assert.same({n, true}, {n, resume(thread, table.unpack(list, 1, n))})
      assert.same({n, false, "cannot resume dead coroutine"},
        {n, resume(thread, table.unpack(list, 1, n))})
    end
    local raised = coroutine.create(function() error("raised", 0) end)
    assert.same({false, "raised"}, {resume(raised)})
    assert.same({false, "cannot resume dead coroutine"}, {resume(raised)})
    assert.same({false, "cannot resume dead coroutine"}, {resume(raised, 1)})
  end)

  it("takes the values and forgets the wait before it resumes, and ends a thread without room", function()
    local parked, woken, seen = {}, {}, nil
    local turn = core.turn({}, parked, woken, print, print, print)
    local thread
    thread = coroutine.create(function(...)
      seen = {parked[thread] or "forgotten", woken[thread] or "taken", ...}
    end)
    parked[thread], woken[thread] = "a wait", {3, "a", nil, "c"}
    assert.is_true(turn:resume(thread))
    assert.same({"forgotten", "taken", "a", nil, "c"}, seen)
    thread = coroutine.create(print)
    parked[thread], woken[thread] = "a wait", {1 << 24}
    assert.same({false, "not enough memory"}, {turn:resume(thread)})
    assert.same({}, {parked[thread], woken[thread]})
  end)

  it("distinguishes the coroutine that it has resumed from those that this one resumes", function()
    local turn, resume = new_turn()
    local seen = {}
    local function look() seen[#seen + 1] = turn:is_current() end
    resume(coroutine.create(function()
      look()
      coroutine.wrap(look)()
      look()
    end))
    look()
    assert.same({true, false, true, false}, seen)
  end)

  local function in_use()
    collectgarbage()
    return collectgarbage "count"
  end

  it("adds a block to the size that the collector goes by, which takes no memory", function()
    local turn
    local before = in_use()
    assert.is_nil(memory.too_much(memory.growth(function() turn = new_turn() end), 256))
    local added = in_use() - before
    assert.is_true(added >= 1024 and added < 1100, added)
    turn:flush()
  end)

  it("can do without that block", function()
    local before = in_use()
    allocator.limit(1 << 19)
    local turn = new_turn()
    allocator.limit()
    assert.is_true(in_use() - before < 100)
    turn:flush()
  end)

  it("requires arguments of the right types", function()
    assert.has_error(function() core.turn() end)
    local turn = new_turn()
    assert.matches("^websock.turn", tostring(turn))
    assert.has_error(function() turn:serve(1) end)
    assert.has_error(function() turn:mark({}) end)
    assert.has_error(function() turn:resume(1) end)
    assert.has_error(function() turn:resume(coroutine.create(print)) end)
    assert.is_false(turn:is_current())
    assert.is_false(turn:marks())
  end)
end)
