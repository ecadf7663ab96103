-- Kinds of values that options have. Each is a function that returns true for such a value,
-- or false and what it expected; some are made by functions of others.

local kinds = {}

function kinds.is(kind)
  return function(value) return type(value) == kind, kind end
end

function kinds.either(check, other)
  return function(value)
    local ok, expected = check(value)
    return ok or value == other, expected .. " or " .. tostring(other)
  end
end

function kinds.integer(min, max)
  local expected = "an integer from " .. min .. (max and " to " .. max or " up")
  return function(value)
    local n = math.type(value) == "integer" and value
      or type(value) == "number" and math.tointeger(value)
    return n and n >= min and (not max or n <= max), expected
  end
end

-- value ~= value: NaN.
function kinds.seconds(value)
  return type(value) == "number" and value >= 0 and value == value,
    "a number of seconds from 0 up"
end

function kinds.positive(value)
  return type(value) == "number" and value > 0, "a number of seconds above 0"
end

function kinds.at_least_one(value)
  return type(value) == "number" and value >= 1 and value < math.huge, "a number from 1 up"
end

-- A string for C: without zero bytes.
function kinds.plain(value)
  return type(value) == "string" and not value:find("\0", 1, true),
    "a string without zero bytes"
end

function kinds.filled(value)
  return kinds.plain(value) and value ~= "", "a string of one byte or more, without zero bytes"
end

function kinds.is_list_of_strings(value)
  local expected = "a list of strings"
  if type(value) ~= "table" then return false, expected end
  local n = 0
  for _ in pairs(value) do n = n + 1 end
  for i = 1, n do
    if type(value[i]) ~= "string" then return false, expected end
  end
  return true, expected
end

function kinds.is_list_of_domains(value)
  local expected = "a list of domain names"
  if not kinds.is_list_of_strings(value) then return false, expected end
  for _, name in ipairs(value) do
    if not name:find "^%.?[%w%-_]+[%w%-_.]*$" or name:find "^[%d.]+$" then return false, expected end
  end
  return true
end

--- Whether it can be called like a function; if not, "a function" was expected.
function kinds.callable(value)
  local meta = getmetatable(value)
  return type(value) == "function" or type(meta) == "table" and meta.__call ~= nil,
    "a function"
end

function kinds.any_of(first, second)
  return function(value)
    local ok, expected = first(value)
    if ok then return true end
    local ok2, expected2 = second(value)
    return ok2, expected .. " or " .. expected2
  end
end

function kinds.one_of(...)
  local names = {...}
  return function(value)
    for _, name in ipairs(names) do
      if value == name then return true end
    end
    return false, '"' .. table.concat(names, '", "') .. '"'
  end
end

function kinds.is_tap(value)
  local meta = getmetatable(value)
  return type(value) == "userdata" and meta ~= nil and meta.__name == "websock.tap",
    "what core.tap() has returned"
end

function kinds.is_socket(value)
  local kind = type(value)
  return kind == "userdata" or kind == "table", "a socket object"
end

function kinds.is_scheduler(value)
  local kind = type(value)
  return kind == "string" or kind == "userdata" or kind == "table",
    '"loop", "copas", "cqueues" or a controller of it, "luv", or a table'
end

-- A boolean, or a table of options of its own.
function kinds.switch_or_table(value)
  return type(value) == "boolean" or type(value) == "table", "a boolean or a table"
end

function kinds.is_list_of_codes(value)
  local expected = "a list of integers from 1000 to 4999"
  if type(value) ~= "table" then return false, expected end
  for _, code in ipairs(value) do
    if not kinds.integer(1000, 4999)(code) then return false, expected end
  end
  return true, expected
end

function kinds.is_list_of_names(value)
  local expected = "a list of strings of 1 to 255 bytes"
  if not kinds.is_list_of_strings(value) then return false, expected end
  for _, name in ipairs(value) do
    if #name == 0 or #name > 255 then return false, expected end
  end
  return true
end

--- The metatable of jars, which websock.cookies() returns.
kinds.Jar = {__name = "websock.cookies"}

function kinds.is_jar(value)
  return getmetatable(value) == kinds.Jar, "what websock.cookies() has made"
end

--- The metatable of contexts, which websock.tls returns. A table with any other
--- metatable is checked as settings.
kinds.Context = {__name = "websock.tls"}

return kinds
