-- Creates the listening descriptors for the options of `listen`: addresses, ports,
-- paths of Unix sockets.

local core = require "websock.core"
local path = require "websock.server.path"
local socket = require "websock.link.socket"

-- Closes the descriptor of a listener that could not listen, and releases its path.
local Attempt = {__close = function(self)
  if self.listens or not self.fd then return end
  if self.claim then path.release(self.claim) end
  core.closefd(self.fd)
end}

local function bind(o, family, host, port)
  local self <close> = setmetatable({fd = false, claim = false, listens = false}, Attempt)
  local err
  self.fd, err = core.bind(family, host, port, o.reuseport)
  if not self.fd then return nil, err end
  if o.unix then self.claim = path.claim(o.unix) end
  self.listens, err = core.listen(self.fd, o.backlog)
  if not self.listens then return nil, err end
  return self
end

local function bind_unix(o)
  local bound, err = bind(o, "unix", o.unix)
  if not bound and err == "address in use" and path.remove_stale(o.unix) then
    bound, err = bind(o, "unix", o.unix)
  end
  if not bound then return nil, err end
  return {bound}
end

-- Nobody else goes on meanwhile: a server listens when `listen` returns, from
-- wherever it is called.
local function wait_for(lookup)
  local poller <close> = assert(core.poller "poll")
  assert(poller:watch(lookup:fd(), 1, core.READ))
  repeat local found, err = poller:wait() until found or err ~= "interrupted"
end

local function look_up(host)
  local lookup <close>, err = core.lookup(host)
  if not lookup then return nil, "dns: " .. err end
  wait_for(lookup)
  local list, reason = lookup:take()
  if not list then return nil, "dns: " .. reason end
  return list
end

local function addresses_of(host)
  if host == "*" then
    return {{host = "0.0.0.0", family = "inet"}, {host = "::", family = "inet6"}}
  end
  local numeric, family = core.numeric(host)
  if numeric then return {{host = numeric, family = family}} end
  return look_up(host)
end

local function close_all(list)
  for _, bound in ipairs(list) do core.closefd(bound.fd) end
end

-- Binds every address to one port. Skips address families that this machine lacks, as
-- long as one is left.
local function bind_all(addresses, port, o)
  local list, failure = {}, nil
  for _, address in ipairs(addresses) do
    local bound, err = bind(o, address.family, address.host, port)
    if bound then
      list[#list + 1] = bound
      if port == 0 then
        local _, chosen = core.localname(bound.fd)
        port = chosen
      end
    elseif err == "address in use" then
      close_all(list)
      return nil, err
    else
      failure = failure or err
    end
  end
  if not list[1] then return nil, failure end
  return list
end

local function bind_tcp(o)
  local addresses, err = addresses_of(o.host)
  if not addresses then return nil, err end
  local list
  -- a port that is free on the first address may be taken on the second
  for _ = 1, o.port == 0 and #addresses > 1 and 20 or 1 do
    list, err = bind_all(addresses, o.port, o)
    if list or err ~= "address in use" then break end
  end
  return list, err
end

-- Returns the address in the options, in the form for an error message.
local function place_of(o)
  if o.unix then return o.unix end
  local host = o.host:find(":", 1, true) and "[" .. o.host .. "]" or o.host
  return host .. ":" .. o.port
end

--- Binds the addresses, or the path, in the options.
---@param o table # checked options of listen
---@return table|nil list # of {fd=, claim=}: a claim of websock.path, for a path
---@return string? err, string? place # "address in use", "127.0.0.1:8080"
return function(o)
  if o.socket then return {{fd = socket.take_listener("listen", o.socket)}} end
  local list, err = (o.unix and bind_unix or bind_tcp)(o)
  if not list then return nil, err, place_of(o) end
  return list
end
