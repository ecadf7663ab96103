-- Rows: what makes a guest of the loop, and who may wait how.

local websock = require "websock"
local assert = require "luassert"
local new_list = require "support.hosts.list"

local rows, row = new_list()

local OWN = {main = "it turns the loop itself", loop = "it is the loop"}

-- No server, no connection: what ends at once in the host ends here.
row("ends by itself: nothing to do", function(t)
  assert.same({nil, "timeout"}, {websock.park(0.001)})
  t:own()
end)

row("ends by itself: after a connection and its server", function(t)
  local server = t:listen()
  local ws = t:connect(server)
  t:assert_echo(ws)
  t:ok(ws:close())
  server:stop()
end, {hooks = true})

row("ends by itself: a client that is left open", function(t)
  -- of a server in another process, which ends when its input does
  local peer = require "support.process".start({"scripts/lua", "-e", [[
    local websock = require "websock"
    local server = assert(websock.listen {port = 0, ping_interval = false, handler = function(ws)
      for message, kind in ws:messages() do ws:send(message, kind) end
    end})
    print("port " .. select(2, server:getsockname()))
    io.stdout:flush()
    websock.run()]]})
  t.peer = peer
  local ws = t:connect(math.tointeger(tonumber((peer:expect "port (%d+)"))), {ping_interval = false})
  t:assert_echo(ws)
  t.clients = {}  -- so that it stays open
  t.left = ws
end, {after = function(t)
  assert.equal("open", t.left:state())
  t.peer:stop()
end})

row("goes on: the host has ended all, the loop has not", function(t)
  websock.spawn(function()
    for _ = 1, 5 do websock.sleep(0.01) end
    t.done = true
    t.last_work()
  end)
end, {after = function(t) assert.is_true(t.done) end})

row("goes on: a listener alone", function(t)
  local server = t:listen()
  t.servers = {}
  websock.spawn(function()
    websock.sleep(0.4)  -- longer than a pump without work would stay
    t.count = server:count()
    server:stop()
    t.last_work()
  end)
end, {after = function(t) assert.equal(0, t.count) end})

row("sleep, spawn, park and wake, wait", function(t)
  local begun = websock.now()
  websock.sleep(0.01)
  t:own()
  assert.is_true(websock.now() - begun >= 0.01)
  assert.same({nil, "timeout"}, {websock.park(0.01)})
  t:own()
  local of_loop, of_host, got
  of_loop = websock.spawn(function()
    got = {websock.park()}
    repeat websock.sleep(0.001) until websock.wake(of_host, "from the loop", nil, 3)
  end)
  t.host.spawn(t.guard(function()
    of_host = coroutine.running()
    t.answer = {websock.park()}
    t:own()
  end))
  t:wait_until(function() return of_host and websock.wake(of_loop, "from the host", nil, 3) end)
  t:wait_until(function() return t.answer end)
  assert.same({"from the host", nil, 3}, got)
  assert.same({"from the loop", nil, 3}, t.answer)
  assert.same({nil, "timeout"}, {websock.wait(t.listener(), "r", 0.01)})
  t:own()
end)

row("one connection, coroutines of the loop and of the host", function(t)
  local ws, theirs = t:pair()
  local got = {}
  websock.spawn(function()
    for message in theirs:messages() do got[#got + 1] = message end
  end)
  for i = 1, 10 do t:ok(ws:send("a" .. i)) end
  websock.spawn(function()
    for i = 1, 10 do assert(theirs:send("b" .. i)) end
  end)
  for i = 1, 10 do assert.equal("b" .. i, t:ok(ws:receive())) end
  t:wait_until(function() return #got == 10 end)
  assert.equal("a10", got[10])
end)

row("before the host runs: the main chunk turns the loop", function(t)
  t:assert_echo(t.early)
  t:ok(t.early:close())
end, {before = function(t)
  local server = assert(websock.listen {port = 0, handler = function(ws)
    for message, kind in ws:messages() do ws:send(message, kind) end
  end})
  t.servers = {server}
  t.early = assert(websock.connect("ws://127.0.0.1:" .. select(2, server:getsockname())))
  assert(t.early:send "early")
  assert.equal("early", (t.early:receive()))
end})

row("run and step raise", function(t)
  for _, name in ipairs {"run", "step"} do
    local ok, err = pcall(websock[name])
    assert.is_false(ok)
    assert.matches(name .. ": .*inside", err)
  end
  t:own()
end, {without = {main = "there they are called"}})

row("a nested coroutine", function(t)
  local ws = t:connect(t:listen())
  local results
  coroutine.wrap(function() results = {pcall(ws.receive, ws, 0.01)} end)()
  if t.host.nested == "turns" then return assert.same({true, nil, "timeout"}, results) end
  assert.is_false(results[1])
  assert.matches("receive: cannot wait here", results[2])
  local message
  coroutine.wrap(function() message = {pcall(ws.receive, ws, 0)} end)()
  assert.same({true, nil, "timeout"}, message)
  t:assert_echo(ws)
end, {without = {["copas-like"] = "Copas cannot tell it from one of its own",
  copas = "Copas cannot tell it from one of its own",
  luv = "luv has no coroutines of its own"}})

row("a C function on the way: cannot wait here", function(t)
  local ws = t:connect(t:listen())
  local ok, err
  table.sort({1, 2}, function(a, b)
    ok, err = pcall(ws.receive, ws, 1)
    return a < b
  end)
  if t.host.nested == "turns" then return assert.same({true, nil}, {ok, err}) end
  assert.is_false(ok)
  assert.matches("receive: cannot wait here", err)
  t:assert_echo(ws)
end)

row("collected garbage takes no waiting coroutine", function(t)
  local server = t:listen()
  local ended = 0
  for _ = 1, 10 do
    t.host.spawn(t.guard(function()
      local ws = t:connect(server)
      local _, err = ws:receive()
      t:own()
      assert.equal("closed", err)
      ended = ended + 1
    end))
  end
  t:wait_until(function() return server:count() == 10 end)
  for _ = 1, 10 do
    collectgarbage()
    t.host.sleep(0.002)
  end
  server:stop()
  t:wait_until(function() return ended == 10 end)
end, {hooks = true})

row("woken for nothing, it goes on waiting", function(t)
  local ws, theirs = t:pair()
  local thread, got
  t.host.spawn(t.guard(function()
    thread = coroutine.running()
    got = t:ok(ws:receive())
  end))
  t:wait_until(function() return thread end)
  for _ = 1, 5 do
    t.host.sleep(0.002)
    t.host.wake(thread)
  end
  t.host.sleep(0.002)
  assert.is_nil(got)
  t:ok(theirs:send "at last")
  t:wait_until(function() return got end)
  assert.equal("at last", got)
end, {without = {main = "nobody can wake it", loop = "see stranger_spec.lua",
  cqueues = "only its own condition wakes it",
  luv = "whoever resumes it is its scheduler"}})

row("use: the loop runs in the host without a call from there", function(t)
  t.host.sleep(0.05)
  t:wait_until(function() return t.echoed end)
end, {before = function(t)
  websock.use(t.host.controller or t.host.scheduler)
  local server = assert(websock.listen {port = 0, handler = function(ws)
    ws:send(ws:receive())
  end})
  websock.spawn(t.guard(function()
    local ws = assert(websock.connect("ws://127.0.0.1:" .. select(2, server:getsockname())))
    assert(ws:send "x")
    t.echoed = ws:receive()
    server:stop()
    t.last_work()
  end))
end, without = {main = OWN.main, loop = OWN.loop}})

return rows
