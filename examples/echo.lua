-- Sends every message back.    lua5.4 examples/echo.lua [PORT]
local websock = require "websock"

local port = math.tointeger(tonumber(arg[1] or 8080))
if not port or port < 0 or port > 65535 then
  io.stderr:write("echo: not a port: ", arg[1], "\n")
  os.exit(2)
end

local server, err, place = websock.listen {
  port = port,
  handler = function(ws)
    for message, kind in ws:messages() do ws:send(message, kind) end
  end,
}
if not server then
  io.stderr:write(("echo: cannot listen on %s: %s\n"):format(place or port, err))
  os.exit(1)
end

-- Ctrl-C and `kill`: everyone gets a Close frame. The same again ends at once.
local function stop(name)
  websock.signal(name)
  server:stop()
  websock.stop()
end
for _, name in ipairs {"INT", "TERM"} do websock.signal(name, stop) end

local host, bound = server:getsockname()
print(("echo on ws://%s:%s/"):format(host, bound))
io.stdout:flush()
os.exit(websock.run() and 0 or 1, true)
