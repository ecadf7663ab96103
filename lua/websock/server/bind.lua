-- Creates the listening descriptors for the options of `listen`: addresses, ports,
-- paths of Unix sockets.

local core = require "websock.core"
local path = require "websock.server.path"
local socket = require "websock.link.socket"

local ERRORS = {
  ["address already in use"] = "address in use",
  ["host or service not provided, or not known"] = "host not found",
  ["cannot assign requested address"] = "address not available",
}

local function short(err)
  err = err:lower()
  return ERRORS[err] or err
end

local function prepare(object, o)
  object:setoption("reuseaddr", true)
  if o.reuseport then return object:setoption("reuseport", true) end
  return true
end

-- Makes LuaSocket's object listen: returns its descriptor, and the claim to its path.
local function listener(object, claim, backlog)
  local ok, err = object:listen(backlog)
  if ok then return {fd = socket.take_listener("listen", object), claim = claim} end
  if claim then path.release(claim) end
  object:close()
  return nil, short(err)
end

local function bind_address(address, port, o)
  local object, err = socket.new(address.family)
  if not object then return nil, short(err) end
  local ok
  ok, err = prepare(object, o)
  if ok then ok, err = object:bind(address.host, port) end
  if ok then return listener(object, nil, o.backlog) end
  object:close()
  return nil, short(err)
end

local function bind_path(o)
  local object, err = socket.new "unix"
  if not object then return nil, short(err) end
  local ok
  ok, err = object:bind(o.unix)
  if ok then return listener(object, path.claim(o.unix), o.backlog) end
  object:close()
  return nil, short(err)
end

local function bind_unix(o)
  local bound, err = bind_path(o)
  if not bound and err == "address in use" and path.remove_stale(o.unix) then
    bound, err = bind_path(o)
  end
  if not bound then return nil, err end
  return {bound}
end

local function addresses_of(host)
  if host == "*" then
    return {{host = "0.0.0.0", family = "inet"}, {host = "::", family = "inet6"}}
  end
  local numeric, family = core.numeric(host)
  if numeric then return {{host = numeric, family = family}} end
  local list, err = require("socket").dns.getaddrinfo(host)
  if not list then return nil, "dns: " .. short(err) end
  local unique, seen = {}, {}
  for _, found in ipairs(list) do
    if not seen[found.addr] then
      seen[found.addr] = true
      unique[#unique + 1] = {host = found.addr, family = found.family}
    end
  end
  return unique
end

local function close_all(list)
  for _, bound in ipairs(list) do core.closefd(bound.fd) end
end

-- Binds every address to one port. Skips address families that this machine lacks, as
-- long as one is left.
local function bind_all(addresses, port, o)
  local list, failure = {}, nil
  for _, address in ipairs(addresses) do
    local bound, err = bind_address(address, port, o)
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
