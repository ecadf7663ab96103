-- URLs of WebSockets (RFC 6455 section 3, RFC 3986): ws, wss and their synonyms
-- http and https.

local misuse = require "websock.base.misuse"

local PORTS = {ws = 80, wss = 443}
local SYNONYMS = {http = "ws", https = "wss", ws = "ws", wss = "wss"}

local url = {}

local function decode(text)
  return (text:gsub("%%(%x%x)", function(hex)
    return string.char(tonumber(hex, 16))
  end))
end

-- Percent-encodes bytes that a request target cannot contain (RFC 3986 2.1).
local function encode(text)
  return (text:gsub('[\x80-\xff"<>\\^`{|}]', function(byte)
    return ("%%%02X"):format(byte:byte())
  end))
end

-- "host:port", "host", "[v6]:port" -> host without brackets, port text or ""
local function split_authority(authority)
  local v6, rest = authority:match "^%[([%x:%.]+%%?[%w%.%-_~]*)%](.*)$"
  if v6 then
    local port = rest == "" and "" or rest:match "^:(%d*)$"
    return v6, port
  end
  local host, tail = authority:match "^([%w%.%-_]+)(.*)$"
  if tail == "" then return host, "" end
  if tail and tail:sub(1, 1) == ":" then return host, tail:match "^:(%d*)$" end
end

local function parse_port(text, scheme)
  if text == "" then return PORTS[scheme] end
  local port = tonumber(text)
  return #text <= 5 and port >= 1 and port <= 65535 and port or nil
end

-- Adds brackets to an IPv6 address, and a port that is not the scheme's own.
local function place_of(parsed, host)
  if host:find(":", 1, true) then host = "[" .. host .. "]" end
  if parsed.port == PORTS[parsed.scheme] then return host end
  return host .. ":" .. parsed.port
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
  local authority, tail = rest:match "^([^/?]*)(.*)$"
  local userinfo, hostport = authority:match "^(.*)@(.*)$"
  local host, port_text = split_authority(hostport or authority)
  if not host then return nil, "url: no valid host" end
  local port = port_text and parse_port(port_text, scheme)
  if not port then return nil, "url: no valid port" end
  if tail:sub(1, 1) ~= "/" then tail = "/" .. tail end
  local parsed = {scheme = scheme, host = host, port = port, target = encode(tail)}
  if userinfo then
    local user, password = userinfo:match "^([^:]*):?(.*)$"
    parsed.user, parsed.password = decode(user), decode(password)
  end
  parsed.field = host_field(parsed)
  return parsed
end

--- Returns a parsed URL as text, without user and password.
---@return string
function url.text(parsed)
  return parsed.scheme .. "://" .. place_of(parsed, parsed.host) .. parsed.target
end

return url
