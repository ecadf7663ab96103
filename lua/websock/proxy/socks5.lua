-- SOCKS 5 (RFC 1928), with user and password (RFC 1929) or without.

local address = require "websock.proxy.address"

local VERSION, CONNECT = 5, 1
local NOTHING, PASSWORD, NONE = 0, 2, 255           -- methods of authentication
local INET, NAME, INET6 = 1, 3, 4                   -- types of addresses
local FOREIGN = "its answer is no SOCKS 5"

-- RFC 1928 section 6.
local REPLIES = {
  "general failure", "not allowed by its rules", "network unreachable", "host unreachable",
  "connection refused", "time to live expired", "command not supported",
  "kind of address not supported",
}

local function authenticate(stream, proxy)
  stream:write(string.pack("Bs1s1", 1, proxy.user, proxy.password))
  local answer, err = stream:read(2)
  if not answer then return nil, err end
  if answer:byte(2) ~= 0 then return nil, "says: user or password refused" end
  return true
end

local function refusal(proxy, method)
  if method ~= NONE then return FOREIGN end
  return proxy.user and "says: no way to authenticate with user and password"
    or "says: no connection without authentication (give user and password in its URL)"
end

-- Agrees on a method (RFC 1928 section 3), and authenticates by it.
local function enter(stream, proxy)
  local methods = proxy.user and string.char(NOTHING, PASSWORD) or string.char(NOTHING)
  stream:write(string.pack("Bs1", VERSION, methods))
  local answer, err = stream:read(2)
  if not answer then return nil, err end
  local version, method = answer:byte(1, 2)
  if version ~= VERSION then return nil, FOREIGN end
  if method == NOTHING then return true end
  if method == PASSWORD and proxy.user then return authenticate(stream, proxy) end
  return nil, refusal(proxy, method)
end

-- RFC 1928 section 5.
local function encode(host)
  local bytes = address(host)
  if not bytes then return string.pack("Bs1", NAME, host) end
  return string.char(#bytes == 4 and INET or INET6) .. bytes
end

-- Reads the address that the proxy connects from, of which we make no use.
local function skip_address(stream, kind)
  local n = kind == INET and 4 or kind == INET6 and 16
  if kind == NAME then
    local size, err = stream:read(1)
    if not size then return nil, err end
    n = size:byte()
  end
  if not n then return nil, FOREIGN end
  return stream:read(n + 2)  -- and the port
end

local function read_reply(stream)
  local head, err = stream:read(4)
  if not head then return nil, err end
  local version, reply, _, kind = head:byte(1, 4)
  if version ~= VERSION then return nil, FOREIGN end
  if reply ~= 0 then return nil, "says: " .. (REPLIES[reply] or "failure " .. reply) end
  local rest
  rest, err = skip_address(stream, kind)
  if not rest then return nil, err end
  return true
end

--- Asks the proxy for a connection. The arguments are those of http.lua.
---@return true|nil, string? err
return function(stream, proxy, host, port)
  if #host > 255 then return nil, "a host's name has 255 bytes at most" end
  local ok, err = enter(stream, proxy)
  if not ok then return nil, err end
  stream:write(string.pack("BBB", VERSION, CONNECT, 0) .. encode(host)
    .. string.pack(">I2", port))
  return read_reply(stream)
end
