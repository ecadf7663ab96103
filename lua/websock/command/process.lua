-- What both halves of the command need of their process: its exit statuses, signals, the
-- loop, and calls of the library whose errors are the user's.

local printable = require "websock.base.printable"
local websock = require "websock"

local process = {}

-- Exit statuses, as in --help.
process.OK, process.FAILED, process.USAGE, process.INTERRUPTED = 0, 1, 2, 130

--- Writes a line to standard error.
function process.say(...)
  io.stderr:write(table.concat({...}), "\n")
end

--- Says what is wrong with how the command was called.
---@return integer status
function process.misused(err)
  process.say("websock: ", printable(err), "\nTry 'websock --help'.")
  return process.USAGE
end

--- Removes the position in a file from an error that the library has raised.
---@return string
function process.without_position(err)
  return (tostring(err):gsub("^[^\n:]*:%d+: ", ""))
end

--- Calls f(...). Turns a misuse that only the library recognizes (such as a header name
--- with a blank) into a failure: here it is the user's mistake, and needs no traceback.
---@return any ... # those of f, or nil, message, nil, USAGE
function process.attempt(f, ...)
  local results = table.pack(pcall(f, ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  return nil, process.without_position(results[2]), nil, process.USAGE
end

--- Converts an argument whose 0 is the library's false.
function process.or_none(value)
  if value == 0 then return false end
  return value
end

--- Calls f when the signal arrives. The second time it ends the program.
function process.on_signal(name, f)
  websock.signal(name, function()
    websock.signal(name)
    f()
  end)
end

local function turn(after, ended)
  repeat
    local more = websock.step(3600)
    if after then after() end
  until not more or ended and ended()
end

--- Turns the loop until nothing is left to do.
---@param after? function # called after each turn
---@param ended? fun(): boolean # whether to end all the same
---@return integer? status # if it has ended with an error, which a second Ctrl-C raises
function process.run(after, ended)
  local ok, err = pcall(turn, after, ended)
  if ok then return nil end
  if tostring(err):find("interrupted!", 1, true) then return process.INTERRUPTED end
  error(err, 0)
end

return process
