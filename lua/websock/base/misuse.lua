-- Raises an error about a caller's mistake, with the position of the first caller that
-- is not part of the library.

local here = debug.getinfo(1, "S").source:match "^(.*)base/misuse%.lua$"

local function is_library(source)
  return source == "=[C]" or source:sub(1, #here) == here
end

local misuse = {}

-- Returns that caller's level, for `error` in the function that calls this one; nil if
-- there is none.
local function level_of_caller()
  local level = 3
  local info = debug.getinfo(level, "S")
  while info and is_library(info.source) do
    level = level + 1
    info = debug.getinfo(level, "S")
  end
  return info and level - 1
end

-- Returns the position where another thread has called the library.
local function place_in(thread)
  local level = 0
  local info = debug.getinfo(thread, level, "Sl")
  while info and is_library(info.source) do
    level = level + 1
    info = debug.getinfo(thread, level, "Sl")
  end
  return info and ("%s:%d: "):format(info.short_src, info.currentline) or ""
end

--- Set by the loop: returns the thread that has called, if it is not this one.
---@return thread?
function misuse.caller() end

---@param format string
---@param ... any
return setmetatable(misuse, {__call = function(_, format, ...)
  local message, level = string.format(format, ...), level_of_caller()
  if level then error(message, level) end
  local thread = misuse.caller()
  error((thread and place_in(thread) or "") .. message, 0)
end})
