-- The server that `make bench` measures in one of the scenarios of bench/load.c. It
-- prints its port. bench/server_node.mjs is the same for Node's ws.
--
--     scripts/lua bench/server.lua [callbacks] SCENARIO [MODE CERTIFICATE KEY]
--
-- MODE is a mode of bench/load.c: tls, deflate, takeover. With "callbacks" it has
-- on_message in place of a handler. Everything else is as in README.md's first
-- server; the collector's mode too: that of the command lua5.4, which is generational.
--
-- In the scenario storm it prints, when the first connection ends, how long the
-- longest step of the loop has been until then, in microseconds of CPU time.

local websock = require "websock"

local has_callbacks = arg[1] == "callbacks" and table.remove(arg, 1)
local scenario, mode, cert, key = table.unpack(arg)
local server
local longest = 0  -- step so far, in seconds; nil: it is printed

local function print_longest()
  if not longest then return end
  print(math.floor(longest * 1e6))
  io.stdout:flush()
  longest = nil
end

-- What is done about a message --------------------------------------------------

local function echo(ws, message, kind) ws:send(message, kind) end

local function broadcast(_, message, kind) server:broadcast(message, kind) end

-- Collects garbage before memory is measured: it belongs to no connection.
local function idle(ws, message)
  if message == "collect" then
    collectgarbage()
    collectgarbage()
  end
  ws:send(message)
end

local answers = {echo = echo, connect = echo, idle = idle, broadcast = broadcast, storm = echo}

-- The same in handlers ----------------------------------------------------------

local function handle_echo(ws)
  for message, kind in ws:messages() do ws:send(message, kind) end
end

local function handle_broadcast(ws)
  for message, kind in ws:messages() do server:broadcast(message, kind) end
end

local function handle_idle(ws)
  for message in ws:messages() do idle(ws, message) end
end

local function handle_storm(ws)
  handle_echo(ws)
  print_longest()
end

local handlers = {echo = handle_echo, connect = handle_echo, idle = handle_idle,
  broadcast = handle_broadcast, storm = handle_storm}

-- The server --------------------------------------------------------------------

local function run_timed()
  while true do
    local began = os.clock()
    websock.step(1)
    if longest then longest = math.max(longest, os.clock() - began) end
  end
end

server = assert(websock.listen {
  port = 0,
  handler = not has_callbacks and handlers[scenario] or nil,
  on_message = has_callbacks and answers[scenario] or nil,
  on_close = has_callbacks and scenario == "storm" and print_longest or nil,
  tls = mode == "tls" and {cert = cert, key = key} or nil,
  compress = (mode == "deflate" or mode == "takeover") and {
    threshold = 100,
    server_no_context_takeover = mode == "deflate",
    client_no_context_takeover = mode == "deflate",
  },
})
print((select(2, server:getsockname())))
io.stdout:flush()
if scenario == "storm" then run_timed() else websock.run() end
