-- The lines of standard input, which is waited for by the loop.

local core = require "websock.core"
local websock = require "websock"

local ROOM = 65536  -- bytes of a read
local MOST = 4095   -- bytes of a line that a terminal edits by itself: it drops the rest

local input = {}

--- Waits for input. Returns what has come, nil at its end. Rests for a turn of the loop
--- where there is nothing to wait for, as in a file.
---@return string?
function input.read()
  repeat
    websock.sleep(0)
    websock.wait(0, "r")
    local data, err = core.read(0, ROOM)
    if data then return data end
  until err ~= "again"
end

--- Returns an iterator over the lines. The last one need not end in a newline. Chunks are
--- joined only when a line is complete, so that a very long line takes linear time.
---@return fun(): string?
function input.lines()
  local parts, ended = {}, false    -- of the current line
  local chunk, at = "", 1           -- what was read last, and where it is unused
  local function rest_of_line(stop)
    parts[#parts + 1] = chunk:sub(at, stop)
    at = stop + 2
    local line = table.concat(parts)
    parts = {}
    return line
  end
  return function()
    while not ended do
      local newline = chunk:find("\n", at, true)
      if newline then return rest_of_line(newline - 1) end
      parts[#parts + 1] = chunk:sub(at)
      chunk, at = input.read() or "", 1
      ended = chunk == ""
    end
    local last = table.concat(parts)
    parts = {}
    return last ~= "" and last or nil
  end
end

--- Whether a terminal that edits lines by itself may have cut this one off.
function input.is_cut(line)
  return #line >= MOST
end

return input
