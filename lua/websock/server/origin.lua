-- Which pages may connect from a browser (RFC 6455 section 10.2, RFC 6454): compares
-- the Origin field with the Host field, or with a list that was compiled once.

local core = require "websock.core"
local misuse = require "websock.base.misuse"

local origin = {}

local PORTS = {http = 80, https = 443}

-- Hosts -----------------------------------------------------------------------

-- Accepts an address only in the form that browsers send, not "127.1" or "[0::1]".
local function address(text, family)
  local canonical, found = core.numeric(text)
  return found == family and canonical or nil
end

-- Returns a host name in lower case, a numeric address, or nil. A name whose last
-- label is a number must be an address (URL Standard, 3.5).
local function canonical_host(text)
  local six = text:match "^%[([%x:.]+)%]$"
  if six then
    local found = address(six, "inet6")
    return found and "[" .. found .. "]"
  end
  if not text:find "^[a-z0-9_-][a-z0-9_.-]*$" or text:find("..", 1, true) then
    return nil
  end
  if text:find "^%d+%.?$" or text:find "%.%d+%.?$" then return address(text, "inet") end
  return text
end

-- "host[:port]" -> host, port, as they are written
local function split(text)
  local host, rest = text:match "^(%[[^%]]*%])(.*)$"
  if not host then host, rest = text:match "^([^:]*)(.*)$" end
  return host, rest
end

local function port_of(text, scheme)
  if text == "" then return PORTS[scheme] end
  local port = tonumber(text:match "^:(%d+)$")
  return port and port >= 1 and port <= 65535 and math.tointeger(port) or nil
end

-- "host[:port]" of a page or a Host field -> host, port | nil
local function parse(text, scheme)
  local host, port = split(text:lower())
  return canonical_host(host), port_of(port, scheme)
end

local function key(scheme, host, port)
  return ("%s://%s:%d"):format(scheme, host, port)
end

-- Lists -----------------------------------------------------------------------

local function bad(where, entry, why)
  misuse("%s: option 'origins': '%s': %s", where, entry, why)
end

local function check_star(where, entry, host)
  if host:find("*", 1, true) then
    bad(where, entry, entry == "*" and 'not in a list: origins = "*" allows all'
      or "'*' stands for what is before a domain, as in *.example.org, and nothing else")
  end
end

-- Raises about an invalid "host[:port]", with the reason.
local function complain(where, entry, host, port)
  check_star(where, entry, host .. port)
  if entry:find "[%c ]" then
    bad(where, entry, "an origin has no blanks")
  elseif host:find "[/?#@\\]" or port:find "[/?#@\\]" then
    bad(where, entry, "an origin has no path, and no slash at its end")
  elseif host:find "[\x80-\xff]" then
    bad(where, entry, "browsers send a host in ASCII, as xn--...")
  elseif (host .. port):find ":.*:" then
    bad(where, entry, "no host (an IPv6 address is written as in http://[::1]:8080)")
  elseif host ~= "" and port ~= "" and not port_of(port) then
    bad(where, entry, "a port from 1 to 65535 expected")
  end
  bad(where, entry, "no host")
end

-- Adds an origin of pages, perhaps with a wildcard: "*.example.org:8080".
local function add_page(list, where, entry, scheme, text)
  local wild, rest = text:lower():match "^(%*%.)(.*)$"
  local host, port_text = split(rest or text:lower())
  local name, port = canonical_host(host), port_of(port_text, scheme)
  if not name or not port then complain(where, entry, host, port_text) end
  if not wild then
    list.exact[key(scheme, name, port)] = true
  elseif name:find "^%[" or name:find "^%d+%.%d+%.%d+%.%d+$" then
    bad(where, entry, "an address has nothing before it")
  else
    table.insert(list.wild, {scheme = scheme, suffix = "." .. name, port = port})
  end
end

-- Adds an origin of another scheme ("chrome-extension://..."), which is compared as it
-- is.
local function add_other(list, where, entry, scheme, rest)
  if scheme == "ws" or scheme == "wss" then
    bad(where, entry, "a page's origin begins with http:// or https://")
  end
  check_star(where, entry, rest)
  if rest:find "[/?#@\\]" or rest:find "[^\x21-\x7e]" then
    complain(where, entry, rest, "")
  end
  list.exact[entry:lower()] = true
end

local function add(list, where, entry)
  if entry == "null" then
    list.exact.null = true
    return
  end
  local scheme, rest = entry:match "^(%a[%w+.-]*)://(.*)$"
  scheme = scheme and scheme:lower()
  if not scheme then
    add_page(list, where, entry, "http", entry)
    add_page(list, where, entry, "https", entry)
  elseif PORTS[scheme] then
    add_page(list, where, entry, scheme, rest)
  else
    add_other(list, where, entry, scheme, rest)
  end
end

--- Compiles a list of origins; raises on an entry that no origin can match.
---@param where string # the function whose option it is
---@param entries string[] # "https://a.example:8443", "*.a.example" (http and https)
---@return table list # for origin.allowed
function origin.compile(where, entries)
  local list = {exact = {}, wild = {}}
  for _, entry in ipairs(entries) do add(list, where, entry) end
  return list
end

local function is_listed(list, field)
  local scheme, rest = field:lower():match "^(https?)://(.*)$"
  if not scheme then return list.exact[field:lower()] ~= nil end
  local host, port = parse(rest, scheme)
  if not host or not port then return false end
  if list.exact[key(scheme, host, port)] then return true end
  for _, one in ipairs(list.wild) do
    if one.scheme == scheme and one.port == port and #host > #one.suffix
        and host:sub(-#one.suffix) == one.suffix then
      return true
    end
  end
  return false
end

-- The rest -----------------------------------------------------------------------

local function is_same(field, host_field, secure)
  local scheme, rest = field:lower():match "^(https?)://(.*)$"
  if not scheme or secure and scheme ~= "https" then return false end
  local host, port = parse(rest, scheme)
  local own_host, own_port = parse(host_field, scheme)
  return host ~= nil and port ~= nil and host == own_host and port == own_port
end

--- Whether a request's origin is allowed. A request without an Origin field does not
--- come from a browser, and is allowed.
---@param allowed "same"|"*"|table # a list as compiled
---@param field string? # the Origin field
---@param host_field string? # the Host field
---@param secure any # whether it came over TLS: then "same" is https only
---@return boolean
function origin.allowed(allowed, field, host_field, secure)
  if field == nil or allowed == "*" then return true end
  if allowed == "same" then return is_same(field, host_field or "", secure) end
  return is_listed(allowed, field)
end

return origin
