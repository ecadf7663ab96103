-- Rows: how connections and coroutines end.

local websock = require "websock"
local assert = require "luassert"
local new_list = require "support.hosts.list"
local raw = require "support.raw"

local BIG = ("x"):rep(1 << 20)

local rows, row = new_list()

row("close, by either side", function(t)
  local seen = {}
  local server = t:listen {handler = function(ws)
    if ws:receive() == "you close" then
      local _, err, code, reason = ws:receive()
      seen = {err, code, reason, t.host.is_handler()}
    else
      seen = {ws:close(4001, "mine"), t.host.is_handler()}
    end
  end}
  local ws = t:connect(server)
  t:ok(ws:send "you close")
  t:ok(ws:close(4000, "done"))
  assert.same({4000, "done", true}, {ws.close_code, ws.close_reason, ws.close_clean})
  t:wait_until(function() return seen[1] end)
  assert.same({"closed", 4000, "done", true}, seen)
  seen = {}
  ws = t:connect(server)
  t:ok(ws:send "I close")
  assert.same({nil, "closed", 4001, "mine"}, {ws:receive()})
  t:own()
  t:wait_until(function() return seen[1] end)
  assert.same({true, true}, seen)
end, {hooks = true})

row("close: a peer that does not answer", function(t)
  local over
  local port = t:serve(function() t:wait_until(function() return over end) end)
  local ws = t:connect(port, {ping_interval = false, close_timeout = 0.02})
  assert.same({nil, "timeout"}, {ws:close()})
  t:own()
  t:wait_until(function() return ws:state() == "closed" end)
  assert.equal(1006, ws.close_code)
  over = true
end)

row("abort, while others wait", function(t)
  local ws = t:pair {max_queue = 1000}
  local results, n = {}, 0
  local function waits(name, f)
    return function()
      results[name] = {f()}
      t:own()
      n = n + 1
    end
  end
  t:all {
    waits("receive", function() return ws:receive() end),
    waits("ping", function() return ws:ping("x", raw.patience) end),
    waits("send", function()
      local _, err
      repeat _, err = ws:send(BIG, "binary") until err
      return nil, err
    end),
    function()
      t:wait_until(function() return ws:buffered() > 1000 end)
      ws:abort()
      t:wait_until(function() return n == 3 end)
    end,
  }
  assert.same({nil, "closed", 1006, "aborted"}, results.receive)
  assert.same({nil, "closed"}, {results.ping[1], results.ping[2]})
  assert.same({nil, "closed"}, results.send)
end)

row("a peer that vanishes", function(t)
  local port = t:serve(function(peer) peer:reset() end)
  local ws = t:connect(port)
  local _, err, code = ws:receive()
  t:own()
  assert.same({"closed", 1006}, {err, code})
end)

-- Cancels a coroutine of the host that f keeps waiting; f tells that it has begun.
local function cancel(t, f)
  local begun, ended
  local cancels = t.host.waits(function()
    ended = table.pack(f(function() begun = true end))
  end)
  t:wait_until(function() return begun end)
  for _ = 1, 3 do t.host.sleep(0.005) end
  cancels()
  for _ = 1, 3 do t.host.sleep(0.005) end
  assert.is_nil(ended)
end

local NEVER_ENDED = {main = "the main chunk cannot be cancelled"}

row("cancelled in receive, the connection goes on", function(t)
  local ws, theirs = t:pair()
  for _, name in ipairs {"receive", "receive_part"} do
    cancel(t, function(begin)
      begin()
      return ws[name](ws)
    end)
    cancel(t, function(begin)
      begin()
      return ws[name](ws, raw.patience)
    end)
    t:ok(theirs:send(name))
    assert.equal(name, t:ok(ws:receive(raw.patience)))
  end
end, {without = NEVER_ENDED})

row("cancelled in send, ping, flush, close", function(t)
  local ws, theirs = t:pair {max_queue = 1000, max_message = false}
  local calls = {
    function() return ws:send "not this" end,
    function() return ws:ping("not answered", raw.patience) end,
    function() return ws:flush() end,
  }
  t:ok(ws:send(BIG, "binary", {timeout = 0}))
  repeat until not ws:send(BIG, "binary", {timeout = 0})
  for _, call in ipairs(calls) do
    cancel(t, function(begin)
      begin()
      return call()
    end)
  end
  t.host.spawn(t.guard(function() t:ok(ws:send "after them") end))
  local message
  repeat message = t:ok(theirs:receive()) until message ~= BIG
  assert.equal("after them", message)
  cancel(t, function(begin)
    begin()
    return ws:close(1000, "", raw.patience)
  end)
  assert.not_equal("open", ws:state())
end, {without = NEVER_ENDED})

row("cancelled in connect, accept, sleep, park, wait", function(t)
  local silent, port = t.listener()
  local other = raw.server()
  local peer = raw.client(other.port)
  local half = assert(other:accept()).sock
  local calls = {
    function() return websock.connect("ws://127.0.0.1:" .. port, {timeout = false}) end,
    function() return websock.accept(half, {handshake_timeout = 1000}) end,
    function() return websock.sleep(1000) end,
    function() return websock.park() end,
    function() return websock.wait(other.sock, "r") end,
  }
  for _, call in ipairs(calls) do
    cancel(t, function(begin)
      begin()
      return call()
    end)
  end
  assert.same({nil, "timeout"}, {websock.wait(other.sock, "r", 0.01)})
  silent:close()
  other:close()
  peer:close()
end, {without = NEVER_ENDED})

-- Has a coroutine of the host raise after it has waited for us.
local function fail(t)
  local ws = t:connect(t:listen())
  local function f()
    t:ok(ws:send "x")
    t:ok(ws:receive())
    error("raised after a wait", 0)
  end
  if t.host.fails then return t.host.fails(f) end
  t.host.spawn(f)
end

row("errors of the host's coroutines arrive there", function(t)
  fail(t)
  local err
  t:wait_until(function()
    err = err or t.host.take_error and t.host.take_error()
    return err
  end)
  assert.matches("raised after a wait", tostring(err))
end, {ends = function(host)
  if host == "luv" then return 255, "raised after a wait" end
end})

row("misuse raises at the caller", function(t)
  local ws = t:connect(t:listen())
  local ok, err = pcall(function() ws:send(true) end)
  assert.is_false(ok)
  assert.matches("^[^\n]*rows_ends%.lua:%d+: send", err)
  ok, err = pcall(websock.connect, "ws://127.0.0.1/", {time_out = 1})
  assert.is_false(ok)
  assert.matches("connect: unknown option 'time_out'", err)
  t:own()
end)

row("errors of handlers and hooks reach on_error", function(t)
  local calls = {
    handler = function() error("of handler", 0) end,
    authorize = function() error("of authorize", 0) end,
  }
  for name, f in pairs(calls) do
    local server = t:listen {[name] = function()
      websock.sleep(0.005)
      assert.is_true(t.host.is_handler())
      f()
    end}
    local ws, err, response = websock.connect("ws://127.0.0.1:" .. select(2, server:getsockname()))
    t:own()
    if ws then
      assert.same({nil, "closed", 1011}, {table.unpack({ws:receive()}, 1, 3)})
    else
      assert.same({"refused", 500}, {err, response.status})
    end
    t:wait_until(function() return t.reports[1] end)
    local report = table.remove(t.reports)
    assert.equal("of " .. name, report.err)
    assert.matches("rows_ends", report.traceback)
  end
end, {hooks = true})

row("server:stop", function(t)
  local server, begun, ended = t:listen(), 0, 0
  local function client()
    local ws = t:connect(server)
    t:assert_echo(ws)
    begun = begun + 1
    local _, err, code = ws:receive()
    t:own()
    assert.same({"closed", 1001}, {err, code})
    ended = ended + 1
  end
  local list = {}
  for i = 1, 10 do list[i] = client end
  list[11] = function()
    t:wait_until(function() return begun == 10 end)
    assert.equal(10, server:count())
    server:stop()
    t:own()
    assert.equal(0, server:count())
  end
  t:all(list)
  assert.equal(10, ended)
  assert.is_nil(server:getsockname())
end, {hooks = true})

row("serve waits, until stop", function(t)
  local free = raw.server()
  free:close()
  local returned
  t.host.spawn(t.guard(function()
    returned = {websock.serve {port = free.port, scheduler = t.host.handlers, handler = function(ws)
      ws:receive()
      ws.server:stop(0)
    end}}
    t:own()
  end))
  local ws
  t:wait_until(function()
    ws = ws or websock.connect("ws://127.0.0.1:" .. free.port)
    return ws
  end)
  t:ok(ws:send "stop")
  t:wait_until(function() return returned end)
  assert.is_true(returned[1])
end, {hooks = true, without = {main = "there it is run, which no other code of the script outlives"}})

return rows
