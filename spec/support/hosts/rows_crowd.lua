-- Rows: many connections, and much to do.

local websock = require "websock"
local assert = require "luassert"
local new_list = require "support.hosts.list"

local rows, row = new_list {hooks = true}

-- n functions, each of which calls f(i).
local function list_of(n, f)
  local list = {}
  for i = 1, n do list[i] = function() return f(i) end end
  return list
end

-- Each of n clients in a coroutine of its own exchanges messages with an echo server, and
-- stays until all have.
local function crowd(t, n, messages)
  local server, clients = t:listen {backlog = 4096}, {}
  t:all(list_of(n, function(i)
    local ws = t:connect(server)
    clients[i] = ws
    for k = 1, messages do
      t:ok(ws:send(i .. " " .. k))
      assert.equal(i .. " " .. k, t:ok(ws:receive()))
    end
  end))
  assert.equal(n, server:count())
  t:all(list_of(n, function(i) t:ok(clients[i]:close()) end))
  t:wait_until(function() return server:count() == 0 end)
end

row("100 connections", function(t) crowd(t, 100, 10) end)

row("2,000 connections", function(t) crowd(t, 2000, 1) end, {descriptors = 4500, slow = true})

row("broadcast, topics", function(t)
  local N, ready = 20, 0
  local server
  server = t:listen {handler = function(ws)
    ws:subscribe(ws:receive())
    ready = ready + 1
    if ready == N then
      server:broadcast "to all"
      server:publish("even", "to some")
      server:broadcast "the end"
    end
    ws:receive()
    assert.is_true(t.host.is_handler())
  end}
  local list, some = {}, 0
  for i = 1, N do
    list[i] = function()
      local ws = t:connect(server)
      t:ok(ws:send(i % 2 == 0 and "even" or "odd"))
      assert.equal("to all", t:ok(ws:receive()))
      local message = t:ok(ws:receive())
      if message == "to some" then
        some, message = some + 1, t:ok(ws:receive())
      end
      assert.equal("the end", message)
    end
  end
  t:all(list)
  assert.equal(N // 2, some)
end)

-- A receiver takes at most this many messages in a turn of the loop.
local MOST = 64

row("fairness: others of the host go on under flood", function(t)
  local N, got, turns = 20000, 0, 0
  local server = t:listen {handler = function(ws)
    for _ in ws:messages() do got = got + 1 end
  end}
  local ws = t:connect(server)
  websock.spawn(function()
    for _ = 1, N do assert(ws:send "flood") end
  end)
  while got < N do
    t.host.sleep(0)
    t:own()
    turns = turns + 1
  end
  -- a turn of the host's for each of the loop's, but for some while it connected
  assert.is_true(turns >= N / MOST / 2, turns .. " turns for " .. N .. " messages")
end, {slow = true, without = {main = "the main chunk's sleep is the loop's own: see loop"}})

row("nothing lost: many senders, random pauses", function(t)
  local ws = t:connect(t:listen(), {max_queue = 2000})
  local SENDERS, N = 10, 100
  local list, next_of, got = {}, {}, 0
  for i = 1, SENDERS do
    next_of[i] = 1
    list[i] = function()
      for k = 1, N do
        t:ok(ws:send(i .. " " .. k .. (" "):rep(math.random(200))))
        if math.random(20) == 1 then t.host.sleep(math.random() / 500) end
      end
    end
  end
  list[#list + 1] = function()
    while got < SENDERS * N do
      local message, err = ws:receive(math.random() / 1000)
      t:own()
      if message then
        local i, k = message:match "^(%d+) (%d+)"
        assert.equal(next_of[tonumber(i)], tonumber(k))
        next_of[tonumber(i)] = tonumber(k) + 1
        got = got + 1
      else
        assert.equal("timeout", err)
      end
      if math.random(50) == 1 then t.host.sleep(math.random() / 500) end
    end
  end
  t:all(list)
  assert.same({nil, "timeout"}, {ws:receive(0.005)})
end)

return rows
