-- Starts the processes of the scale spec and the soak, with room for many
-- descriptors.

local process = require "support.process"

local children = {}

-- The limit cannot be raised above what the system allows.
local RAISE = [[
if ! ulimit -n "$1" 2>/dev/null; then
  echo "needs $1 descriptors (ulimit -n), the system allows $(ulimit -Hn)"
  exit 1
fi
shift
exec "$@"
]]

---A script of spec/soak/ in a process of its own.
function children.start(descriptors, script, ...)
  return process.start({"sh", "-c", RAISE, "sh", descriptors, "scripts/lua",
    "spec/soak/" .. script, ...}, {env = {
      LUA_PATH = "spec/?.lua;" .. (os.getenv "LUA_PATH" or ";;"),
      LD_PRELOAD = os.getenv "SANITIZED",
    }})
end

---Starts the server; returns it, once it listens, and its port.
function children.server(descriptors, ...)
  local server = children.start(descriptors, "server.lua", ...)
  return server, server:expect "port (%d+)"
end

return children
