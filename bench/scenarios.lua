-- The scenarios, in the order of the tables. load, connections, size, depth, mode:
-- arguments of bench/load.c. content: a mode that means nothing to servers. unit: what
-- the CPU time is divided by. figure: the one that is compared. columns: others that are
-- printed, of report.FIGURES in bench/report.lua. fresh: a new server for each round. steps: it prints its
-- longest step. of: "client" if the clients are measured, with the yardstick as server.
-- uws: uWebSockets' multiple of the yardstick, where it was measured; aim: that of this
-- library.
local EACH = {"rate", "p50", "p99", "bytes", "faults"}

local function echo(name, connections, size, what, depth)
  return {name = name, title = ("echo, %d x %s, %d in flight"):format(connections, what,
    depth or 1), load = "echo", connections = connections, size = size,
    depth = depth or 1, figure = "cpu", unit = "µs a message", columns = EACH}
end

local function text(scenario)
  scenario.content, scenario.title = "text", scenario.title .. ", UTF-8"
  return scenario
end

local function connect(name, title, mode)
  return {name = name, title = title, load = "connect", mode = mode, connections = 32,
    size = 8, depth = 1, figure = "cpu", unit = "µs a connection", columns = EACH}
end

local function broadcast(name, title, connections, rounds)
  return {name = name, title = title, load = "broadcast", connections = connections,
    size = 64, depth = 4, rounds = rounds, figure = "cpu", unit = "µs a delivery",
    columns = EACH}
end

local function tls(scenario)
  scenario.mode, scenario.title = "tls", "wss: " .. scenario.title
  return scenario
end

local function deflate(name, what, size)
  return {name = name, title = "compressed: echo of JSON, " .. what, load = "echo",
    connections = 16, size = size, depth = 1, mode = "deflate", figure = "cpu",
    unit = "µs a message", columns = EACH}
end

local function idle(name, title, connections, mode, size)
  return {name = name, title = title, load = "idle", connections = connections,
    size = size or 32, depth = 1, rounds = 3, fresh = true, figure = "memory", mode = mode,
    unit = "KiB a connection", columns = {}}
end

-- uWebSockets cannot be run here. Its cost, and the yardstick's beside it, are of one
-- run on another machine; aim: a multiple of its cost, or a text.
local function elsewhere(ideal, uws, aim, scenario)
  local function ratio(cost) return ("%.2f"):format(cost / ideal) end
  scenario.uws = ratio(uws)
  scenario.aim = type(aim) == "string" and aim or ratio(aim * uws)
  return scenario
end

return {
  elsewhere(6.35, 6.51, 1.10, echo("echo", 64, 32, "32 B")),
  elsewhere(10.2, 9.7, 1.15, echo("echo1", 1, 32, "32 B")),
  elsewhere(0.11, 0.20, 2.10, echo("echo64", 64, 32, "32 B", 64)),
  elsewhere(6.1, 6.5, 1.08, echo("echo1k", 16, 1024, "1 KiB")),
  elsewhere(6.2, 9.0, 1, text(echo("echo1ktext", 16, 1024, "1 KiB"))),
  elsewhere(23.6, 25.9, 1.25, echo("echo64k", 8, 64 << 10, "64 KiB")),
  elsewhere(349, 413, 1.2, echo("echo1m", 4, 1 << 20, "1 MiB")),
  elsewhere(29.9, 34.4, 1.25, connect("connect", "connect, upgrade, close")),
  elsewhere(1.70, 1.77, 1, broadcast("broadcast", "broadcast of 64 B to 500, 4 in flight", 500)),
  broadcast("broadcast10k", "broadcast of 64 B to 10,000, 4 in flight", 10000, 3),
  {name = "client", title = "client, 64 x 32 B, 1 in flight", of = "client", load = "echo",
    connections = 64, size = 32, depth = 1, figure = "cpu", unit = "µs a message",
    columns = {"rate"}},
  {name = "storm", title = "storm: 10,000 come back at once", load = "storm",
    connections = 10000, size = 32, depth = 1, rounds = 3, fresh = true, steps = true,
    figure = "back", unit = "ms until all back", columns = {"cpu", "p50", "p99", "step", "memory"}},
  elsewhere(0.15, 0.24, "2.7 KiB; 1.5 with callbacks", idle("idle1k", "idle connection, of 1,024", 1024)),
  idle("idle", "idle connection, of 10,000", 10000),
  tls(echo("tls", 64, 32, "32 B")),
  tls(echo("tls64k", 8, 64 << 10, "64 KiB")),
  connect("tlsconnect", "wss: connect, upgrade, close", "tls"),
  idle("tlsidle", "wss: idle connection, of 2,000", 2000, "tls"),
  deflate("deflate200", "200 B", 200),
  deflate("deflate2k", "2 KiB", 2048),
  deflate("deflate50k", "50 KiB", 50 << 10),
  idle("deflateidle", "compressed: idle connection, of 2,000", 2000, "deflate", 2048),
  idle("takeoveridle", "the same with the contexts kept", 2000, "takeover", 2048),
}
