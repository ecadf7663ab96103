-- Tracebacks of errors, also of those that were raised in another coroutine than the one
-- that raises them now.

local text_of = require "websock.base.text"

local trace = {}

local kept = setmetatable({}, {__mode = "k"})  -- thread -> traceback

--- Keeps the traceback of an error that a thread raises next, but that was raised in a
--- coroutine of another scheduler.
function trace.keep(thread, traceback)
  kept[thread] = traceback
end

--- Returns the traceback of an error that a thread has raised, or raises now.
---@param level? integer # for the running thread: where it begins
---@return string
function trace.of(thread, err, level)
  local traceback = kept[thread]
  kept[thread] = nil
  return traceback or debug.traceback(thread, text_of(err), level)
end

return trace
