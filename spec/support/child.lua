-- Runs Lua code in a process of its own: code that ends the process, writes to its
-- stderr or uses up its descriptors.

local process = require "support.process"

local child = {}

---Passes on a sanitized module, and the poller that this process uses.
function child.environment()
  return {
    LD_PRELOAD = os.getenv "SANITIZED", WEBSOCK_POLLER = os.getenv "WEBSOCK_POLLER",
  }
end

---Runs code, which has `websock`; returns exit status and output.
---@param descriptors? integer limit of open descriptors
function child.run(code, descriptors)
  local words = process.lua("-e", 'local websock = require "websock" ' .. code)
  if descriptors then
    words = {"sh", "-c", ('ulimit -n %d && exec "$@"'):format(descriptors), "sh", table.unpack(words)}
  end
  return process.run(words, {env = child.environment()})
end

return child
