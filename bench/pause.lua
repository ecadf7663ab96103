-- Measures how long one websock.step takes under load, in each mode of the collector:
-- 10,000 connections, whose messages are answered, kept and become garbage.
--
--     scripts/lua bench/pause.lua MODE [CONNECTIONS [SECONDS]]
--
-- MODE: incremental; gentle, the same in smaller steps; generational; or stopped,
-- which shows the time without the collector. Steps are measured in CPU time, because
-- the machine may be busy. Prints "messages a second, p50, p99, p99.9, longest in ms,
-- MiB in use".

local websock = require "websock"

local mode, connections, seconds = arg[1], tonumber(arg[2] or 10000), tonumber(arg[3] or 5)
local KEPT = 8
local answered = 0

-- A connection's last messages, as an application would keep them.
local function handle(ws)
  local last, n = {}, 0
  ws.last = last
  for message in ws:messages() do
    answered = answered + 1
    n = n % KEPT + 1
    last[n] = {text = message, at = websock.now()}
    ws:send(message)
  end
end

local server = assert(websock.listen {port = 0, backlog = 4096, handler = handle})
local port = select(2, server:getsockname())

-- $PPID is this process.
os.execute(("taskset -c 1 build/bench/load echo %d $PPID %d 64 1 %g >/dev/null 2>&1 &")
  :format(port, connections, seconds + 60))

local function settle()
  repeat websock.step(1) until server:count() == connections
  local over = websock.now() + 1
  repeat websock.step(1) until websock.now() > over
end

local function measure()
  local list, most, begun = {}, 0, answered
  local over = websock.now() + seconds
  repeat
    local began = os.clock()
    websock.step(1)
    list[#list + 1] = os.clock() - began
    if #list % 64 == 0 then most = math.max(most, collectgarbage "count") end
  until websock.now() > over
  return list, most, answered - begun
end

local function print_figures(list, most, messages)
  table.sort(list)
  local function at(part) return list[math.max(1, math.ceil(part * #list))] * 1e3 end
  print(("%-14s %9.0f %8.2f %8.2f %8.2f %8.2f %8.0f"):format(mode, messages / seconds,
    at(0.5), at(0.99), at(0.999), at(1), most / 1024))
end

local modes = {
  incremental = {"incremental"},
  gentle = {"incremental", 200, 10},
  generational = {"generational"},
  stopped = {"stop"},
}
collectgarbage(table.unpack(modes[mode]))
settle()
print_figures(measure())
os.exit(true) -- the load ends when its server has gone
