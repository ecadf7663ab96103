-- Makes foreign text safe to print: spells out control characters, and characters that
-- change how the rest of a line looks.

-- Spells a byte as `cat -v` does: ^[ is escape, M-^[ the same with the eighth bit.
local function spell_byte(char)
  local byte = char:byte()
  local low = byte & 0x7f
  local shown = low < 32 and "^" .. string.char(low + 64)
    or low == 127 and "^?" or string.char(low)
  return byte > 127 and "M-" .. shown or shown
end

-- C1 controls; marks that change the direction of text (UAX #9); line separators.
local function is_control(code)
  return code >= 0x80 and code <= 0x9f or code == 0x61c or code == 0x200e
    or code == 0x200f or code >= 0x2028 and code <= 0x202e
    or code >= 0x2066 and code <= 0x2069
end

local function spell_character(char)
  local code = utf8.codepoint(char)
  return is_control(code) and ("<U+%04X>"):format(code) or nil
end

-- Converts a run of bytes from 0x80 up: keeps UTF-8 characters, spells other bytes.
local function spell_run(run)
  local parts, from = {}, 1
  repeat
    local valid, bad = utf8.len(run, from)
    local whole = run:sub(from, valid and #run or bad - 1)
    parts[#parts + 1] = whole:gsub(utf8.charpattern, spell_character)
    if not valid then
      parts[#parts + 1] = spell_byte(run:sub(bad, bad))
      from = bad + 1
    end
  until valid or from > #run
  return table.concat(parts)
end

---@param text string
---@param kept? string # control characters to keep
---@return string
return function(text, kept)
  local function spell(char)
    return not (kept and kept:find(char, 1, true)) and spell_byte(char) or nil
  end
  return (text:gsub("%c", spell):gsub("[\x80-\xff]+", spell_run))
end
