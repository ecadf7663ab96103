-- Connects a socket to a host and port: looks the name up, then tries one address after the
-- other until one answers.

local core = require "websock.core"
local resolve = require "websock.client.resolve"

-- Closes the descriptor of an attempt that has failed.
local Attempt = {__close = function(self)
  if self.fd then core.closefd(self.fd) end
end}

-- Waits until a connect has succeeded or failed. Returns the error, as SO_ERROR tells
-- it, or nil.
local function settle(loop, fd, deadline)
  local ok, err = loop.wait(fd, "w", deadline)
  if ok then err = core.so_error(fd) end
  return err
end

-- Returns a connected descriptor, or nil and the error.
local function try(loop, deadline, ...)
  local self <close> = setmetatable({fd = false}, Attempt)
  local connected
  self.fd, connected = core.connect(...)
  if not self.fd then return nil, connected end
  local err = not connected and settle(loop, self.fd, deadline)
  if err then return nil, err end
  local fd = self.fd
  self.fd = false
  return fd
end

-- Divides the time left among the addresses left, so that no address uses up the time
-- of those after it.
local function share(loop, deadline, left)
  if not deadline then return nil end
  local time = loop.now()
  return time + (deadline - time) / left
end

local function over_tcp(loop, route, deadline)
  local list, err = resolve(loop, route.host, route.family, deadline)
  if not list then return nil, err end
  for i, address in ipairs(list) do
    local fd
    fd, err = try(loop, share(loop, deadline, #list - i + 1), address.family,
      address.host, route.port)
    if fd then return fd end
  end
  if err == "timeout" then return nil, err end
  return nil, "connect: " .. err
end

local function over_unix(loop, path, deadline)
  local fd, err = try(loop, deadline, "unix", path)
  if fd then return fd end
  return nil, "connect: " .. err
end

--- Returns a connected descriptor.
---@param route {host: string, port: integer, family: string, unix: string?} # unix: a path
---   that is dialled in place of host and port
---@param deadline number? # a time of loop.now
---@return integer|nil fd, string? err # "dns: ...", "connect: ...", "timeout"
return function(loop, route, deadline)
  if route.unix then return over_unix(loop, route.unix, deadline) end
  return over_tcp(loop, route, deadline)
end
