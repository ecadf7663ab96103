-- Waits for users' descriptors: level-triggered, one-shot, with one waiter for each
-- direction.

local core = require "websock.core"
local reactor = require "websock.io.reactor"
local scheduler = require "websock.io.scheduler"

local watch = {}

local READ, WRITE, HANGUP = core.READ, core.WRITE, core.HANGUP

local Watch = {}
Watch.__index = Watch
local watches = {}  -- fd -> Watch

function Watch:interest()
  return (self[READ] and READ or 0) | (self[WRITE] and WRITE or 0)
end

-- Updates the poller; forgets the descriptor if there are no waiters.
function Watch:update()
  local what = self:interest()
  if what ~= 0 then return reactor.watch(self.fd, self, what) end
  watches[self.fd] = nil
  reactor.unwatch(self.fd, self)
end

function Watch:serve(direction)
  local thread = self[direction]
  self[direction] = nil
  if thread then scheduler.wake(self, thread, true) end
end

--- Called by the reactor when the descriptor is ready.
function Watch:ready(what)
  if what & (READ | HANGUP) ~= 0 then self:serve(READ) end
  if what & (WRITE | HANGUP) ~= 0 then self:serve(WRITE) end
  self:update()
end

local function watch_of(fd)
  local found = watches[fd]
  if not found then
    found = setmetatable({fd = fd}, Watch)
    watches[fd] = found
  end
  return found
end

-- The waiter for a direction. Closing it removes it, unless another waiter has
-- replaced it.
local Waiter = {__close = function(waiter)
  local self, direction = waiter.watch, waiter.direction
  if self[direction] ~= waiter.thread then return end
  self[direction] = nil
  self:update()
end}

--- Waits until fd is ready for "r" or "w".
---@return boolean|nil, string? # nil, "timeout" | nil, "busy" | nil, err
function watch.wait(fd, mode, deadline)
  scheduler.must "wait"
  local direction, thread = mode == "r" and READ or WRITE, coroutine.running()
  local self = watch_of(fd)
  local other = self[direction]
  if other and other ~= thread and scheduler.waits_for(self, other) then
    return nil, "busy"
  end
  local _ <close> = setmetatable(
    {watch = self, direction = direction, thread = thread}, Waiter)
  self[direction] = thread
  local ok, err = self:update()
  if ok then ok, err = scheduler.park(deadline, self) end
  if err == "timeout" then ok, err = watch.probe(fd, mode) end  -- ready by now?
  if ok or err == "not pollable" then return true end  -- a file: always ready
  return nil, err
end

local prober  -- a second poller, which has no watchers

--- Whether fd is ready now. Returns as `wait`, without a turn of the loop.
---@return boolean|nil, string? # nil, "timeout" | nil, err
function watch.probe(fd, mode)
  prober = prober or assert(core.poller "poll")
  local ok, err = prober:watch(fd, 1, mode == "r" and READ or WRITE)
  if err == "not pollable" then return true end
  if not ok then return nil, err end
  local found = prober:wait(0)
  prober:watch(fd, 1, 0)
  if found and found > 0 then return true end
  return nil, "timeout"
end

return watch
