-- Listening sockets: accepts connections, one batch a turn.

local bind = require "websock.server.bind"
local core = require "websock.core"
local path = require "websock.server.path"

local BATCH = 64       -- connections accepted in one turn
local RETRY = 0.1      -- seconds until accept is tried again after a failure

local Listener = {}
Listener.__index = Listener

local function new(server, fd, claim)
  return setmetatable({server = server, loop = server.loop, fd = fd, claim = claim},
    Listener)
end

local function start(self)
  local _, _, family = core.localname(self.fd)
  self.family = family
  -- accepted sockets inherit it, which saves a call for each
  if self.server.options.nodelay and family ~= "unix" then
    core.nodelay(self.fd, true)
  end
  local ok, err = self.loop.register(self.fd, self)
  if not ok then return nil, err end
  self.registered = true
  self.loop.hold(self)
  return true
end

-- Closes what was bound if `open` fails or raises.
local Started = {__close = function(list)
  if list.all then return end
  for _, listener in ipairs(list) do listener:close() end
end}

--- Binds and starts the listeners of a server.
---@return table|nil list, string? err, string? place
function Listener.open(server, o)
  local bound, err, place = bind(o)
  if not bound then return nil, err, place end
  local list <close> = setmetatable({}, Started)
  for i, one in ipairs(bound) do list[i] = new(server, one.fd, one.claim) end
  for _, listener in ipairs(list) do
    local ok
    ok, err = start(listener)
    if not ok then return nil, err end
  end
  list.all = true
  return list
end

--- Called by the loop when there are connections to accept.
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
    local link = self.spare or self.server:new_link()
    self.spare = link  -- if nobody is there
    local fd, err = core.accept(self.fd, link.conn)
    if not fd then return self:stopped(err) end
    self.spare = nil
    self.server:welcome(link, fd)
    if not self.fd then return end  -- a hook has stopped the server
  end
  later(self)
end

-- Called when accept has returned no connection: none is left, or it has failed.
function Listener:stopped(err)
  if err == "again" then
    self.reported = nil
    if self.loop.rearm then self.loop.rearm(self.fd, 1) end
    return
  end
  self.waiting = self.loop.at(self.loop.now() + RETRY, self)
  self.server.starved = true  -- has it call `retry` when a descriptor is free
  if not self.reported then
    self.reported = true
    self.server:cannot_accept(err)
  end
end

--- Called by the loop when it is time to try again.
function Listener:expired()
  self.waiting = nil
  self:accept()
end

--- Called when a descriptor was closed.
function Listener:retry()
  if not self.waiting then return end
  self.loop.cancel(self.waiting)
  self.waiting = nil
  later(self)
end

--- Closes the descriptor, and removes its path if it has one. Idempotent.
function Listener:close()
  local fd = self.fd
  if not fd then return end
  self.fd = nil
  if self.waiting then self.loop.cancel(self.waiting) end
  self.waiting = nil
  if self.registered then self.loop.unregister(fd) end
  self.loop.release(self)
  if self.claim then path.release(self.claim) end  -- while the socket is open
  core.closefd(fd)
end

return Listener
