-- Connects to the first of several addresses that answers (RFC 8305 section 5): an attempt
-- begins a while after the one before it, or as soon as one has failed; the first to
-- succeed ends the others.

local core = require "websock.core"

-- One attempt: a watcher of the reactor.
local Attempt = {}
Attempt.__index = Attempt

--- Called by the reactor when the connect has succeeded or failed.
function Attempt:ready()
  self.is_ready = true
  local race = self.race
  race.loop.wake(race, race.thread)
end

-- Forgets the descriptor; returns it.
function Attempt:let_go()
  local fd = self.fd
  self.race.loop.unwatch(fd, self)
  self.race.pending[self] = nil
  return fd
end

local Race = {}
Race.__index = Race

-- Closes the losers, or all if the race was broken off.
function Race:__close()
  for attempt in pairs(self.pending) do core.closefd(attempt:let_go()) end
end

-- Notes a failure: the next attempt begins at once.
function Race:failed(err)
  self.err, self.due = err, self.loop.now()
end

-- Begins the next attempt. Returns the descriptor if it has succeeded already.
function Race:start(port)
  local address = table.remove(self.left, 1)
  local fd, connected = core.connect(address.family, address.host, port)
  if not fd then return self:failed(connected) end
  if connected then return fd end
  local attempt = setmetatable({race = self, fd = fd}, Attempt)
  self.pending[attempt] = true
  local ok, err = self.loop.watch(fd, attempt, core.WRITE)
  if ok then return end
  core.closefd(attempt:let_go())
  self:failed(err)
end

-- Looks at the attempts that are ready. Returns the descriptor of one that has succeeded,
-- as SO_ERROR tells.
function Race:judge()
  for attempt in pairs(self.pending) do
    if attempt.is_ready then
      local fd = attempt:let_go()
      local err = core.so_error(fd)
      if not err then return fd end
      core.closefd(fd)
      self:failed(err)
    end
  end
end

-- The same for those of which the loop does not know yet.
function Race:last_look()
  for attempt in pairs(self.pending) do
    attempt.is_ready = self.loop.probe(attempt.fd, "w")
  end
  return self:judge()
end

-- Sets when the next attempt begins. Without a delay that is when the one before has used
-- up its share of the time: then it is given up.
function Race:schedule(delay)
  local time = self.loop.now()
  if delay then
    self.due = time + delay
  else
    self.due = self.deadline and time + (self.deadline - time) / #self.left or nil
  end
end

-- Begins the next attempt, which is due.
function Race:begin_next(port, delay)
  if not delay and next(self.pending) then
    local fd = self:last_look()
    if fd then return fd end
    self:__close()
    self.err = "timeout"
  end
  self:schedule(delay)
  return self:start(port)
end

function Race:is_due()
  if not self.left[1] then return false end
  return not next(self.pending) or self.due ~= nil and self.due <= self.loop.now()
end

-- Waits until an attempt is ready, the next is due, or the time is up.
function Race:wait()
  local at = self.left[1] and self.due or self.deadline
  if at and self.deadline then at = math.min(at, self.deadline) end
  self.loop.park(at, self, "connect")
end

-- Returns the winner's descriptor, or nil, err.
function Race:run(port, delay)
  while true do
    local fd = self:judge()
    if fd then return fd end
    if self.deadline and self.loop.now() >= self.deadline then
      return self:last_look(), "timeout"
    elseif self:is_due() then
      fd = self:begin_next(port, delay)
      if fd then return fd end
    elseif not next(self.pending) then
      return nil, self.err
    else
      self:wait()
    end
  end
end

local race = {}

--- Orders addresses so that the families take turns, IPv6 first (RFC 8305 section 4).
---@param list {host: string, family: string}[]
---@return {host: string, family: string}[]
function race.interleave(list)
  local of, mixed = {inet6 = {}, inet = {}}, {}
  for _, address in ipairs(list) do table.insert(of[address.family], address) end
  for i = 1, #list do
    mixed[#mixed + 1] = of.inet6[i]
    mixed[#mixed + 1] = of.inet[i]
  end
  return mixed
end

--- Connects to one of the addresses, tried in this order.
---@param list {host: string, family: string}[] # one or more; family "unix": host is a path
---@param port integer?
---@param delay number|false # seconds between two attempts; false: one after the other
---@param deadline number? # a time of loop.now
---@return integer|nil fd, string? err # "timeout", or the last failure
function race.connect(loop, list, port, delay, deadline)
  local self <close> = setmetatable({loop = loop, thread = coroutine.running(), pending = {},
    left = {table.unpack(list)}, due = nil, deadline = deadline, err = nil}, Race)
  return self:run(port, delay)
end

return race
