-- Listening sockets: binding them, and accepting from them a batch a turn.

local core = require "websock.core"
local socket = require "websock.socket"

local BATCH = 64       -- connections accepted in one turn
local RETRY = 0.1      -- seconds until accept is tried again without descriptors

local Listener = {}
Listener.__index = Listener

local ERRORS = {
  ["address already in use"] = "address in use",
  ["host or service not provided, or not known"] = "host not found",
  ["cannot assign requested address"] = "address not available",
}

local function short(err)
  err = err:lower()
  return ERRORS[err] or err
end

-- A listening descriptor of ours, made by LuaSocket.
local function bind(address, port, o)
  local object, err = socket.new(address.family)
  if not object then return nil, short(err) end
  local ok = true
  if address.family ~= "unix" then
    object:setoption("reuseaddr", true)
    if o.reuseport then ok, err = object:setoption("reuseport", true) end
  end
  if ok then ok, err = object:bind(address.host, port) end
  if ok then ok, err = object:listen(o.backlog) end
  if not ok then
    object:close()
    return nil, short(err)
  end
  return socket.take_listener("listen", object)
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

local function close_all(fds)
  for _, fd in ipairs(fds) do core.closefd(fd) end
end

-- Binds every address to one port; an address family that this machine lacks is
-- passed over, as long as one is left.
local function bind_all(list, port, o)
  local fds, failure = {}, nil
  for _, address in ipairs(list) do
    local fd, err = bind(address, port, o)
    if fd then
      fds[#fds + 1] = fd
      if port == 0 then
        local _, chosen = core.localname(fd)
        port = chosen
      end
    elseif err == "address in use" then
      close_all(fds)
      return nil, err
    else
      failure = failure or err
    end
  end
  if not fds[1] then return nil, failure end
  return fds
end

local function bind_tcp(o)
  local list, err = addresses_of(o.host)
  if not list then return nil, err end
  local fds
  -- a port that is free on the first address may be taken on the second
  for _ = 1, o.port == 0 and #list > 1 and 20 or 1 do
    fds, err = bind_all(list, o.port, o)
    if fds or err ~= "address in use" then break end
  end
  return fds, err
end

-- What io.open says of a socket: ENXIO, and EOPNOTSUPP of the BSDs and macOS.
local IS_SOCKET = {[6] = true, [45] = true, [102] = true}

-- Files of other kinds refuse connections too, and stay. "r+" neither truncates
-- one nor waits at a FIFO.
local function is_socket(path)
  local file, _, errno = io.open(path, "r+")
  if file then file:close() end
  return IS_SOCKET[errno]
end

-- A path where nobody listens any more is taken over.
local function remove_stale(path)
  local object = socket.new "unix"
  local _, err = object:connect(path)
  object:close()
  return err and err:lower() == "connection refused" and is_socket(path)
    and os.remove(path)
end

local function bind_unix(o)
  local address = {host = o.unix, family = "unix"}
  local fd, err = bind(address, nil, o)
  if not fd and err == "address in use" and remove_stale(o.unix) then
    fd, err = bind(address, nil, o)
  end
  if not fd then return nil, err end
  return {fd}
end

local function descriptors(o)
  if o.socket then return {socket.take_listener("listen", o.socket)} end
  if o.unix then return bind_unix(o) end
  return bind_tcp(o)
end

local function new(server, fd)
  local self = setmetatable({server = server, loop = server.loop, fd = fd},
    Listener)
  local _, _, family = core.localname(fd)
  self.family = family
  -- inherited by what is accepted: one call instead of one per connection
  if server.options.nodelay and family ~= "unix" then core.nodelay(fd, true) end
  local ok, err = self.loop.register(fd, self)
  if not ok then return nil, err end
  self.loop.hold(self)
  return self
end

--- The listeners of a server, bound and running.
---@return table|nil list, string? err
function Listener.open(server, o)
  local fds, err = descriptors(o)
  if not fds then return nil, err end
  local list = {}
  for i, fd in ipairs(fds) do
    local listener
    listener, err = new(server, fd)
    if not listener then
      for _, open in ipairs(list) do open:close() end
      close_all({table.unpack(fds, i)})
      return nil, err
    end
    list[i] = listener
  end
  if o.unix then list[1].path = o.unix end
  return list
end

--- The loop: there are connections to accept.
function Listener:ready()
  if not self.waiting then self:accept() end
end

function Listener:again()
  self.in_again = false
  if self.fd and not self.waiting then self:accept() end
end

local function later(self)
  if not self.in_again then
    self.in_again = true
    self.loop.again(self)
  end
end

function Listener:accept()
  for _ = 1, BATCH do
    local fd, host, port, family = core.accept(self.fd)
    if not fd then return self:stopped(host) end
    self.server:welcome(fd, {host = host, port = port, family = family})
    if not self.fd then return end  -- a hook has stopped the server
  end
  later(self)
end

-- accept gave nothing: there is nothing, or no descriptor for it.
function Listener:stopped(err)
  if err == "again" then
    self.told = nil
    if self.loop.rearm then self.loop.rearm(self.fd, 1) end
    return
  end
  self.waiting = self.loop.at(self.loop.now() + RETRY, self)
  if not self.told then
    self.told = true
    self.server:report(err, nil, "websock: accept: " .. err)
  end
end

--- The loop: time to try again.
function Listener:expired()
  self.waiting = nil
  self:accept()
end

--- A descriptor came free.
function Listener:retry()
  if not self.waiting then return end
  self.loop.cancel(self.waiting)
  self.waiting = nil
  later(self)
end

function Listener:close()
  if not self.fd then return end
  if self.waiting then self.loop.cancel(self.waiting) end
  self.waiting = nil
  self.loop.unregister(self.fd)
  core.closefd(self.fd)
  if self.path then os.remove(self.path) end
  self.loop.release(self)
  self.fd = nil
end

return Listener
