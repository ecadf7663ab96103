-- The server that `make bench` measures in one of the scenarios of bench/load.c.
-- bench/server_node.mjs is the same for Node's ws. It prints its port.
--
--     scripts/lua bench/server.lua SCENARIO [MODE CERTIFICATE KEY]
--
-- MODE is one of bench/load.c: tls, deflate, takeover.

local websock = require "websock"

collectgarbage("incremental", 200, 10)  -- as docs/performance.md advises

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
    if message == "collect" then
      collectgarbage()
      collectgarbage()
    end
    ws:send(message)
  end
end

local handlers = {echo = echo, connect = echo, idle = idle, broadcast = broadcast}

local scenario, mode, cert, key = table.unpack(arg)

server = assert(websock.listen {
  port = 0,
  max_queue = 64 << 20,
  handler = handlers[scenario],
  tls = mode == "tls" and {cert = cert, key = key} or nil,
  compress = (mode == "deflate" or mode == "takeover") and {
    threshold = 100,
    server_no_context_takeover = mode == "deflate",
    client_no_context_takeover = mode == "deflate",
  },
})
print((select(2, server:getsockname())))
io.stdout:flush()
websock.run()
