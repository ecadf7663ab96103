-- URLs of WebSockets (RFC 6455 section 3, RFC 3986): ws, wss and their synonyms
-- http and https.

local authority = require "websock.base.authority"
local misuse = require "websock.base.misuse"

local PORTS = {ws = 80, wss = 443}
local SYNONYMS = {http = "ws", https = "wss", ws = "ws", wss = "wss"}

local url = {}

-- Percent-encodes bytes that a request target cannot contain (RFC 3986 2.1).
local function encode(text)
  return (text:gsub('[\x80-\xff"<>\\^`{|}]', function(byte)
    return ("%%%02X"):format(byte:byte())
  end))
end

-- Leaves the scheme's own port out.
local function place_of(parsed, host)
  return authority.text(host, parsed.port, PORTS[parsed.scheme])
end

local function host_field(parsed)
  return place_of(parsed, (parsed.host:gsub("%%.*", "")))  -- a zone is never sent (RFC 6874)
end

--- Parses a URL. Raises on CR, LF and NUL, which no URL contains by accident.
---@param text string
---@param where? string # the function called, "connect" unless given
---@return table|nil parsed # scheme ("ws" or "wss"), host, port, target, field (the
---   Host field), user and password (decoded) if there is userinfo
---@return string? err # "url: ..."
function url.parse(text, where)
  where = where or "connect"
  if type(text) ~= "string" then
    misuse("%s: url: string expected, got %s", where, type(text))
  elseif text:find "[\r\n\0]" then
    misuse("%s: url: CR, LF and NUL are not allowed", where)
  elseif text:find "[%c ]" then
    return nil, "url: blanks and control characters are not allowed"
  end
  local scheme, rest = text:match "^(%a[%w+.-]*)://(.*)$"
  scheme = scheme and SYNONYMS[scheme:lower()]
  if not scheme then return nil, "url: ws:// or wss:// expected" end
  if rest:find("#", 1, true) then
    return nil, "url: a fragment is not allowed (RFC 6455 3)"
  end
  local place, tail = rest:match "^([^/?]*)(.*)$"
  local parsed, err = authority.parse(place, PORTS[scheme])
  if not parsed then return nil, "url: " .. err end
  if tail:sub(1, 1) ~= "/" then tail = "/" .. tail end
  parsed.scheme, parsed.target = scheme, encode(tail)
  parsed.field = host_field(parsed)
  return parsed
end

-- Removes "." and ".." (RFC 3986 section 5.2.4).
local function remove_dots(path)
  local kept = {}
  for segment in path:gmatch "[^/]*" do
    if segment == ".." then
      if #kept > 1 then kept[#kept] = nil end
    elseif segment ~= "." then
      kept[#kept + 1] = segment
    end
  end
  local last = path:match "[^/]*$"
  if last == "." or last == ".." then kept[#kept + 1] = "" end
  return table.concat(kept, "/")
end

-- Returns the target that a reference without scheme and authority means.
local function relative_target(base, reference)
  local path, query = reference:match "^([^?]*)(.*)$"
  local base_path, base_query = base.target:match "^([^?]*)(.*)$"
  if path == "" then return base_path .. (query ~= "" and query or base_query) end
  if path:sub(1, 1) ~= "/" then path = base_path:match "^.*/" .. path end
  return remove_dots(path) .. query
end

--- Returns the URL, as text, that a reference means (RFC 3986 section 5.2), without its
--- fragment.
---@param base table # of url.parse
---@param reference string
---@return string
function url.resolve(base, reference)
  reference = reference:gsub("#.*$", "")
  local scheme, rest = reference:match "^(%a[%w+.-]*:)(.*)$"
  local place, target = (rest or reference):match "^(//[^/?]*)(.*)$"
  if place then
    local path, query = target:match "^([^?]*)(.*)$"
    return (scheme or base.scheme .. ":") .. place .. remove_dots(path) .. query
  end
  if scheme then return reference end  -- such as mailto: no host
  return base.scheme .. "://" .. place_of(base, base.host) .. relative_target(base, reference)
end

--- Whether two parsed URLs have the same origin (RFC 6454 section 5).
---@return boolean
function url.is_same_origin(a, b)
  return a.scheme == b.scheme and a.host:lower() == b.host:lower() and a.port == b.port
end

--- Returns a parsed URL as text, without user and password.
---@return string
function url.text(parsed)
  return parsed.scheme .. "://" .. place_of(parsed, parsed.host) .. parsed.target
end

return url
