-- The server that `make bench` measures in one of the scenarios of bench/load.c.
-- bench/server_node.mjs is the same for Node's ws. It prints its port.
--
--     scripts/lua bench/server.lua SCENARIO

local websock = require "websock"

local server

local function echo(ws)
  for message, kind in ws:messages() do ws:send(message, kind) end
end

local function broadcast(ws)
  for message, kind in ws:messages() do server:broadcast(message, kind) end
end

-- Garbage is no memory of a connection: it goes before memory is looked at.
local function idle(ws)
  for message in ws:messages() do
    collectgarbage()
    collectgarbage()
    ws:send(message)
  end
end

local handlers = {echo = echo, connect = echo, idle = idle, broadcast = broadcast}

server = assert(websock.listen {
  port = 0,
  max_queue = 64 << 20,
  handler = handlers[arg[1]],
})
print((select(2, server:getsockname())))
io.stdout:flush()
websock.run()
