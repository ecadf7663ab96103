-- Lua code run to its end in a process of its own: what ends a process, writes to
-- its stderr or uses its descriptors up.

local process = require "support.process"

local child = {}

-- For a sanitized module, and the poller that this process uses.
local function environment()
  return {
    LD_PRELOAD = os.getenv "SANITIZED", WEBSOCK_POLLER = os.getenv "WEBSOCK_POLLER",
  }
end

---Runs code, which has `websock`; returns exit status and output.
---@param descriptors? integer how many it may have open
function child.run(code, descriptors)
  local words = process.lua("-e", 'local websock = require "websock" ' .. code)
  if descriptors then
    words = {"sh", "-c", ('ulimit -n %d && exec "$@"'):format(descriptors), "sh", table.unpack(words)}
  end
  return process.run(words, {env = environment()})
end

return child
