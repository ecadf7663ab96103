-- The echo server that bench/hosts.lua measures, inside a scheduler. It prints its port.
--
--     scripts/lua bench/host_server.lua HOST ours|theirs [late]
--
-- HOST is loop; tick or step, a game's main loop; copas, copas-like
-- (spec/support/copas_like.lua), cqueues, luv, or table, a scheduler of the specs' own.
-- Handlers run in the loop's coroutines, or in those of the host.
--
-- "late": a task of the host's always wants to go on. Whenever all connections have ended,
-- the longest that it had to wait for that is printed: milliseconds of CPU time.

package.path = "spec/?.lua;" .. package.path

local websock = require "websock"

local name, whose, late = arg[1], arg[2], arg[3] ~= nil
local server

local function handle(ws)
  for message, kind in ws:messages() do ws:send(message, kind) end
end

local function listen(scheduler)
  server = assert(websock.listen {port = 0, handler = handle,
    scheduler = whose == "theirs" and scheduler or "loop"})
  print((select(2, server:getsockname())))
  io.stdout:flush()
end

-- The task. rest(): lets others go on.
local function task(rest)
  local longest, served
  while true do
    longest, served = 0, false
    repeat
      local before = os.clock()
      rest()
      if server:count() > 0 then
        longest, served = math.max(longest, os.clock() - before), true
      end
    until served and server:count() == 0
    print(longest * 1e3)
    io.stdout:flush()
  end
end

local hosts = {}

function hosts.loop()
  listen "loop"
  if late then websock.spawn(task, function() websock.sleep(0) end) end
  websock.run()
end

-- Calls step() sixty times a second.
local function ticks(step)
  listen "loop"
  local due = websock.now()
  while true do
    due = due + 1 / 60
    step(due)
  end
end

function hosts.tick()
  ticks(function(due)
    repeat websock.step(math.max(0, due - websock.now())) until websock.now() >= due
  end)
end

function hosts.step()
  local sleep = require "socket".sleep
  ticks(function(due)
    websock.step(0)
    sleep(math.max(0, due - websock.now()))
  end)
end

function hosts.copas()
  local copas = require "copas"
  copas.addthread(function()
    listen "copas"
    if late then task(copas.pause) end
  end)
  copas.loop()
end

hosts["copas-like"] = function()
  package.loaded.copas = require "support.copas_like"
  hosts.copas()
end

function hosts.cqueues()
  local cqueues = require "cqueues"
  local controller = cqueues.new()
  controller:wrap(function()
    listen "cqueues"
    if late then task(function() cqueues.sleep(0) end) end
  end)
  assert(controller:loop())
end

function hosts.luv()
  local uv = require "luv"
  websock.use "luv"
  listen "luv"
  if late then
    local go_on = coroutine.wrap(task)
    go_on(coroutine.yield)
    uv.new_idle():start(function() go_on() end)
  end
  uv.run()
end

function hosts.table()
  local toy = require "support.hosts.toy"
  websock.use(toy.adapter)
  listen(toy.adapter)
  if late then toy.spawn(task, toy.pause) end
  toy.run()
end

hosts[name]()
