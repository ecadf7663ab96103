-- URLs of proxies, from the option `proxy` or a variable of the environment.
--
-- A parsed one is a proxy: scheme, host, port, perhaps user and password; `text`, the URL
-- without these two; `from`, the variable that it came from, if it came from one.

local authority = require "websock.base.authority"

local PORTS = {http = 80, https = 443, socks4a = 1080, socks5 = 1080, socks5h = 1080}

local url = {}

-- What the protocols can carry: functions that return what is wrong, or nothing.
local check = {}

-- RFC 7617 section 2.
function check.http(user, password)
  if user:find(":", 1, true) then return "a user with ':'" end
  if (user .. password):find "%c" then return "control characters in user or password" end
end

check.https = check.http

-- RFC 1929 section 2.
function check.socks5(user, password)
  if user == "" then return "a password without a user" end
  if #user > 255 or #password > 255 then return "more than 255 bytes of user or password" end
end

check.socks5h = check.socks5

function check.socks4a(user, password)
  if user:find("\0", 1, true) then return "a user with a zero byte" end
  if password ~= "" then return "a password, which socks4a has no place for" end
end

-- Returns a proxy for a scheme and what follows it.
local function parse(scheme, rest)
  local place, tail = rest:match "^(.-)(/?)$"
  if place:find "[/?#]" then
    return nil, "only host and port expected (in a password, '/' is %2F)"
  end
  local proxy, err = authority.parse(place, PORTS[scheme])
  if not proxy then return nil, err end
  if proxy.user == "" and proxy.password == "" then proxy.user = nil end
  local wrong = proxy.user and check[scheme](proxy.user, proxy.password)
  if wrong then return nil, wrong end
  proxy.scheme = scheme
  proxy.text = scheme .. "://" .. authority.text(proxy.host, proxy.port)
  return proxy, tail
end

--- Parses the URL of a proxy. The error repeats nothing of it: a password may be in it.
---@param text string
---@param scheme? string # of a text that has none
---@return table|nil proxy, string? err
function url.parse(text, scheme)
  local named, rest = text:match "^(%a[%w+.-]*)://(.*)$"
  scheme = named and named:lower() or scheme
  if not PORTS[scheme] then
    return nil, "a URL of http, https, socks4a, socks5 or socks5h expected"
  end
  local proxy, err = parse(scheme, rest or text)
  if not proxy then return nil, err end
  return proxy
end

--- Returns the error for users about a proxy.
---@param proxy table
---@param err string # "says: ..." is what the proxy said; "timeout" stays as it is
---@return string # "proxy: ...", "timeout"
function url.failure(proxy, err)
  if err == "timeout" then return err end
  local from = proxy.from and (" (from %s)"):format(proxy.from) or ""
  local gap = err:find "^says: " and " " or ": "
  return "proxy: " .. proxy.text .. from .. gap .. err
end

return url
