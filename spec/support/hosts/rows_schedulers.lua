-- Rows: several schedulers in one process.

local websock = require "websock"
local assert = require "luassert"
local new_list = require "support.hosts.list"

local rows, row = new_list()

local OURS = "a coroutine of the loop is nobody else's"
local WITHOUT = {main = OURS, loop = OURS}

-- A controller of cqueues, which a coroutine of the host turns until `ended` is set.
local function turn_controller(t)
  local it = {controller = require "cqueues".new(), ended = false}
  t.host.spawn(t.guard(function()
    repeat
      assert(it.controller:step(0))
      t.host.sleep(0.002)
    until it.ended
  end))
  return it
end

-- Runs f in a thread of such a controller.
local function wrap(t, it, f)
  it.controller:wrap(t.guard(function()
    f()
    assert.equal(it.controller, (require "cqueues".running()))
    it.ended = true
  end))
end

row("one connection, the host and another scheduler", function(t)
  local ws, theirs = t:pair()
  local it, got = turn_controller(t), {}
  wrap(t, it, function()
    for i = 1, 10 do
      got[i] = assert(theirs:receive())
      assert(theirs:send("b" .. i))
    end
    assert.same({nil, "timeout"}, {theirs:receive(0.01)})
    assert.is_number(theirs:ping())
  end)
  for i = 1, 10 do
    t:ok(ws:send("a" .. i))
    assert.equal("b" .. i, t:ok(ws:receive()))
  end
  t:wait_until(function() return it.ended end)
  assert.equal("a10", got[10])
end, {without = WITHOUT})

row("a client of another scheduler", function(t)
  local server, it = t:listen(), turn_controller(t)
  wrap(t, it, function()
    local ws = assert(websock.connect("ws://127.0.0.1:" .. select(2, server:getsockname())))
    assert(ws:send "from there")
    assert.equal("from there", (ws:receive()))
    assert(ws:close())
  end)
  local ws = t:connect(server)
  t:assert_echo(ws)
  t:wait_until(function() return it.ended end)
  t:assert_echo(ws)
end, {hooks = true, without = WITHOUT})

-- An echo server whose handlers have to run in a thread of this controller.
local function listen_in(t, controller)
  local cqueues = require "cqueues"
  return t:listen {scheduler = controller, handler = function(ws)
    for message in ws:messages() do
      assert.equal(controller, (cqueues.running()))
      cqueues.sleep(0.001)
      assert(ws:send(message))
    end
  end}
end

row("several controllers: servers, handlers, clients", function(t)
  local all = {}
  for i = 1, 3 do
    all[i] = turn_controller(t)
    all[i].server = listen_in(t, all[i].controller)
  end
  for i, it in ipairs(all) do
    local other = all[i % 3 + 1]
    wrap(t, it, function()
      local ws = t:connect(other.server)
      for n = 1, 10 do
        assert(ws:send(i .. " to another " .. n))
        assert.equal(i .. " to another " .. n, (ws:receive()))
      end
      assert(ws:close())
      it.is_served = true
      repeat websock.sleep(0.002) until all[1].is_served and all[2].is_served and all[3].is_served
    end)
  end
  t:wait_until(function() return all[1].ended and all[2].ended and all[3].ended end)
end, {without = setmetatable({cqueues = false}, {__index = function()
  return "only cqueues has several schedulers of its kind"
end})})

-- Runs f while another coroutine of the host counts how often it runs; returns that.
local function count_while(t, f)
  local n, over = 0, false
  t.host.spawn(t.guard(function()
    while not over do
      n = n + 1
      t.host.sleep(0)
    end
  end))
  t:wait_until(function() return n > 0 end)
  local before = n
  f()
  over = true
  return n - before
end

row("connect's scheduler: the loop, which is turned here", function(t)
  local server, ws = t:listen(), nil
  local url = "ws://127.0.0.1:" .. select(2, server:getsockname())
  assert.equal(0, count_while(t, function()
    ws = assert(websock.connect(url, {scheduler = "loop"}))
  end))
  t:own()
  assert.is_true(count_while(t, function() t:assert_echo(ws) end) > 0)
end, {without = {main = "there it does so anyway", loop = OURS}})

row("connect's scheduler: a table in place of the host", function(t)
  local server, parks, has_begun = t:listen(), 0, false
  local adapter = {
    owns = function() end,  -- it is not recognised
    park = function()
      parks = parks + 1
      t.host.sleep(0.002)
    end,
    wake = function() end, spawn = t.host.spawn, kick = function() end,
    pause = function() t.host.sleep(0) end,
    begin = function() has_begun = true end,
  }
  local ws = t:connect(server, {scheduler = adapter})
  assert.is_true(parks > 0 and has_begun)
  local before = parks
  t:assert_echo(ws)
  assert.equal(before, parks)
end, {without = {loop = OURS}})

return rows
