-- Errors that belong to no connection: those of spawned functions, of the library
-- itself, and lack of memory. All go to on_error; without one, to stderr, and the
-- first of a spawned function is returned by `run`.

local log = require "websock.base.log"
local text_of = require "websock.base.text"

local errors = {
  on_error = nil,  -- function(err, thread, traceback); nil: stderr
  miss = nil, turn = nil,  -- set by the reactor: miss(turn, conn) has link:failed called
                           -- in the next turn
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

local function tell(err) errors.report(err, nil, text_of(err)) end

--- Called for an error in one of an object's methods. It is the library's own or means
--- that memory ran out: it ends this object only, if need be once there is memory for
--- that.
function errors.failed(object, err)
  if object.failed and not pcall(object.failed, object) then pcall(errors.miss, errors.turn, object.conn) end
  pcall(tell, err)  -- there may be no memory for it
end

--- Calls object:method(...) so. lua_tell.c does the same.
function errors.guarded(object, method, ...)
  local ok, err = pcall(object[method], object, ...)
  if not ok then errors.failed(object, err) end
end

--- Keeps the first error of a spawned function for `outcome`, unless there is an
--- on_error.
function errors.remember(err)
  if failure or errors.on_error then return end
  if err == nil then err = "nil" end  -- "nil, nil" would name no error
  failure = {err}
end

--- What `run` returns: the first error kept since the last call.
---@return true|nil, any err
function errors.outcome()
  if not failure then return true end
  local err = failure[1]
  failure = nil
  return nil, err
end

return errors
