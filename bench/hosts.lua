-- Measures what an echo costs a server in each host, as a multiple of the built-in loop's
-- in the same round: 64 connections, and one, 32 bytes, one in flight, under the load of
-- bench/load.c; and how long, under a flood, a task of the host's has to wait for its turn.
-- scripts/bench calls it.
--
--     scripts/lua bench/hosts.lua [ROUNDS [SECONDS [FILE]]]
--
-- Prints a table of medians (least-greatest) of the server's CPU time, and of the longest
-- wait in each round, and writes it into FILE, between its marks. The rounds alternate
-- between the hosts. Server and load have a core each.

local figures = require "bench.figures"
local markdown = require "bench.markdown"
local report = require "bench.report"
local servers = require "bench.servers"

local ROUNDS, SECONDS, FILE = tonumber(arg[1] or 5), tonumber(arg[2] or 1), arg[3]
local BEGIN = "<!-- hosts: made by `make bench BENCH=hosts-report` -->"
local END = "<!-- end of hosts -->"
local SERVER_CORE, LOAD_CORE = 0, 1
local LOAD = "build/bench/load echo %d %d %d 32 1 %g"
local FLOOD = "build/bench/load echo %d %d %d 32 64 %g"
local LOADS, FLOODS = {64, 1}, {64, 500}  -- connections
local OURS = "scripts/lua bench/host_server.lua "

local function has_copas()
  local ok, copas = pcall(require, "copas")
  return ok and tostring(copas._VERSION):find "^Copas 4%." ~= nil
end

local copas = has_copas() and {"copas", "Copas"}
  or {"copas-like", "what the tests use for Copas, over `select`"}

-- Each with the commands of its servers: handlers in our coroutines, in the host's own; with
-- a task of the host's.
local function host(name, title)
  return {title = title, OURS .. name .. " ours", OURS .. name .. " theirs",
    late = OURS .. name .. " ours late"}
end

local hosts = {
  {title = "`websock.run`", OURS .. "loop ours", late = OURS .. "loop ours late"},
  {title = "a tick of 60 Hz, `step` for the rest of it", OURS .. "tick ours"},
  {title = "a tick of 60 Hz, one `step(0)` in each", OURS .. "step ours"},
  host(table.unpack(copas)),
  host("cqueues", "cqueues"),
  host("luv", "luv"),
  host("table", "a table of your own, over `select`"),
  {title = "a C program, `poll` and `ws.h` (host.c)", "build/bench/host 0"},
}

-- All commands in the order of the table.
local function commands()
  local list = {}
  for _, of in ipairs(hosts) do table.move(of, 1, #of, #list + 1, list) end
  return list
end

-- Returns the rounds of each load: command -> figures.
local function measure()
  local list, started, rounds = commands(), {}, {}
  for _, command in ipairs(list) do started[command] = servers.start(command, SERVER_CORE) end
  for _, connections in ipairs(LOADS) do
    rounds[connections] = {}
    for n = 1, ROUNDS do
      local round = {}
      for _, command in ipairs(list) do
        local server = started[command]
        round[command] = figures(LOAD:format(server.port, server.pid, connections, SECONDS),
          LOAD_CORE)
      end
      rounds[connections][n] = round
    end
  end
  return rounds
end

-- Returns the rounds of a flood: lists of host -> {wait}, the longest wait of its task in
-- milliseconds.
local function waits_of(of, connections)
  local server, rounds = servers.start(of.late, SERVER_CORE), {}
  for n = 1, ROUNDS do
    figures(FLOOD:format(server.port, server.pid, connections, SECONDS), LOAD_CORE)
    rounds[n] = {[of] = {wait = server.pipe:read "n"}}
  end
  servers.stop(server)
  return rounds
end

-- Returns the cells about the floods: host -> list.
local function flood()
  local all = {}
  for _, of in ipairs(hosts) do
    local cells = {}
    for i, connections in ipairs(FLOODS) do
      cells[i] = not of.late and ""
        or markdown.spread(report.of(waits_of(of, connections), of, "wait"))
    end
    all[of] = cells
  end
  return all
end

local function ratio(rounds, command)
  if not command then return "" end
  return markdown.spread(report.ratio(rounds, command, hosts[1][1], "cpu"))
end

local function row(rounds, waits, of)
  local cells = {of.title}
  for i = 1, 2 do
    for _, connections in ipairs(LOADS) do
      cells[#cells + 1] = ratio(rounds[connections], of[i])
    end
  end
  local median = report.of(rounds[LOADS[1]], of[1], "p50")
  cells[#cells + 1] = ("%.0f"):format(median)
  return markdown.row(markdown.join(cells, waits))
end

local function table_of(rounds, waits)
  local out = {markdown.heading {"", "64 connections", "one", "64, handlers in the host's coroutines",
    "one", "µs until the reply, of 64", "a task waits, ms", "of 500"}}
  for _, of in ipairs(hosts) do out[#out + 1] = row(rounds, waits[of], of) end
  local function cost(connections)
    return markdown.short((report.of(rounds[connections], hosts[1][1], "cpu")))
  end
  out[#out + 1] = ("\n1.00 are %s µs with 64 connections, %s µs with one.\n"):format(cost(64), cost(1))
  return table.concat(out)
end

servers.guard(function()
  local text = table_of(measure(), flood())
  print(text)
  if FILE then markdown.replace(FILE, BEGIN, END, text) end
end)
