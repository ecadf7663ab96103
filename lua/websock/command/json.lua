-- --json: one object a line. The library for JSON is dkjson, a single file of Lua that
-- Debian (lua-dkjson) and LuaRocks have; only --json needs it.

local core = require "websock.core"
local printable = require "websock.base.printable"

local json = {}

-- base64 (RFC 4648 section 4) ----------------------------------------------------

local VALUES = {}
for i, char in utf8.codes "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" do
  VALUES[utf8.char(char)] = i - 1
end

local function from_group(group)
  local bits, chars = 0, group:gsub("=", "")
  for char in chars:gmatch "." do bits = bits << 6 | VALUES[char] end
  bits = bits << 6 * (4 - #chars)
  return (">I3"):pack(bits):sub(1, #chars - 1)
end

-- Returns the bytes, nil if it is not base64.
local function from_base64(text)
  if #text % 4 ~= 0 or not text:find "^[%w+/]*=?=?$" then return nil end
  return (text:gsub("....", from_group))
end

-- In ------------------------------------------------------------------------------

local readers = {}

function readers.text(object)
  if type(object.data) ~= "string" then return nil, 'a string "data" is missing' end
  return "deliver", object.data, "text"
end

function readers.binary(object)
  local data = type(object.base64) == "string" and from_base64(object.base64)
  if not data then return nil, 'no "base64", or not valid' end
  return "deliver", data, "binary"
end

function readers.ping()
  return "ping"
end

function readers.close(object)
  local code = object.code == nil and 1000 or math.tointeger(object.code)
  local reason = object.reason == nil and "" or object.reason
  if not code then return nil, '"code" is not an integer' end
  if type(reason) ~= "string" then return nil, '"reason" is not a string' end
  return "close", code, reason
end

-- Deep nesting raises.
local function decode(line)
  local ok, object, after, err = pcall(json.library.decode, line, 1, nil)
  if not ok then return nil, "not JSON" end
  if err then return nil, "not JSON: " .. err end
  if line:find("%S", after) then return nil, "not JSON: more than one value" end
  return object
end

--- Reads a line of input.
---@return string? action # "deliver", "ping" or "close": a method of the session
---@return any ... # its arguments; nil, what is wrong with the line
function json.read(line)
  local object, err = decode(line)
  if err then return nil, err end
  local read = type(object) == "table" and readers[object.type]
  if not read then return nil, 'an object with "type" text, binary, ping or close expected' end
  return read(object)
end

-- Out -----------------------------------------------------------------------------

local ORDER = {"type", "data", "base64", "url", "protocol", "code", "reason", "clean", "error",
  "seconds", "attempt", "message"}

local Output = {}
Output.__index = Output

--- Returns the output of a client; nil if there is no library.
function json.output(screen)
  local found, library = pcall(require, "dkjson")
  if not found then return nil, "--json needs dkjson: install lua-dkjson, or by LuaRocks dkjson" end
  json.library = library
  return setmetatable({screen = screen}, Output)
end

-- JSON may contain controls of C1 as they are, which terminals obey.
function Output:event(name, fields)
  fields.type = name
  fields.seconds = fields.seconds and tonumber(("%.6f"):format(fields.seconds))
  local line = json.library.encode(fields, {keyorder = ORDER})
  return self.screen:write("out", (self.screen.out and printable(line) or line) .. "\n")
end

function Output:message(message, kind)
  if kind == "text" then return self:event("text", {data = message}) end
  return self:event("binary", {base64 = core.base64(message)})
end

function Output:problem(text)
  self:event("error", {message = text})
end

-- Lines of --verbose.
function Output:say(_, text)
  self.screen:write("err", text .. "\n")
end

return json
