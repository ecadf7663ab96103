-- Who is measured, in the order of the columns: the yardstick first. `server` is
-- run with the name of a scenario of bench/load.c, and prints its port.
return {
  {name = "ideal", title = "ideal C", server = "build/bench/ideal"},
  {name = "websock", title = "websock", server = "scripts/lua bench/server.lua"},
  {name = "node", title = "Node ws", server = "node --expose-gc bench/server_node.mjs"},
}
