-- Runs functions in a thread of the loop when a signal has arrived, not in the signal
-- handler.

local core = require "websock.core"
local reactor = require "websock.io.reactor"
local scheduler = require "websock.io.scheduler"

local handlers = {}  -- name -> function
local watcher = {}

--- Called by the reactor when signals have arrived.
function watcher.ready()
  for name in core.signal_next do
    if handlers[name] then scheduler.spawn(handlers[name], name) end
  end
  reactor.rearm(core.signal_fd(), 1)
end

--- Calls f in a thread of the loop whenever the signal arrives; nil restores the
--- disposition from before.
---@return true|nil, string? err
return function(name, f)
  if not f then
    handlers[name] = nil
    return core.signal_restore(name)
  end
  local ok, err = core.signal_catch(name)
  if not ok then return nil, err end
  if not watcher.registered then
    watcher.registered = reactor.register(core.signal_fd(), watcher)
  end
  handlers[name] = f
  return true
end
