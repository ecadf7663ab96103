-- Reads Set-Cookie fields (RFC 6265 section 5.2).

local date = require "websock.client.date"

local MOST_BYTES = 4096  -- of name and value; section 6.1 asks for at least as much

-- In linear time, however many blanks there are.
local function trim(text)
  local from = text:find "[^ \t]"
  return from and text:match("^.*[^ \t]", from) or ""
end

local function name_and_value(text)
  local name, value = text:match "^([^=]*)=(.*)$"
  if name then return trim(name), trim(value) end
  return trim(text), ""
end

local attributes = {}

attributes["expires"] = function(cookie, value)
  cookie.dated = date.parse(value) or cookie.dated
end

attributes["max-age"] = function(cookie, value)
  if not value:find "^%-?%d+$" then return end
  local seconds = tonumber(value)
  cookie.aged = seconds > 0 and date.now() + seconds or -math.huge
end

attributes["domain"] = function(cookie, value)
  if value ~= "" then cookie.domain = value:gsub("^%.", ""):lower() end
end

attributes["path"] = function(cookie, value)
  cookie.path = value:find "^/" and value or nil
end

attributes["secure"] = function(cookie) cookie.secure = true end

attributes["httponly"] = function(cookie) cookie.http_only = true end

--- Returns the cookie that a line sets, or nil and why it sets none.
---@param line string # the field's value
---@return {name: string, value: string, domain: string?, path: string?, secure: boolean,
---   http_only: boolean, expires: number?}|nil cookie
---@return string? why
return function(line)
  if line:find "[\0-\8\10-\31\127]" then return nil, "control characters are not allowed" end
  local pair, rest = line:match "^([^;]*)(.*)$"
  local name, value = name_and_value(pair)
  if not pair:find("=", 1, true) or name == "" then return nil, "name=value expected" end
  if #name + #value > MOST_BYTES then
    return nil, ("name and value have more than %d bytes"):format(MOST_BYTES)
  end
  local cookie = {name = name, value = value, secure = false, http_only = false}
  for attribute in rest:gmatch ";([^;]*)" do
    local key, argument = name_and_value(attribute)
    local take = attributes[key:lower()]
    if take then take(cookie, argument) end
  end
  cookie.expires = cookie.aged or cookie.dated
  cookie.aged, cookie.dated = nil, nil
  return cookie
end
