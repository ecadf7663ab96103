-- Sends every message back.    lua5.4 examples/echo.lua [PORT]
local websock = require "websock"

local port = math.tointeger(tonumber(arg[1] or 8080))
if not port or port < 0 or port > 65535 then
  io.stderr:write("echo: not a port: ", arg[1], "\n")
  os.exit(2)
end

local server = assert(websock.listen {
  port = port,
  handler = function(ws)
    for message, kind in ws:messages() do ws:send(message, kind) end
  end,
})
websock.signal("TERM", function() server:stop() end)
websock.signal("INT", function() server:stop() end)

local host, bound = server:getsockname()
print(("echo on ws://%s:%s/"):format(host, bound))
io.stdout:flush()
websock.run()
