-- Measures what an echo costs a server inside other schedulers, as a multiple of the
-- built-in loop's in the same run: 64 connections, 32 bytes, one in flight, under the
-- load of bench/load.c. scripts/bench calls it.
--
--     scripts/lua bench/hosts.lua [ROUNDS [SECONDS]]
--
-- Prints for each host "microseconds of CPU time a message: median, least, most; as a
-- multiple: median, least, most". The rounds alternate between the hosts, and each ratio
-- is of one round. Server and load have a core each.

local ROUNDS, SECONDS = tonumber(arg[1] or 5), tonumber(arg[2] or 1)
local SERVER_CORE, LOAD_CORE = 0, 1
local LOAD = "taskset -c %d build/bench/load echo %d %d 64 32 1 %g"

local function has_copas()
  local ok, copas = pcall(require, "copas")
  return ok and tostring(copas._VERSION):find "^Copas 4%." ~= nil
end

local columns = {
  {"loop", "ours", "the built-in loop"},
  {"copas", "ours", "inside Copas, handlers in our coroutines"},
  {"copas", "theirs", "inside Copas, in theirs"},
  {"cqueues", "ours", "inside cqueues, in ours"},
  {"cqueues", "theirs", "inside cqueues, in theirs"},
  {"luv", "ours", "inside luv, in ours"},
  {"luv", "theirs", "inside luv, in theirs"},
}

local alive = {}  -- servers

local function start(host, whose)
  local pipe = assert(io.popen(("echo $$; exec taskset -c %d scripts/lua bench/host_server.lua %s %s")
    :format(SERVER_CORE, host, whose)))
  local pid, port = pipe:read("n", "n")
  if not port then error("did not start: " .. host, 0) end
  local server = {pipe = pipe, pid = pid, port = port}
  table.insert(alive, server)
  return server
end

local function stop_all()
  for _, server in ipairs(alive) do
    os.execute("kill " .. server.pid)
    server.pipe:close()
  end
end

-- Microseconds of the server's CPU time for a message.
local function cost_of(server)
  local pipe = assert(io.popen(LOAD:format(LOAD_CORE, server.port, server.pid, SECONDS)))
  local _, _, cpu = pipe:read("n", "n", "n")
  if not pipe:close() or not cpu then error("the load failed", 0) end
  return cpu
end

local function spread(list)
  table.sort(list)
  return list[(#list + 1) // 2], list[1], list[#list]
end

local function measure()
  local servers, costs, ratios = {}, {}, {}
  for i, column in ipairs(columns) do
    servers[i], costs[i], ratios[i] = start(column[1], column[2]), {}, {}
  end
  for round = 1, ROUNDS do
    for i, server in ipairs(servers) do
      costs[i][round] = cost_of(server)
      ratios[i][round] = costs[i][round] / costs[1][round]
    end
  end
  return costs, ratios
end

local like = not has_copas()
if like then
  for _, column in ipairs(columns) do
    if column[1] == "copas" then
      column[1], column[3] = "copas-like", column[3] .. " *"
    end
  end
end

local ok, costs, ratios = pcall(measure)
stop_all()
if not ok then error(costs, 0) end
print(("%-44s %8s %6s %6s %8s %6s %6s"):format("echo, 64 x 32 B", "us", "least", "most", "times", "least", "most"))
for i, column in ipairs(columns) do
  local median, least, most = spread(costs[i])
  print(("%-44s %8.2f %6.2f %6.2f %8.2f %6.2f %6.2f"):format(column[3], median, least, most,
    spread(ratios[i])))
end
if like then print "* the specs' own select scheduler with Copas' interface: Copas 4 is not installed" end
