-- Connects a socket to a host and port: looks the name up on a helper thread, then
-- tries one address after the other until one answers.

local core = require "websock.core"
local socket = require "websock.link.socket"

local dial = {}

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

-- Closes the socket object of an attempt that has failed.
local attempt = {__close = function(self)
  if not self.done then self.object:close() end
end}

-- Waits until a connect has succeeded or failed, as SO_ERROR tells: true | nil, err.
local function settle(loop, object, deadline)
  local fd = math.tointeger(object:getfd())
  local ok, err = loop.wait(fd, "w", deadline)
  if ok then err = core.so_error(fd) end
  return err == nil, err
end

-- Returns a connected socket object; ... are the arguments of object:connect. A Unix
-- socket connects at once or fails.
local function try(loop, family, deadline, ...)
  local object, err = socket.new(family)
  if not object then return nil, err:lower() end
  local self <close> = setmetatable({object = object}, attempt)
  self.done, err = object:connect(...)
  if err == "timeout" and loop then self.done, err = settle(loop, object, deadline) end
  if self.done then return object end
  return nil, err:lower()
end

-- Divides the time left among the addresses left, so that no address uses up the time
-- of those after it.
local function share(loop, deadline, left)
  if not deadline then return nil end
  local time = loop.now()
  return time + (deadline - time) / left
end

--- Returns a connected LuaSocket object.
---@param deadline number? # a time of loop.now
---@return userdata|nil, string? err # "dns: ...", "connect: ...", "timeout"
function dial.tcp(loop, host, port, family, deadline)
  local list, err = resolve(loop, host, family, deadline)
  if not list then return nil, err end
  for i, address in ipairs(list) do
    local object
    object, err = try(loop, address.family, share(loop, deadline, #list - i + 1),
      address.host, port)
    if object then return object end
  end
  if err == "timeout" then return nil, err end
  return nil, "connect: " .. err
end

--- The same for the path of a Unix socket.
function dial.unix(path)
  local object, err = try(nil, "unix", nil, path)
  if object then return object end
  return nil, "connect: " .. err
end

return dial
