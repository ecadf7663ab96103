-- The scenarios, in the order of the tables. load, connections, size, depth, mode:
-- arguments of bench/load.c. unit: what the CPU time is divided by. figure: the one
-- that is compared. fresh: a new server for each round. of: "client" if the clients are
-- measured, with the yardstick as server.
local function echo(name, connections, size, what, depth)
  return {name = name, title = ("echo, %d x %s, %d in flight"):format(connections, what,
    depth or 1), load = "echo", connections = connections, size = size,
    depth = depth or 1, figure = "cpu", unit = "µs a message"}
end

local function broadcast(name, title, connections, rounds)
  return {name = name, title = title, load = "broadcast", connections = connections,
    size = 64, depth = 4, rounds = rounds, figure = "cpu", unit = "µs a delivery"}
end

local function tls(scenario)
  scenario.mode, scenario.title = "tls", "wss: " .. scenario.title
  return scenario
end

local function deflate(name, what, size)
  return {name = name, title = "compressed: echo of JSON, " .. what, load = "echo",
    connections = 16, size = size, depth = 1, mode = "deflate", figure = "cpu",
    unit = "µs a message"}
end

local function idle(name, title, connections, mode, size)
  return {name = name, title = title, load = "idle", connections = connections,
    size = size or 32, depth = 1, rounds = 3, fresh = true, figure = "memory", mode = mode,
    unit = "KiB a connection"}
end

return {
  echo("echo", 64, 32, "32 B"),
  echo("echo64", 64, 32, "32 B", 64),
  echo("echo1k", 16, 1024, "1 KiB"),
  echo("echo64k", 8, 64 << 10, "64 KiB"),
  echo("echo1m", 4, 1 << 20, "1 MiB"),
  {name = "connect", title = "connect, upgrade, close", load = "connect",
    connections = 32, size = 8, depth = 1, figure = "cpu", unit = "µs a connection"},
  broadcast("broadcast", "broadcast of 64 B to 500, 4 in flight", 500),
  broadcast("broadcast10k", "broadcast of 64 B to 10,000, 4 in flight", 10000, 3),
  {name = "client", title = "client, 64 x 32 B, 1 in flight", of = "client", load = "echo",
    connections = 64, size = 32, depth = 1, figure = "cpu", unit = "µs a message"},
  idle("idle", "idle connection, of 10,000", 10000),
  tls(echo("tls", 64, 32, "32 B")),
  tls(echo("tls64k", 8, 64 << 10, "64 KiB")),
  {name = "tlsconnect", title = "wss: connect, upgrade, close", load = "connect", mode = "tls",
    connections = 32, size = 8, depth = 1, figure = "cpu", unit = "µs a connection"},
  idle("tlsidle", "wss: idle connection, of 2,000", 2000, "tls"),
  deflate("deflate200", "200 B", 200),
  deflate("deflate2k", "2 KiB", 2048),
  deflate("deflate50k", "50 KiB", 50 << 10),
  idle("deflateidle", "compressed: idle connection, of 2,000", 2000, "deflate", 2048),
  idle("takeoveridle", "the same with the contexts kept", 2000, "takeover", 2048),
}
