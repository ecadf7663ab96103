-- loop.signal: functions that run in a thread of the loop when a signal has
-- arrived, not in the handler.

local core = require "websock.core"
local loop = require "websock.io.loop"

local handlers = {}  -- name -> function
local watcher = {}

--- The loop: signals have arrived.
function watcher.ready()
  for name in core.signal_next do
    if handlers[name] then loop.spawn(handlers[name], name) end
  end
  if loop.rearm then loop.rearm(core.signal_fd(), 1) end
end

--- Has f called in a thread of the loop when the signal arrives; nil puts back
--- what was there before.
---@return true|nil, string? err
function loop.signal(name, f)
  if not f then
    handlers[name] = nil
    return core.signal_restore(name)
  end
  local ok, err = core.signal_catch(name)
  if not ok then return nil, err end
  if not watcher.registered then
    watcher.registered = loop.register(core.signal_fd(), watcher)
  end
  handlers[name] = f
  return true
end

return loop
