-- The libraries that are measured, in the order of the columns: the yardstick first.
--
-- server: called with the name of a scenario of bench/load.c, and one of the peer's
-- modes, with a certificate and its key; it prints its port.
-- client: called with PORT CONNECTIONS SIZE DEPTH SECONDS; it prints its own figures
-- as bench/load.c does.
local python = os.getenv "PYTHON" or "/usr/bin/python3"

return {
  {name = "ideal", title = "ideal C", server = "build/bench/ideal", modes = {tls = true},
    client = "build/bench/ideal_client"},
  {name = "websock", title = "websock", server = "scripts/lua bench/server.lua",
    modes = {tls = true, deflate = true, takeover = true},
    client = "scripts/lua bench/client.lua"},
  {name = "lws", title = "libwebsockets", server = "build/bench/server_lws",
    modes = {tls = true}},
  {name = "node", title = "Node ws", server = "node --expose-gc bench/server_node.mjs",
    modes = {tls = true, deflate = true, takeover = true},
    client = "node bench/client_node.mjs"},
  {name = "python", title = "Python websockets", server = python .. " bench/server_python.py",
    modes = {tls = true, deflate = true, takeover = true},
    client = python .. " bench/client_python.py"},
}
