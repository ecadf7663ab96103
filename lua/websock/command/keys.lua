-- The keys of a terminal, from the bytes that it sends (ECMA-48 section 5.4, xterm).

local NAMES = {
  ["\1"] = "home", ["\2"] = "left", ["\4"] = "delete or end", ["\5"] = "end", ["\6"] = "right",
  ["\8"] = "backspace", ["\n"] = "enter", ["\11"] = "cut after", ["\12"] = "clear",
  ["\r"] = "enter", ["\14"] = "down", ["\16"] = "up", ["\21"] = "cut before",
  ["\23"] = "cut word", ["\25"] = "paste", ["\127"] = "backspace",
  ["\27[A"] = "up", ["\27[B"] = "down", ["\27[C"] = "right", ["\27[D"] = "left",
  ["\27OA"] = "up", ["\27OB"] = "down", ["\27OC"] = "right", ["\27OD"] = "left",
  ["\27[H"] = "home", ["\27[F"] = "end", ["\27OH"] = "home", ["\27OF"] = "end",
  ["\27[1~"] = "home", ["\27[7~"] = "home", ["\27[4~"] = "end", ["\27[8~"] = "end",
  ["\27[3~"] = "delete", ["\27[1;5C"] = "word right", ["\27[1;5D"] = "word left",
  ["\27f"] = "word right", ["\27b"] = "word left", ["\27\127"] = "cut word",
}

-- What a sequence is that begins with an escape: a control sequence, a key of the
-- application keypad, or a key typed with Alt.
local SEQUENCES = {"^\27%[[\x30-\x3f]*[\x20-\x2f]*[\x40-\x7e]", "^\27O[\x40-\x7e]", "^\27[^%[O]"}
local UNFINISHED = {"^\27$", "^\27O$", "^\27%[[\x30-\x3f]*[\x20-\x2f]*$"}

local function match_any(patterns, bytes, at)
  for _, pattern in ipairs(patterns) do
    local found = bytes:sub(at, at + 63):match(pattern)
    if found then return found end
  end
end

-- How many bytes the character at this place has, to judge by its first.
local function length_at(bytes, at)
  local first = bytes:byte(at)
  return first >= 0xf0 and 4 or first >= 0xe0 and 3 or first >= 0xc0 and 2 or 1
end

-- Returns a UTF-8 character, a byte that begins none, or nil if more has to come.
local function character(bytes, at)
  local n = length_at(bytes, at)
  local char = bytes:sub(at, at + n - 1)
  if utf8.len(char) == 1 then return char end
  if at + n - 1 > #bytes and bytes:find("^[\x80-\xbf]*$", at + 1) then return nil end
  return bytes:sub(at, at)
end

-- Returns what is at this place as it was sent, nil if more has to come.
local function next_key(bytes, at)
  if bytes:byte(at) ~= 27 then return character(bytes, at) end
  local sequence = match_any(SEQUENCES, bytes, at)
  if sequence or match_any(UNFINISHED, bytes, at) then return sequence end
  return "\27"
end

--- Splits bytes into keys.
---@param bytes string
---@return {name: string?, char: string?}[] # a name, or a character that is to be inserted
---@return string # bytes of an unfinished key
return function(bytes)
  local keys, at = {}, 1
  while at <= #bytes do
    local sent = next_key(bytes, at)
    if not sent then break end
    at = at + #sent
    if NAMES[sent] then
      keys[#keys + 1] = {name = NAMES[sent]}
    elseif sent == "\t" or not sent:find "^%c" then
      keys[#keys + 1] = {char = sent}
    end
  end
  return keys, bytes:sub(at)
end
