-- Looks a host's name up, on a helper thread.

local core = require "websock.core"

local function look_up(loop, host, family, deadline)
  local lookup <close>, err = core.lookup(host, family)
  if not lookup then return nil, "dns: " .. err end
  local ok, why = loop.wait(lookup:fd(), "r", deadline)
  if not ok then return nil, why end
  local list, reason = lookup:take()
  if not list then return nil, "dns: " .. reason end
  return list
end

--- Returns the addresses of a host.
---@param host string # a name or a numeric address
---@param family "any"|"inet"|"inet6"
---@param deadline number? # a time of loop.now
---@return {host: string, family: string}[]|nil, string? err # "dns: ...", "timeout"
return function(loop, host, family, deadline)
  local address, kind = core.numeric(host)
  if not address then return look_up(loop, host, family, deadline) end
  if family ~= "any" and family ~= kind then
    return nil, "dns: no address of family " .. family
  end
  return {{host = address, family = kind}}
end
