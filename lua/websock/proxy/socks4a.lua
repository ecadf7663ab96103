-- SOCKS 4 and its extension 4A, by which the proxy looks names up. Neither has an RFC: both
-- are described in two texts of that time, "SOCKS: A protocol for TCP proxy across
-- firewalls" and "SOCKS 4A: A Simple Extension to SOCKS 4 Protocol".

local address = require "websock.proxy.address"

local VERSION, CONNECT, GRANTED = 4, 1, 90
local NO_ADDRESS = "\0\0\0\1"  -- a name follows

local REPLIES = {
  [91] = "request rejected or failed",
  [92] = "request rejected: it cannot ask the client's identd",
  [93] = "request rejected: the client's identd names another user",
}

local function request(proxy, host, port, bytes)
  local head = string.pack(">BBI2", VERSION, CONNECT, port) .. (bytes or NO_ADDRESS)
  return head .. (proxy.user or "") .. "\0" .. (bytes and "" or host .. "\0")
end

--- Asks the proxy for a connection. The arguments are those of http.lua.
---@return true|nil, string? err
return function(stream, proxy, host, port)
  local bytes = address(host)
  if bytes and #bytes ~= 4 then return nil, "SOCKS 4 has no addresses of IPv6" end
  stream:write(request(proxy, host, port, bytes))
  local answer, err = stream:read(8)
  if not answer then return nil, err end
  local version, reply = answer:byte(1, 2)
  if version ~= 0 then return nil, "its answer is no SOCKS 4" end
  if reply == GRANTED then return true end
  return nil, "says: " .. (REPLIES[reply] or "failure " .. reply)
end
