-- The libraries that are measured, in the order of the columns: the yardstick first.
--
-- server: called with the name of a scenario of bench/load.c, and one of the peer's
-- modes, with a certificate and its key; it prints its port, and in the scenario storm
-- its longest step, if `steps` is true. loads: the loads of bench/load.c that it is made
-- for, if not all.
-- client: called with PORT CONNECTIONS SIZE DEPTH SECONDS; it prints the first three of
-- the figures of bench/load.c, about itself.
local options = require "websock.base.options"

local python = os.getenv "PYTHON" or "/usr/bin/python3"

-- examples/embed/host.c echoes whatever the scenario; with TLS it is another program.
local host = [[sh -c 'exec build/bench/host${1:+_tls} 0 $2 $3']]

local peers = {
  {name = "ideal", title = "ideal C", server = "build/bench/ideal", modes = {tls = true},
    steps = true, client = "build/bench/ideal_client"},
  {name = "floor", title = "ideal C + Lua", server = "build/bench/ideal_lua",
    modes = {tls = true}, steps = true},
  {name = "websock", title = "websock", server = "scripts/lua bench/server.lua",
    modes = {tls = true, deflate = true, takeover = true}, steps = true,
    client = "scripts/lua bench/client.lua"},
  {name = "callbacks", title = "websock, callbacks",
    server = "scripts/lua bench/server.lua callbacks",
    modes = {tls = true, deflate = true, takeover = true}, steps = true,
    absent = not options.listen.on_message},
  {name = "host", title = "C host", server = host, modes = {tls = true},
    loads = {echo = true, connect = true}},
  {name = "lws", title = "libwebsockets", server = "build/bench/server_lws",
    modes = {tls = true}},
  {name = "node", title = "Node ws", server = "node --expose-gc bench/server_node.mjs",
    modes = {tls = true, deflate = true, takeover = true}, steps = true,
    client = "node bench/client_node.mjs"},
  {name = "python", title = "Python websockets", server = python .. " bench/server_python.py",
    modes = {tls = true, deflate = true, takeover = true},
    client = python .. " bench/client_python.py"},
}

local present = {}
for _, peer in ipairs(peers) do
  if not peer.absent then present[#present + 1] = peer end
end
return present
