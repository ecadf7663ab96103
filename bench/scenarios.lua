-- What is measured, in the order of the tables. load, connections, size, depth:
-- as bench/load.c takes them. unit: of what the CPU time is given for. figure:
-- the one that is compared. fresh: a new server for each round. of: "client" when
-- it is the clients that are measured, on the yardstick as server.
local function echo(name, connections, size, what, depth)
  return {name = name, title = ("echo, %d x %s, %d in flight"):format(connections, what,
    depth or 1), load = "echo", connections = connections, size = size,
    depth = depth or 1, figure = "cpu", unit = "µs a message"}
end

local function broadcast(name, title, connections, rounds)
  return {name = name, title = title, load = "broadcast", connections = connections,
    size = 64, depth = 4, rounds = rounds, figure = "cpu", unit = "µs a delivery"}
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
  {name = "idle", title = "idle connection, of 10,000", load = "idle",
    connections = 10000, size = 8, depth = 1, rounds = 3, fresh = true,
    figure = "memory", unit = "KiB a connection"},
}
