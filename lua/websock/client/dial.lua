-- Connects a socket along a route: looks the host's name up on a helper thread, then races
-- its addresses.

local core = require "websock.core"
local race = require "websock.client.race"

local function look_up(loop, host, family, deadline)
  local lookup <close>, err = core.lookup(host, family)
  if not lookup then return nil, "dns: " .. err end
  local ok, why = loop.wait(lookup:fd(), "r", deadline)
  if not ok then return nil, why end
  local list, reason = lookup:take()
  if not list then return nil, "dns: " .. reason end
  return list
end

-- Returns the addresses of a host: a list of {host=, family=}.
local function resolve(loop, host, family, deadline)
  local address, kind = core.numeric(host)
  if not address then return look_up(loop, host, family, deadline) end
  if family ~= "any" and family ~= kind then
    return nil, "dns: no address of family " .. family
  end
  return {{host = address, family = kind}}
end

-- Returns the addresses of a route.
local function addresses_of(loop, route, deadline)
  if route.unix then return {{host = route.unix, family = "unix"}} end
  local list, err = resolve(loop, route.host, route.family, deadline)
  if not list then return nil, err end
  return race.interleave(list)
end

--- Returns a connected descriptor.
---@param route table # host and port, family ("any", "inet", "inet6"), attempt_delay
---   (seconds or false); or unix, a path that is dialled in their place
---@param deadline number? # a time of loop.now
---@return integer|nil fd, string? err # "dns: ...", "connect: ...", "timeout"
return function(loop, route, deadline)
  local list, err = addresses_of(loop, route, deadline)
  if not list then return nil, err end
  local fd
  fd, err = race.connect(loop, list, route.port, route.attempt_delay, deadline)
  if fd then return fd end
  return nil, err == "timeout" and err or "connect: " .. err
end
