-- HTTP header fields: converts users' tables to the flat lists of the core, and the
-- core's tables to tables that can be indexed in any case.

local misuse = require "websock.base.misuse"

local headers = {}

local function value_text(where, name, value)
  if type(value) == "string" then return value end
  if type(value) == "number" then return tostring(value) end
  misuse("%s: header '%s': string expected, got %s", where, name, type(value))
end

local function add(flat, where, name, value, removed)
  if type(name) ~= "string" then
    misuse("%s: header names are strings, got %s", where, type(name))
  end
  if value == false and removed then
    removed[name:lower()] = true
    return
  end
  if type(value) ~= "table" then value = {value_text(where, name, value)} end
  for _, one in ipairs(value) do
    local text = value_text(where, name, one)
    if text:find "[\r\n\0]" or name:find "[\r\n\0]" then
      misuse("%s: header '%s': CR, LF and NUL are not allowed", where,
        (name:gsub("%c", "?")))
    end
    flat[#flat + 1], flat[#flat + 2] = name, text
  end
end

--- Returns the list {name, value, name, value, ...} of a list of pairs, or of a map
--- name -> value or list of values, sorted by name.
---@param where string # named in the error that a wrong type raises
---@param given table?
---@param removed? table<string, true> # a value may be false: its name goes here, in
---   lower case
---@return string[]
function headers.flatten(where, given, removed)
  local flat, names = {}, {}
  if given == nil then return flat end
  if type(given) ~= "table" then
    misuse("%s: headers: table expected, got %s", where, type(given))
  end
  for _, pair in ipairs(given) do
    if type(pair) ~= "table" then
      misuse("%s: headers: {name, value} expected, got %s", where, type(pair))
    end
    add(flat, where, pair[1], pair[2], removed)
  end
  for name in pairs(given) do
    if math.type(name) ~= "integer" then names[#names + 1] = name end
  end
  table.sort(names, function(a, b) return tostring(a) < tostring(b) end)
  for _, name in ipairs(names) do add(flat, where, name, given[name], removed) end
  return flat
end

--- Counts the fields of such a list that have this name, in any case.
---@param flat string[]
---@param name string
---@return integer
function headers.count(flat, name)
  local n = 0
  for i = 1, #flat, 2 do
    if flat[i]:lower() == name:lower() then n = n + 1 end
  end
  return n
end

local any_case = {__index = function(fields, name)
  if type(name) ~= "string" then return nil end
  local lower = name:lower()
  if lower ~= name then return rawget(fields, lower) end
end}

--- Makes a table whose keys are in lower case accept keys in any case.
function headers.any_case(fields)
  return setmetatable(fields, any_case)
end

-- Returns {name, value} of each field line, in order, of a head in HTTP form.
local function list(text)
  local fields = {}
  for name, value in text:gmatch "\r\n([^:\r]+): ([^\r]*)" do
    fields[#fields + 1] = {name, value}
  end
  return fields
end

-- Returns the values of one field, each on a line: a cookie may contain commas (RFC
-- 9110 section 5.3), and no value contains a line feed.
local function lines(fields, name)
  local values = {}
  for _, field in ipairs(fields) do
    if field[1]:lower() == name then values[#values + 1] = field[2] end
  end
  return table.concat(values, "\n")
end

--- Returns the result of conn:head in the form for users: `fields` has every field
--- line in order of arrival, `headers` a value for each name, in any case; repeats are
--- joined by ", ", those of Set-Cookie by "\n".
---@param conn userdata # of the core
---@return table
function headers.read(conn)
  local head, text = conn:head(), conn:head_text()
  head.fields = list(text or "")  -- a finalizer may have ended the connection
  if head.headers["set-cookie"] then
    head.headers["set-cookie"] = lines(head.fields, "set-cookie")
  end
  headers.any_case(head.headers)
  return head
end

return headers
