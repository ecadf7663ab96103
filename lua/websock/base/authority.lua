-- The authority of a URL (RFC 3986 section 3.2): user, password, host and port.

local authority = {}

local function decode(text)
  return (text:gsub("%%(%x%x)", function(hex)
    return string.char(tonumber(hex, 16))
  end))
end

-- "host:port", "host", "[v6]:port" -> host without brackets, port text or ""
local function split(text)
  local v6, rest = text:match "^%[([%x:%.]+%%?[%w%.%-_~]*)%](.*)$"
  if v6 then
    local port = rest == "" and "" or rest:match "^:(%d*)$"
    return v6, port
  end
  local host, tail = text:match "^([%w%.%-_]+)(.*)$"
  if tail == "" then return host, "" end
  if tail and tail:sub(1, 1) == ":" then return host, tail:match "^:(%d*)$" end
end

local function parse_port(text, default)
  if text == "" then return default end
  local port = tonumber(text)
  return #text <= 5 and port >= 1 and port <= 65535 and port or nil
end

--- Parses an authority.
---@param text string
---@param default integer # the scheme's port
---@return table|nil parsed # host (without brackets), port; user and password (decoded) if
---   there is userinfo
---@return string? err # "no valid host", "no valid port"
function authority.parse(text, default)
  local userinfo, hostport = text:match "^(.*)@(.*)$"
  local host, port_text = split(hostport or text)
  if not host then return nil, "no valid host" end
  local port = port_text and parse_port(port_text, default)
  if not port then return nil, "no valid port" end
  local parsed = {host = host, port = port}
  if userinfo then
    local user, password = userinfo:match "^([^:]*):?(.*)$"
    parsed.user, parsed.password = decode(user), decode(password)
  end
  return parsed
end

--- Returns host and port as text, with brackets around an IPv6 address.
---@param host string
---@param port integer
---@param default? integer # a port that is left out
---@return string
function authority.text(host, port, default)
  if host:find(":", 1, true) then host = "[" .. host .. "]" end
  return port == default and host or ("%s:%d"):format(host, port)
end

return authority
