-- Errors that belong to no connection: a spawned function's, the library's own,
-- and what memory ran out in. All go one way: to on_error, or to stderr and what
-- `run` returns.

local log = require "websock.base.log"
local text_of = require "websock.base.text"

local errors = {
  on_error = nil,  -- function(err, thread, traceback); nil: stderr
}

local failure  -- {err} of the first spawned function that raised without on_error

function errors.report(err, thread, traceback)
  local handler = errors.on_error
  if handler then
    local ok, second = pcall(handler, err, thread, traceback)
    if ok then return end
    traceback = traceback .. "\nand on_error raised: " .. text_of(second)
  end
  log.stderr(traceback)
end

--- Calls object:method(...). An error there is the library's own or means that
--- memory ran out: it costs this object, and nobody else.
function errors.guarded(object, method, ...)
  local ok, err = pcall(object[method], object, ...)
  if ok then return end
  if object.failed then pcall(object.failed, object) end
  errors.report(err, nil, text_of(err))
end

--- A spawned function has raised, and nobody has asked to be told.
function errors.remember(err)
  if failure or errors.on_error then return end
  if err == nil then err = "nil" end  -- "nil, nil" would name no error
  failure = {err}
end

--- How a run has gone; what came before it, since the last one, counts too.
---@return true|nil, any err
function errors.outcome()
  if not failure then return true end
  local err = failure[1]
  failure = nil
  return nil, err
end

return errors
