-- Who is measured, in the order of the columns: the yardstick first.
--
-- server: run with the name of a scenario of bench/load.c; it prints its port.
-- client: run with PORT CONNECTIONS SIZE DEPTH SECONDS; it prints what
-- bench/load.c prints, of itself.
local python = os.getenv "PYTHON" or "/usr/bin/python3"

return {
  {name = "ideal", title = "ideal C", server = "build/bench/ideal",
    client = "build/bench/ideal_client"},
  {name = "websock", title = "websock", server = "scripts/lua bench/server.lua",
    client = "scripts/lua bench/client.lua"},
  {name = "lws", title = "libwebsockets", server = "build/bench/server_lws"},
  {name = "node", title = "Node ws", server = "node --expose-gc bench/server_node.mjs",
    client = "node bench/client_node.mjs"},
  {name = "python", title = "Python websockets", server = python .. " bench/server_python.py",
    client = python .. " bench/client_python.py"},
}
