-- The loop as a guest in libuv's, by luv: see guests.lua. Its pump is a handle on the
-- loop's descriptor, and a timer. They keep libuv's loop running only while needed.
--
-- luv has no coroutines of its own: any coroutine that calls is taken for one that luv's
-- callbacks resume, and is resumed by such a callback.
--
-- What is to be done at once is done by idle handles, once in each turn of libuv's loop: a
-- timer of 0 ms that a timer starts is served in the same turn, and would let nothing else
-- of the loop go on.

local BLIND = 0.01  -- seconds between turns where the poller has no descriptor

-- Coroutines to resume, and what parks them.
local Threads = {}
Threads.__index = Threads

-- Resumes those that are queued. An error of one goes to luv, when all were resumed.
local function resume_all(self)
  local list, failure = self.queue, nil
  self.queue = {}
  self.idle:stop()
  for _, one in ipairs(list) do
    local thread = one.thread
    local ok, err = true, nil
    if coroutine.status(thread) == "suspended" then
      ok, err = coroutine.resume(thread, table.unpack(one, 1, one.n))
    end
    if not ok then failure = failure or debug.traceback(thread, tostring(err)) end
  end
  if failure then error(failure, 0) end
end

function Threads.new(uv)
  local self = setmetatable({uv = uv, queue = {}, idle = uv.new_idle()}, Threads)
  self.parked = {}  -- thread -> true: nobody else keeps it alive
  function self.resume_all() resume_all(self) end
  return self
end

function Threads:add(thread, ...)
  table.insert(self.queue, {thread = thread, n = select("#", ...), ...})
  if #self.queue == 1 then self.idle:start(self.resume_all) end
end

-- Closing it ends a wait, also of a coroutine that is closed.
local Waiting = {__close = function(waiting)
  local self = waiting.threads
  self.parked[waiting.thread] = nil
  if not next(self.parked) then self.on_none() end
end}

function Threads:park(thread)
  local _ <close> = setmetatable({threads = self, thread = thread}, Waiting)
  self.parked[thread] = true
  coroutine.yield()
end

-- The pump's handles. What is done to them in each turn is what has changed: a call of
-- luv's costs more than a comparison.
local Handles = {}
Handles.__index = Handles

function Handles.new(uv, pump)
  local self = setmetatable({uv = uv, pump = pump, timer = uv.new_timer(),
    idle = uv.new_idle()}, Handles)
  self.expires = nil      -- pump.due when the timer was started, until it expires
  self.is_idling = false  -- whether `idle` is started
  self.counts = true      -- whether they keep libuv's loop running
  function self.turn() self:turn_once() end
  function self.expired()
    self.expires = nil
    self:turn_once()
  end
  -- While `idle` is started, it turns the loop in each turn of libuv's: a second time would
  -- let others wait.
  function self.readable()
    if not self.is_idling then self:turn_once() end
  end
  local fd = pump.pollfd()
  if fd then
    self.poll = uv.new_poll(fd)
    self.poll:start("r", self.readable)
  end
  return self
end

function Handles:close()
  self.timer:close()
  self.idle:close()
  if self.poll then self.poll:close() end
end

-- Has the handles keep libuv's loop running, or not.
function Handles:count(counts)
  if counts == self.counts then return end
  self.counts = counts
  local set = counts and self.uv.ref or self.uv.unref
  set(self.timer)
  set(self.idle)
  if self.poll then set(self.poll) end
end

-- Has the next turn come at once, or not.
function Handles:idles(at_once)
  if at_once == self.is_idling then return end
  self.is_idling = at_once
  if at_once then self.idle:start(self.turn) else self.idle:stop() end
end

-- Has a turn come in so many seconds. One that is due earlier, because the timer was
-- started for what was cancelled since, does no harm.
function Handles:wait(seconds)
  local due = self.pump.due
  if not self.poll then seconds, due = math.min(seconds or BLIND, BLIND), 0 end
  if not seconds or self.expires and self.expires <= due then return end
  self.expires = due
  self.uv.update_time()
  self.timer:start(math.ceil(seconds * 1000), 0, self.expired)
end

function Handles:kick()
  self:count(true)
  self:idles(true)
end

function Handles:turn_once()
  local seconds = self.pump.turn()
  self:idles(seconds == 0)
  if seconds ~= 0 then self:wait(seconds) end
  self:count(self.pump.is_needed())
end

local function new(uv)
  local adapter, threads, handles = {name = "luv"}, Threads.new(uv), nil

  -- In a coroutine: true, unless a C function is on the way. Else it may be a callback.
  function adapter.owns()
    local _, is_main = coroutine.running()
    if not is_main then return coroutine.isyieldable() end
    if uv.loop_mode() then return false end
  end

  function adapter.park(thread) threads:park(thread) end

  function adapter.wake(thread) threads:add(thread) end

  function adapter.pause()
    local thread = coroutine.running()
    threads:add(thread)
    threads:park(thread)
  end

  function adapter.spawn(f, ...) threads:add(coroutine.create(f), ...) end

  function adapter.begin(pump)
    if handles then handles:close() end  -- of a pump that has failed
    handles = Handles.new(uv, pump)
    handles:kick()
  end

  function adapter.kick() handles:kick() end

  -- The last one may have been all that has kept libuv's loop running.
  function threads.on_none()
    if not handles.pump.busy then handles:kick() end
  end

  return adapter
end

--- Returns owns, adapter_for: see guests.lua. luv is recognised only once it was named.
return function(uv)
  local adapter = new(uv)
  return adapter.owns, function() return adapter end
end
