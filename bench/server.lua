-- The server that `make bench` measures: what a path is called is what it does
-- (bench/load.c). bench/server_node.mjs is the same for Node's ws.

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

local paths = { ["/echo"] = echo, ["/connect"] = echo, ["/idle"] = idle,
  ["/broadcast"] = broadcast }

server = assert(websock.listen {
  port = 0,
  max_queue = 64 << 20,
  handler = function(ws) paths[ws.request.path](ws) end,
})
print((select(2, server:getsockname())))
io.stdout:flush()
websock.run()
