-- Raises an error about a programmer's mistake at the line of the programmer: the
-- first caller that is not part of the library.

local here = debug.getinfo(1, "S").source:match "^(.*)misuse%.lua$"

local function is_library(source)
  return source == "=[C]" or source:sub(1, #here) == here
end

-- The level, for `error` in the function that calls this one.
local function level_of_caller()
  local level = 3
  local info = debug.getinfo(level, "S")
  while info and is_library(info.source) do
    level = level + 1
    info = debug.getinfo(level, "S")
  end
  return info and level - 1 or 0
end

---@param format string
---@param ... any
return function(format, ...)
  error(string.format(format, ...), level_of_caller())
end
