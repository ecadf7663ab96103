-- Proxies of HTTP: the method CONNECT (RFC 9110 section 9.3.6), with Basic authorization.

local authority = require "websock.base.authority"
local core = require "websock.core"
local printable = require "websock.base.printable"
local version = require "websock.base.version"

local MOST = 16 * 1024  -- bytes of an answer's head
local SHOWN = 200       -- bytes of a reason in an error

-- RFC 7617 section 2.
local function authorization(proxy)
  if not proxy.user then return "" end
  return ("Proxy-Authorization: Basic %s\r\n"):format(
    core.base64(proxy.user .. ":" .. proxy.password))
end

local function request(proxy, place)
  return ("CONNECT %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: websock/%s\r\n%s\r\n"):format(
    place, place, version, authorization(proxy))
end

-- Reads a head. Returns status, reason and how many bytes are left of `left`; or nil, err.
local function read_head(stream, left)
  local line, size = stream:line(left)
  if not line then return nil, size end
  local status, reason = line:match "^HTTP/1%.%d (%d%d%d)%f[%D] ?(.*)$"
  if not status then return nil, "its answer is no HTTP" end
  repeat
    left = left - size
    line, size = stream:line(left)
    if not line then return nil, size end
  until line == ""
  return tonumber(status), reason, left - size
end

-- Reads the final answer; those of 1xx come before it (RFC 9110 section 15.2).
local function read_answer(stream)
  local status, reason, left = read_head(stream, MOST)
  while status and status < 200 do status, reason, left = read_head(stream, left) end
  if reason == "too long" and not status then reason = "its answer's head is over 16 KiB" end
  return status, reason
end

-- What to do about a refusal. Some proxies answer a wrong password with 401.
local function advice(proxy, status)
  if proxy.user and (status == 407 or status == 401) then
    return " (it does not take this user and password)"
  end
  return status == 407 and " (give user and password in the proxy's URL)" or ""
end

--- Asks the proxy for a connection.
---@param stream table # to the proxy
---@param proxy table # of url.parse
---@param host string # a name or a numeric address
---@param port integer
---@return true|nil, string? err
return function(stream, proxy, host, port)
  stream:write(request(proxy, authority.text(host, port)))
  local status, reason = read_answer(stream)
  if not status then return nil, reason end
  if status <= 299 then return true end
  local said = ("%d %s"):format(status, printable(reason:sub(1, SHOWN))):gsub(" $", "")
  return nil, "says: " .. said .. advice(proxy, status)
end
