-- Sends every message back.    lua5.4 examples/echo.lua [PORT]
local websock = require "websock"

local server = assert(websock.listen {
  port = tonumber(arg[1] or 8080),
  handler = function(ws)
    for message, kind in ws:messages() do ws:send(message, kind) end
  end,
})
websock.signal("TERM", function() server:stop() end)
websock.signal("INT", function() server:stop() end)

local host, port = server:getsockname()
print(("echo on ws://%s:%s/"):format(host, port))
io.stdout:flush()
websock.run()
