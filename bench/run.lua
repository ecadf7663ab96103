-- Measures this library's server beside Node's ws under the load of bench/load.c
-- and prints a table. `make bench` calls it by scripts/bench.
--
--     scripts/lua bench/run.lua [NAME ...]    scenarios (all); "quick" for a
--                                             moment of each, as a test
--
-- Both servers run through the same rounds in turn, A B A B, so that whatever
-- else the machine does falls on both. Server and load have a core each.

local SERVER_CORE, LOAD_CORE = 0, 1
local ROUNDS = 5

-- load: what bench/load.c is given after the server's pid; count is last.
-- fresh: a new server for each round, since memory is what is looked at.
local scenarios = {
  {name = "echo", what = "echo, 64 x 32 B, 1 in flight",
    load = {"echo", 64, 32, 1, 400000}},
  {name = "echo64", what = "echo, 64 x 32 B, 64 in flight",
    load = {"echo", 64, 32, 64, 2000000}},
  {name = "connect", what = "connect, upgrade, close",
    load = {"connect", 32, 8, 1, 20000}},
  {name = "broadcast", what = "broadcast of 64 B to 500",
    load = {"broadcast", 500, 64, 4, 2000}},
  {name = "broadcast10k", what = "broadcast of 64 B to 10,000",
    load = {"broadcast", 10000, 64, 4, 100}},
  {name = "idle", what = "idle connection, of 10,000", fresh = true,
    load = {"idle", 10000, 8, 1, 10}},
}

local commands = {
  "scripts/lua bench/server.lua",
  "node --expose-gc bench/server_node.mjs",
}

-- Processes -------------------------------------------------------------------

local function start(command, scenario)
  local pipe = assert(io.popen(("echo $$; exec taskset -c %d %s %s"):format(
    SERVER_CORE, command, scenario.load[1])))
  local pid, port = pipe:read("n", "n")
  assert(port, "did not start: " .. command)
  return {pipe = pipe, pid = pid, port = port}
end

local function stop(server)
  os.execute("kill " .. server.pid)
  server.pipe:close()
end

-- One run of the load: units a second, CPU in µs a unit, KiB a connection.
local function run(server, load)
  local name, connections, size, depth, count = table.unpack(load)
  local pipe = assert(io.popen(("taskset -c %d build/bench/load %s %d %d %d %d %d %d")
    :format(LOAD_CORE, name, server.port, server.pid, connections, size, depth, count)))
  local units, seconds, cpu, memory = pipe:read("n", "n", "n", "n")
  if not pipe:close() or not memory then error("the load failed: " .. name, 0) end
  return {rate = units / seconds, cost = name == "idle" and memory or cpu}
end

-- Rounds ----------------------------------------------------------------------

-- One round of a scenario: the result of each server.
local function round(scenario, servers)
  local results = {}
  for i, command in ipairs(commands) do
    if scenario.fresh then servers[i] = start(command, scenario) end
    results[i] = run(servers[i], scenario.load)
    if scenario.fresh then stop(servers[i]) end
  end
  return results
end

local function measure(scenario, rounds)
  local servers, all = {}, {}
  if not scenario.fresh then
    for i, command in ipairs(commands) do servers[i] = start(command, scenario) end
  end
  for i = 1, rounds do all[i] = round(scenario, servers) end
  if not scenario.fresh then
    for _, server in ipairs(servers) do stop(server) end
  end
  return all
end

-- Figures ---------------------------------------------------------------------

-- Median, least and greatest of what `get` finds in each round.
local function figures(rounds, get)
  local list = {}
  for i, results in ipairs(rounds) do list[i] = get(results) end
  table.sort(list)
  local middle = (#list + 1) // 2
  local median = #list % 2 == 1 and list[middle] or (list[middle] + list[middle + 1]) / 2
  return median, list[1], list[#list]
end

local function column(rounds, i)
  local rate = figures(rounds, function(results) return results[i].rate end)
  return ("%.2f (%.2f to %.2f)"):format(figures(rounds,
    function(results) return results[i].cost end)), ("%.0f"):format(rate)
end

local function ratio(rounds)
  return ("%.2f (%.2f to %.2f)"):format(figures(rounds,
    function(results) return results[1].cost / results[2].cost end))
end

local function report(scenario, rounds)
  local ours, our_rate = column(rounds, 1)
  local theirs, their_rate = column(rounds, 2)
  local unit = scenario.fresh and "KiB" or "µs"
  print(("| %s | %s | %s | %s | %s | %s | %s |"):format(scenario.what, unit, ours,
    theirs, ratio(rounds), our_rate, their_rate))
end

-- The command line ------------------------------------------------------------

local function chosen(names)
  if #names == 0 then return scenarios end
  local list = {}
  for _, scenario in ipairs(scenarios) do
    for _, name in ipairs(names) do
      if scenario.name == name then list[#list + 1] = scenario end
    end
  end
  assert(#list == #names, "no such scenario: " .. table.concat(names, " "))
  return list
end

local function shorten(scenario)
  local load = scenario.load
  load[2] = math.min(load[2], 500)
  load[5] = math.max(load[5] // 50, 10)
end

local quick = arg[1] == "quick"
if quick then
  table.remove(arg, 1)
  for _, scenario in ipairs(scenarios) do shorten(scenario) end
  print("A moment of each, of at most 500 connections: no figures to go by.")
end
print("| server, a unit | of | websock | Node ws | ratio | websock/s | ws/s |")
print("|---|---|---|---|---|---|---|")
for _, scenario in ipairs(chosen(arg)) do
  report(scenario, measure(scenario, quick and 1 or ROUNDS))
end
