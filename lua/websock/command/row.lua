-- How a line that is being typed looks in one row of a terminal.

local printable = require "websock.base.printable"

-- Ranges of characters that take two columns (most of Unicode's East Asian Width W and
-- F), and of those that take none.
local WIDE = {{0x1100, 0x115f}, {0x2e80, 0xa4cf}, {0xac00, 0xd7a3}, {0xf900, 0xfaff},
  {0xfe30, 0xfe6f}, {0xff00, 0xff60}, {0xffe0, 0xffe6}, {0x1f300, 0x1f64f},
  {0x1f680, 0x1f6ff}, {0x1f900, 0x1faff}, {0x20000, 0x3fffd}}
local NARROW = {{0x300, 0x36f}, {0x200b, 0x200d}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}}

local function is_in(ranges, code)
  for _, range in ipairs(ranges) do
    if code >= range[1] and code <= range[2] then return true end
  end
  return false
end

local function width_of(text)
  local width = 0
  for _, code in utf8.codes(text) do
    width = width + (is_in(WIDE, code) and 2 or is_in(NARROW, code) and 0 or 1)
  end
  return width
end

-- Returns how a character is shown, and how many columns that takes.
local function cell(char)
  local shown = printable(char)
  return shown, width_of(shown)
end

-- Returns the first character to be shown so that the cursor is inside the row.
local function first_shown(chars, at, columns)
  local first, used = at, 1
  while first > 1 do
    local _, width = cell(chars[first - 1])
    if used + width > columns then break end
    first, used = first - 1, used + width
  end
  return first
end

--- Returns the part of the line that is shown, and the column of the cursor, from 0.
---@param chars string[]
---@param at integer # before which of them the cursor stands
---@param columns integer # how many there are
---@return string text, integer column
return function(chars, at, columns)
  local first = first_shown(chars, at, columns)
  local parts, used, column = {}, 0, 0
  for i = first, #chars do
    local shown, width = cell(chars[i])
    if i == at then column = used end
    if used + width > columns then break end
    parts[#parts + 1], used = shown, used + width
  end
  if at > #chars then column = used end
  return table.concat(parts), column
end
