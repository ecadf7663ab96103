-- The server of the scale spec and of the soak. The subprotocol of a connection says
-- what the server does with it. It prints its port.
--
--     scripts/lua spec/soak/server.lua [quick | compressed]
--
-- quick: all timeouts are a few seconds. compressed: with
-- permessage-deflate, for messages of any size.

local websock = require "websock"
local usage = require "soak.usage"

local options =
  {port = 0, backlog = 4096, protocols = {"echo", "control", "close", "drop"}}
if arg[1] == "quick" then
  options.ping_interval, options.ping_timeout = 1, 5
  options.close_timeout, options.handshake_timeout = 1, 2
  options.max_queue = 64 * 1024
end

if arg[1] == "compressed" then options.compress = {threshold = 0} end

local server
local tally = {received = 0, delivered = 0, dropped = 0}
local roles = {}

local function received() tally.received = tally.received + 1 end

roles.echo = function(ws)
  for message, kind in ws:messages() do
    received()
    ws:send(message, kind)
  end
end

-- All of these get every message of each.
local function room(slow)
  return function(ws)
    ws:subscribe "room"
    for message, kind in ws:messages() do
      received()
      local delivered, dropped =
        server:publish("room", message, kind, {slow = slow})
      tally.delivered = tally.delivered + delivered
      tally.dropped = tally.dropped + dropped
    end
  end
end

roles.close, roles.drop = room "close", room "drop"

-- "report": what the server holds, without this connection.
roles.control = function(ws)
  for _ in ws:messages() do
    local report = usage.now(true)
    report.count = server:count() - 1
    for name, value in pairs(tally) do report[name] = value end
    ws:send(usage.encode(report))
  end
end

function options.handler(ws) roles[ws.protocol](ws) end

server = assert(websock.listen(options))
print("port " .. select(2, server:getsockname()))
io.stdout:flush()
websock.run()
