-- The server that `make bench` measures in one of the scenarios of bench/load.c. It
-- prints its port. bench/server_node.mjs is the same for Node's ws.
--
--     scripts/lua bench/server.lua SCENARIO [MODE CERTIFICATE KEY]
--
-- MODE is a mode of bench/load.c: tls, deflate, takeover.

local websock = require "websock"

collectgarbage("incremental", 200, 10)  -- as docs/performance.md advises

local server

local function echo(ws)
  for message, kind in ws:messages() do ws:send(message, kind) end
end

local function broadcast(ws)
  for message, kind in ws:messages() do server:broadcast(message, kind) end
end

-- Collects garbage before memory is measured: it belongs to no connection.
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
