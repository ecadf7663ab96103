-- The built-in loop: one per Lua state. It polls descriptors, keeps timers and
-- resumes coroutines; a call that has to wait outside any coroutine turns it
-- itself. It knows nothing of WebSocket: what it calls are
--
--   watcher:ready(what)   a registered descriptor is ready (see loop.register)
--   source:again()        what stopped early goes on (loop.again)
--   sink:flush()          what was queued during the turn leaves (loop.dirty)
--   timer:expired(handle) a timer is due (loop.at)
--
-- All of these are made by the library and never wait. Watchers and timers are
-- referred to weakly: users, waiters and loop.hold keep them alive.

local core = require "websock.core"
local misuse = require "websock.misuse"

local now = core.now
local running, status = coroutine.running, coroutine.status
local create, resume, yield = coroutine.create, coroutine.resume, coroutine.yield
local isyieldable = coroutine.isyieldable
local unpack, pack = table.unpack, table.pack

local READ, WRITE = 1, 2

local loop = {now = now, name = "loop"}

local poller                        -- made at the first need of it
local timers = core.timers()
local weak_values = {__mode = "v"}
local timed = setmetatable({}, weak_values)     -- timer handle -> object or thread
local watchers = setmetatable({}, weak_values)  -- descriptor -> watcher

local alive = {}          -- spawned thread -> who is told of its end, or true
local held = {}           -- what keeps `run` going beside threads
local work = 0            -- the number of both
local parked = {}         -- waiting thread -> timer handle or false
local ready, first, last = {}, 1, 0   -- threads to resume, in order
local values = {}         -- thread -> packed values that it was woken with
local again, dirty = {}, {}

local current             -- the thread that the loop has resumed
local outside             -- the thread that turns the loop until it is woken
local turning = false
local stopped = false

loop.on_error = nil       -- function(err, thread, traceback); nil: stderr

-- Work ------------------------------------------------------------------------

--- Keeps `run` going, and `object` alive, until `release`.
function loop.hold(object)
  if not held[object] then
    held[object] = true
    work = work + 1
  end
end

function loop.release(object)
  if held[object] then
    held[object] = nil
    work = work - 1
  end
end

-- Timers ----------------------------------------------------------------------

--- Calls object:expired() at this time; returns a handle for `cancel`.
function loop.at(time, object)
  local handle = timers:set(time, 0)
  timed[handle] = object
  return handle
end

--- Has a timer expire at this time, if it is set to a later one.
function loop.advance(handle, time)
  if time < timers:at(handle) then timers:move(handle, time) end
end

function loop.cancel(handle)
  timers:cancel(handle)
  timed[handle] = nil
end

-- Waking ----------------------------------------------------------------------

local function enqueue(thread)
  last = last + 1
  ready[last] = thread
end

local function unpark(thread)
  local timer = parked[thread]
  if timer == nil then return false end
  parked[thread] = nil
  if timer then loop.cancel(timer) end
  return true
end

--- Lets a parked thread go on with these values, at the loop's next turn of the
--- ready list, never inside this call.
---@return boolean # false if the thread is not parked
function loop.wake(thread, ...)
  if not unpark(thread) then return false end
  if select("#", ...) > 0 then values[thread] = pack(...) end
  if thread ~= outside then enqueue(thread) end
  return true
end

-- Threads ---------------------------------------------------------------------

local function report(err, thread, traceback)
  local handler = loop.on_error
  if handler then
    local ok, second = pcall(handler, err, thread, traceback)
    if ok then return end
    traceback = traceback .. "\nand on_error raised: " .. tostring(second)
  end
  io.stderr:write("websock: ", traceback, "\n")
end

--- Reports an error that belongs to no connection.
loop.report = report

-- Calls object:method(...). An error there is the library's own or means that
-- memory ran out: it costs this object, and nobody else.
local function guarded(object, method, ...)
  local ok, err = pcall(object[method], object, ...)
  if ok then return end
  if tostring(err):find("interrupted!", 1, true) then error(err, 0) end  -- Ctrl-C
  if object.failed then pcall(object.failed, object) end
  report(err, nil, tostring(err))
end

-- Forgets all about a thread that is dead, however it died.
local function forget(thread)
  unpark(thread)
  values[thread] = nil
  local owner = alive[thread]
  if owner then
    alive[thread] = nil
    work = work - 1
  end
  return owner
end

-- The traceback of a thread that raised, whose variables are then closed.
local function post_mortem(thread, err)
  local traceback = debug.traceback(thread, tostring(err))
  local closed, second = coroutine.close(thread)
  if not closed and second ~= err then
    traceback = traceback .. "\nand while closing: " .. tostring(second)
  end
  return traceback
end

local function finish(thread, ok, err)
  local owner = forget(thread)
  local traceback = not ok and post_mortem(thread, err) or nil
  if type(owner) == "table" then
    owner:thread_ended(ok, err, traceback)
  elseif not ok then
    report(err, thread, traceback)
  end
end

local function after(thread, ok, ...)
  current = nil
  if status(thread) == "dead" then
    finish(thread, ok, ...)
  elseif parked[thread] == nil then
    enqueue(thread)  -- it yielded by itself: a turn for the others
  end
end

-- Lets go of a thread that has ended out of the loop's sight.
local function disown(thread)
  local owner = forget(thread)
  if type(owner) == "table" then owner:thread_ended(true) end
end

local function run_thread(thread)
  if status(thread) ~= "suspended" then  -- closed before it began, or running
    values[thread] = nil
    if status(thread) == "dead" then disown(thread) end
    return
  end
  current = thread
  local woken = values[thread]
  if woken then
    values[thread] = nil
    after(thread, resume(thread, unpack(woken, 1, woken.n)))
  else
    after(thread, resume(thread))
  end
end

-- At the bottom of each spawned thread: notices when somebody closes it with
-- coroutine.close, so that no trace of it is left.
local root_guard = setmetatable({}, {__close = function()
  local thread = running()
  if thread ~= current then disown(thread) end  -- else see `after`
end})

local function root(f, ...)
  local _ <close> = root_guard
  f(...)
end

--- For the first line of a function given to spawn_guarded.
loop.guard = root_guard

--- Like spawn_for, for a function that sets `loop.guard` up itself: one frame
--- less on the stack of a thread that waits for long.
function loop.spawn_guarded(owner, f, argument)
  local thread = create(f)
  alive[thread] = owner or true
  work = work + 1
  values[thread] = pack(argument)
  enqueue(thread)
  return thread
end

--- Runs f(...) in a thread of its own, from the next turn on.
---@param owner table? # its thread_ended(ok, err, traceback) is called at the
---   end; without one an error goes to on_error
---@return thread
function loop.spawn_for(owner, f, ...)
  local thread = create(root)
  alive[thread] = owner or true
  work = work + 1
  values[thread] = pack(f, ...)
  enqueue(thread)
  return thread
end

function loop.spawn(f, ...)
  return loop.spawn_for(nil, f, ...)
end

-- Waiting ---------------------------------------------------------------------

--- How a call made here can wait: "yield" in a thread of the loop, "turn"
--- outside all of them, nil where it cannot.
function loop.how()
  if not turning then return "turn" end
  if running() == current and isyieldable() then return "yield" end
end

local TIMEOUT = {n = 2, nil, "timeout"}

local turn

local function expire(timer)
  local object = timed[timer]
  if not object then return end
  timed[timer] = nil
  if type(object) == "thread" then
    parked[object] = nil
    values[object] = TIMEOUT
    if object ~= outside then enqueue(object) end
  else
    guarded(object, "expired", timer)
  end
end

local outside_guard = setmetatable({}, {__close = function()
  unpark(outside)  -- an interrupt may have come in between
  values[outside] = nil
  outside = nil
end})

-- Turns the loop until `thread`, the caller, has been woken.
local function turn_until_woken(thread)
  outside = thread
  local _ <close> = outside_guard
  repeat
    turn()
  until parked[thread] == nil
  local woken = values[thread]
  if woken then return unpack(woken, 1, woken.n) end
end

local function park(how, deadline)
  local thread = running()
  parked[thread] = deadline and loop.at(deadline, thread) or false
  if how == "yield" then return yield() end
  return turn_until_woken(thread)
end

--- Waits until somebody wakes the calling thread.
---@param deadline number? # a time of `now`
---@return any ... # the values of `wake`, or nil, "timeout"
function loop.park(deadline)
  local how = loop.how() or misuse("cannot wait here")
  return park(how, deadline)
end

--- Lets everything else that is ready have its turn.
function loop.pause()
  if loop.how() == "yield" then yield() end
end

function loop.sleep(seconds)
  loop.park(now() + seconds)
end

-- Descriptors -----------------------------------------------------------------

-- A read or write on fd came up short: tell when it is ready again. Only the
-- poll back end has to be told; elsewhere loop.rearm is nil.
local function rearm(fd, what)
  poller:rearm(fd, what)
end

local function get_poller()
  if not poller then
    poller = assert(core.poller(os.getenv "WEBSOCK_POLLER"))
    loop.rearm = poller:name() == "poll" and rearm or nil
  end
  return poller
end

--- Reports readiness of fd to watcher:ready(what), edge-triggered: what is a set
--- of 1 (read), 2 (write), 4 (hangup).
---@return true|nil, string? err
function loop.register(fd, watcher)
  local ok, err = get_poller():add(fd, fd)
  if ok then watchers[fd] = watcher end
  return ok, err
end

--- To be called before fd is closed.
function loop.unregister(fd)
  poller:del(fd)
  watchers[fd] = nil
end

-- Users' descriptors: who waits for which direction.
local Watch = {}
Watch.__index = Watch
local watches = {}  -- fd -> Watch

function Watch:interest()
  return (self[READ] and READ or 0) | (self[WRITE] and WRITE or 0)
end

-- The last waiter has gone. The poller may know the descriptor as a connection's,
-- and then never heard of this.
function Watch:forget()
  watches[self.fd] = nil
  if watchers[self.fd] == self then loop.unregister(self.fd) end
end

-- Brings the poller up to date.
function Watch:update()
  local what = self:interest()
  if what == 0 then return self:forget() end
  local ok, err = poller:watch(self.fd, self.fd, what)
  if ok then watchers[self.fd] = self end
  return ok, err
end

function Watch:serve(mode)
  local thread = self[mode]
  self[mode] = nil
  if thread then loop.wake(thread, true) end
end

function Watch:ready(what)
  if what & (READ | 4) ~= 0 then self:serve(READ) end
  if what & (WRITE | 4) ~= 0 then self:serve(WRITE) end
  self:update()
end

local function watch_of(fd)
  local watch = watches[fd]
  if not watch then
    get_poller()
    watch = setmetatable({fd = fd}, Watch)
    watches[fd] = watch
  end
  return watch
end

--- Waits until fd is ready for "r" or "w".
---@return boolean|nil, string? # nil, "timeout" | nil, "busy" | nil, err
function loop.wait(fd, mode, deadline)
  local how = loop.how() or misuse("cannot wait here")
  local direction = mode == "r" and READ or WRITE
  local watch = watch_of(fd)
  local waiting = watch[direction]
  if waiting and parked[waiting] ~= nil then return nil, "busy" end
  watch[direction] = running()
  local ok, err = watch:update()
  if not ok then
    watch[direction] = nil
    watch:update()
    if err == "not pollable" then return true end  -- a file: always ready
    return nil, err
  end
  ok, err = park(how, deadline)
  if watch[direction] == running() then
    watch[direction] = nil
    watch:update()
  end
  if ok then return true end
  return nil, err
end

local probe_poller  -- one beside the loop's, that reports to no watcher

--- Whether fd is ready now: as `wait`, without a turn of the loop.
---@return boolean|nil, string? # nil, "timeout" | nil, err
function loop.probe(fd, mode)
  probe_poller = probe_poller or assert(core.poller "poll")
  local ok, err = probe_poller:watch(fd, 1, mode == "r" and READ or WRITE)
  if err == "not pollable" then return true end  -- a file: always ready
  if not ok then return nil, err end
  local found = probe_poller:wait(0)
  probe_poller:watch(fd, 1, 0)
  if found and found > 0 then return true end
  return nil, "timeout"
end

-- Signals ---------------------------------------------------------------------

local handlers = {}  -- name -> function
local signal_watcher = {}

function signal_watcher.ready()
  for name in core.signal_next do
    if handlers[name] then loop.spawn(handlers[name], name) end
  end
  if loop.rearm then loop.rearm(core.signal_fd(), READ) end
end

--- Has f called in a thread of the loop when the signal arrives; nil puts back
--- what was there before.
---@return true|nil, string? err
function loop.signal(name, f)
  if not f then
    handlers[name] = nil
    return core.signal_restore(name)
  end
  local ok, err = core.signal_catch(name)
  if not ok then return nil, err end
  local fd = core.signal_fd()
  if watchers[fd] ~= signal_watcher then loop.register(fd, signal_watcher) end
  handlers[name] = f
  return true
end

-- Turning ---------------------------------------------------------------------

--- Calls source:again() in the next turn, which then does not wait.
function loop.again(source)
  again[#again + 1] = source
end

--- Calls sink:flush() at the end of this turn (or the beginning of the next).
function loop.dirty(sink)
  dirty[#dirty + 1] = sink
end

local function flush()
  while dirty[1] do
    local batch = dirty
    dirty = {}
    for i = 1, #batch do guarded(batch[i], "flush") end
  end
end

local function serve_again(batch)
  for i = 1, #batch do guarded(batch[i], "again") end
end

local function serve_descriptors()
  for fd, what in poller.next, poller do
    local watcher = watchers[fd]
    if watcher then guarded(watcher, "ready", what) end
  end
end

local function serve_timers()
  local time = now()
  local due = timers.due
  while true do
    local _, handle = due(timers, time)
    if not handle then return end
    expire(handle)
  end
end

-- Only those that are ready now: what they wake has its turn in the next.
local function serve_threads()
  local stop = last
  while first <= stop do
    local thread = ready[first]
    ready[first] = nil
    first = first + 1
    run_thread(thread)
  end
  if first > last then first, last = 1, 0 end
end

--- Seconds until a timer is due; 0 when something is ready, nil without timers.
function loop.timeout()
  if first <= last or again[1] or dirty[1] then return 0 end
  local at = timers:first()
  return at and math.max(0, at - now())
end

local turn_guard = setmetatable({}, {__close = function()
  turning, current = false, nil
end})

-- One turn; waits at most `timeout` seconds (nil: as long as it takes).
function turn(timeout)
  turning = true
  local _ <close> = turn_guard
  flush()
  local batch = again
  local wait = loop.timeout()
  if batch[1] then again = {} end
  if not wait or timeout and timeout < wait then wait = timeout end
  local n, err = get_poller():wait(wait)
  if not n and err ~= "interrupted" then error("websock: poll: " .. err, 0) end
  serve_again(batch)
  if n then serve_descriptors() end
  serve_timers()
  serve_threads()
  flush()
end

local function check_outside(name)
  if turning then
    misuse("'%s' called inside the loop", name)
  end
end

--- Turns the loop until nothing is left to do, or `stop`.
function loop.run()
  check_outside "run"
  stopped = false
  flush()
  while (work > 0 or first <= last) and not stopped do turn() end
  stopped = false
end

--- One turn of at most `timeout` seconds (default 0).
---@return boolean # whether work remains
function loop.step(timeout)
  check_outside "step"
  turn(timeout or 0)
  return work > 0 or first <= last
end

--- Ends `run` after the turn it is in.
function loop.stop()
  stopped = true
end

--- A descriptor that becomes readable when the loop has something to do, nil
--- where the poller has none.
function loop.pollfd()
  return get_poller():fd()
end

return loop
