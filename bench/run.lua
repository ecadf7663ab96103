-- Measures servers side by side, under the load of bench/load.c, and prints the cost of
-- each as a multiple of the yardstick, bench/ideal.c. scripts/bench calls it.
--
--     scripts/lua bench/run.lua [NAME ...]    scenarios (all); "quick" for a
--                                             moment of each, as a test
--
-- PEERS="ideal websock" measures only these; ROUNDS=n and DURATION=seconds set the
-- number and length of the rounds; RESULTS=file gets the figures.
--
-- The rounds alternate, A B C A B C, so that other work of the machine affects all
-- servers. Server and load have a core each.

local figures = require "bench.figures"
local peers = require "bench.peers"
local scenarios = require "bench.scenarios"
local report = require "bench.report"
local servers = require "bench.servers"

local SERVER_CORE, LOAD_CORE = 0, 1
local CERTIFICATE = " build/bench/cert.pem build/bench/key.pem" -- scripts/bench makes it
local quick = arg[1] == "quick"
if quick then table.remove(arg, 1) end
local ROUNDS = tonumber(os.getenv "ROUNDS") or quick and 1 or 5
local DURATION = tonumber(os.getenv "DURATION") or quick and 0.1 or 1

-- Rounds ----------------------------------------------------------------------

local function load_of(server, scenario)
  local s = scenario
  local result = figures(("build/bench/load %s %d %d %d %d %d %g %s"):format(s.load,
    server.port, server.pid, s.connections, s.size, s.depth, DURATION,
    s.mode or s.content or ""), LOAD_CORE)
  if s.steps then result.step = server.pipe:read "n" / 1e3 end
  return result
end

local function client_of(peer, server, scenario)
  local s = scenario
  return figures(("%s %d %d %d %d %g"):format(peer.client, server.port, s.connections,
    s.size, s.depth, DURATION), SERVER_CORE)
end

local function server_of(peer, scenario, core)
  local mode = scenario.mode and scenario.mode .. CERTIFICATE or ""
  return servers.start(("%s %s %s"):format(peer.server, scenario.load, mode), core)
end

-- Calls round(), which measures all peers once, for each round.
local function rounds_of(scenario, round)
  local all = {}
  for n = 1, math.min(ROUNDS, scenario.rounds or ROUNDS) do all[n] = round() end
  return all
end

-- Clients run on the server's core, the yardstick as server on the load's.
local function clients_under(scenario, running)
  local server = server_of(peers[1], scenario, LOAD_CORE)
  local all = rounds_of(scenario, function()
    local round = {}
    for _, peer in ipairs(running) do round[peer] = client_of(peer, server, scenario) end
    return round
  end)
  servers.stop(server)
  return all
end

-- A server runs for all rounds of a scenario; with `fresh`, for scenarios that measure
-- memory, each round has a new one.
local function servers_under(scenario, running)
  local started = {}
  local all = rounds_of(scenario, function()
    local round = {}
    for _, peer in ipairs(running) do
      local server = started[peer] or server_of(peer, scenario, SERVER_CORE)
      round[peer] = load_of(server, scenario)
      if scenario.fresh then servers.stop(server) else started[peer] = server end
    end
    return round
  end)
  for _, server in pairs(started) do servers.stop(server) end
  return all
end

local function measure(scenario, running)
  if scenario.of == "client" then return clients_under(scenario, running) end
  return servers_under(scenario, running)
end

-- The command line ------------------------------------------------------------

local function chosen(list, names, what)
  if #names == 0 then return list end
  local by_name, found = {}, {}
  for _, item in ipairs(list) do by_name[item.name] = item end
  for i, name in ipairs(names) do
    found[i] = by_name[name] or error("no such " .. what .. ": " .. name, 0)
  end
  return found
end

local function words(text)
  local list = {}
  for word in (text or ""):gmatch "%S+" do list[#list + 1] = word end
  return list
end

local function only(list, wanted)
  local found = {}
  for _, item in ipairs(list) do
    if wanted(item) then found[#found + 1] = item end
  end
  return found
end

-- Returns the peers that support a scenario.
local function able(list, scenario)
  return only(list, function(peer)
    local modes, loads = peer.modes or {}, peer.loads
    return peer[scenario.of or "server"] and (not scenario.mode or modes[scenario.mode])
      and (not loads or loads[scenario.load])
      and (not scenario.steps or peer.steps)
  end)
end

-- As a test it does without two libraries that take long.
local function shorten()
  for _, scenario in ipairs(scenarios) do
    scenario.connections = math.min(scenario.connections, 500)
  end
  peers = only(peers, function(peer) return peer.name ~= "lws" and peer.name ~= "python" end)
  print("A moment of each, of at most 500 connections: no figures to go by.")
end

local function run(running, results)
  for _, scenario in ipairs(chosen(scenarios, arg, "scenario")) do
    local those = able(running, scenario)
    local rounds = measure(scenario, those)
    report.print(scenario, those, rounds)
    if results then report.append(results, scenario, those, rounds) end
  end
end

local wanted = words(os.getenv "PEERS")
if quick and #wanted == 0 then shorten() end
local results = os.getenv "RESULTS" and assert(io.open(os.getenv "RESULTS", "w"))
servers.guard(run, chosen(peers, wanted, "peer"), results)
