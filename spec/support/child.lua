-- Runs Lua code in a process of its own: code that ends the process, writes to its
-- stderr or uses up its descriptors.

local process = require "support.process"

local child = {}

---Passes on a sanitized module, and the poller that this process uses.
---@param preloaded? string another library for LD_PRELOAD
function child.environment(preloaded)
  local all = {os.getenv "SANITIZED", preloaded}
  if not all[1] then all = {preloaded} end
  return {LD_PRELOAD = all[1] and table.concat(all, " "), WEBSOCK_POLLER = os.getenv "WEBSOCK_POLLER"}
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
