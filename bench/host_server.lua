-- The echo server that bench/hosts.lua measures, inside a scheduler. It prints its port.
--
--     scripts/lua bench/host_server.lua HOST ours|theirs
--
-- HOST is loop; tick or step, a game's main loop; copas, copas-like
-- (spec/support/copas_like.lua), cqueues, luv, or table, a scheduler of the specs' own.
-- Handlers run in the loop's coroutines, or in those of the host.

package.path = "spec/?.lua;" .. package.path

local websock = require "websock"

local name, whose = arg[1], arg[2]

local function handle(ws)
  for message, kind in ws:messages() do ws:send(message, kind) end
end

local function listen(scheduler)
  local server = assert(websock.listen {port = 0, handler = handle,
    scheduler = whose == "theirs" and scheduler or "loop"})
  print((select(2, server:getsockname())))
  io.stdout:flush()
end

local hosts = {}

function hosts.loop()
  listen "loop"
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
  copas.addthread(listen, "copas")
  copas.loop()
end

hosts["copas-like"] = function()
  package.loaded.copas = require "support.copas_like"
  hosts.copas()
end

function hosts.cqueues()
  local controller = require "cqueues".new()
  controller:wrap(listen, "cqueues")
  assert(controller:loop())
end

function hosts.luv()
  websock.use "luv"
  listen "luv"
  require "luv".run()
end

function hosts.table()
  local toy = require "support.hosts.toy"
  websock.use(toy.adapter)
  listen(toy.adapter)
  toy.run()
end

hosts[name]()
