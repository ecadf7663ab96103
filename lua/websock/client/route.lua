-- The way to a server: straight, or through a proxy.
--
-- A route has host and port, and what dial.lua takes beside these; perhaps `proxy`, of
-- proxy/url.lua, and `proxy_tls`, a context of base/tls.lua.

local authority = require "websock.base.authority"
local core = require "websock.core"
local dial = require "websock.client.dial"
local resolve = require "websock.client.resolve"
local source = require "websock.client.source"
local tls = require "websock.base.tls"
local tunnel = require "websock.proxy.tunnel"
local url = require "websock.proxy.url"

local route = {}

-- Closes a stream, unless it was handed on.
local Guard = {__close = function(self)
  if self.stream then self.stream:close() end
end}

-- Returns a descriptor connected to the proxy.
local function reach(loop, way, deadline)
  local to_proxy = {}
  for name, value in pairs(way) do to_proxy[name] = value end
  to_proxy.host, to_proxy.port = way.proxy.host, way.proxy.port
  return dial(loop, to_proxy, deadline)
end

-- Starts TLS to the proxy, if it has an https URL.
local function secure(link, way)
  local proxy = way.proxy
  if proxy.scheme ~= "https" then return true end
  local context, err = tls.of("proxy", way.proxy_tls, "client")
  if not context then return nil, err end
  return link:secure(context.client, context.name or proxy.host,
    authority.text(proxy.host, proxy.port))
end

-- Connects through the proxy to an address of the route's host, or to its name. Returns
-- what route.open does.
local function through(loop, way, host, deadline)
  local proxy = way.proxy
  local fd, err = reach(loop, way, deadline)
  if not fd then return nil, url.failure(proxy, err) end
  local guard <close> = setmetatable({stream = core.stream(fd)}, Guard)
  local link = source(loop, guard.stream, deadline)
  local ok, received
  ok, err = secure(link, way)
  if not ok then return nil, url.failure(proxy, err) end
  received, err = tunnel(link, proxy, host, way.port)
  if not received then return nil, err end
  local stream = guard.stream
  guard.stream = nil
  return fd, stream, received
end

-- With a socks5 proxy we look the name up, and try its addresses one after the other.
local function through_addresses(loop, way, deadline)
  local list, err = resolve(loop, way.host, way.family, deadline)
  if not list then return nil, err end
  local fd, stream, received
  for _, address in ipairs(list) do
    fd, stream, received = through(loop, way, address.host, deadline)
    if fd or stream == "timeout" then break end
  end
  return fd, stream, received
end

--- Connects along a route.
---@param way table
---@param deadline number? # a time of loop.now
---@return integer|nil fd
---@return userdata|string? stream # the stream of the core that has it, if there is one, or
---   the error: "dns: ...", "connect: ...", "proxy: ...", "timeout"
---@return string? received # bytes that were read from it already
function route.open(loop, way, deadline)
  if not way.proxy then
    local fd, err = dial(loop, way, deadline)
    return fd, err, fd and ""
  elseif way.proxy.scheme == "socks5" then
    return through_addresses(loop, way, deadline)
  end
  return through(loop, way, way.host, deadline)
end

return route
