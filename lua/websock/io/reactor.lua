-- The reactor: descriptors, timers, and what goes on in the next turn. It knows
-- nothing of WebSocket and nothing of threads: what it calls are
--
--   watcher:ready(what)          a registered descriptor is ready (register, watch)
--   source:again()               what stopped early goes on (again)
--   object:expired(handle, late) a timer is due (at)
--
-- All of these are made by the library and never wait. Watchers and timers are
-- referred to weakly: users, waiters and `hold` of the scheduler keep them alive. A
-- watcher may also be a conn of the core, and one whose queue is to be written at
-- the end of the turn always is: these are served in C (csrc/binding/lua_turn.c),
-- as long as nothing has to be decided about them.

local core = require "websock.core"
local guarded = require("websock.io.errors").guarded
local Queue = require "websock.io.queue"

local now = core.now

local reactor = {}

local poller
local turn  -- that of lua_turn.c, see `open`
local timers = core.timers()
local WEAK = {__mode = "v"}
local timed = setmetatable({}, WEAK)     -- timer handle -> object
local watchers = setmetatable({}, WEAK)  -- descriptor -> watcher
local sources = Queue.new()

--- Makes the part of a turn that is in C, once. It resumes threads, and takes them
--- out of the tables parked and woken then: after(thread, ok, err) is told of those
--- that have yielded by themselves or ended, left(thread) of those that have ended out
--- of its sight.
---@return userdata turn
function reactor.open(parked, woken, after, left)
  turn = core.turn(watchers, parked, woken, guarded, after, left)
  reactor.turn = turn
  return turn
end

-- Timers ----------------------------------------------------------------------

--- Calls object:expired(handle, late) at this time, or late seconds after it
--- where the turn before took longer; returns a handle for `cancel`.
function reactor.at(time, object)
  local handle = timers:set(time, 0)
  timed[handle] = object
  return handle
end

--- Has a timer expire at this time, if it is set to a later one.
function reactor.advance(handle, time)
  if time < timers:at(handle) then timers:move(handle, time) end
end

function reactor.cancel(handle)
  timers:cancel(handle)
  timed[handle] = nil
end

local function expire(handle, late)
  local object = timed[handle]
  if not object then return end
  timed[handle] = nil
  guarded(object, "expired", handle, late)
end

local function serve_timers()
  local time = turn:time()
  local due = timers.due
  while true do
    local _, handle, at = due(timers, time)
    if not handle then return end
    expire(handle, time - at)
  end
end

-- Descriptors -----------------------------------------------------------------

--- Is called once, when the poller has been made.
---@param needs_rearm boolean # whether it has to be told of short reads and writes
function reactor.on_open() end

-- The poller, made at the first need of it: or nil, "too many open files".
local function open_poller()
  if poller then return poller end
  local err
  poller, err = core.poller(os.getenv "WEBSOCK_POLLER")
  if not poller then return nil, err end
  reactor.on_open(poller:name() == "poll")
  return poller
end

--- The same for who cannot do without.
function reactor.poller()
  return assert(open_poller())
end

--- A descriptor that becomes readable when there is something to do, nil where
--- the poller has none.
function reactor.pollfd()
  return reactor.poller():fd()
end

--- Reports readiness of fd to watcher:ready(what), edge-triggered: what is a set
--- of 1 (read), 2 (write), 4 (hangup). Where the watcher is a conn, its link is
--- told what the turn in C cannot deal with.
---@return true|nil, string? err
function reactor.register(fd, watcher)
  local ok, err = open_poller()
  if ok then ok, err = poller:add(fd, fd) end
  if ok then watchers[fd] = watcher end
  return ok, err
end

--- A read or write on fd came up short: tell when it is ready again. The poll back
--- end has to be told; for others this does nothing.
function reactor.rearm(fd, what)
  poller:rearm(fd, what)
end

--- One-shot, level-triggered interest in somebody else's descriptor.
---@param what integer # 1 (read), 2 (write) or both
---@return true|nil, string? err
function reactor.watch(fd, watcher, what)
  local ok, err = open_poller()
  if ok then ok, err = poller:watch(fd, fd, what) end
  if ok then watchers[fd] = watcher end
  return ok, err
end

--- Ends it. The poller may know fd as a connection's, and never have heard of it.
function reactor.unwatch(fd, watcher)
  if watchers[fd] == watcher then reactor.unregister(fd) end
end

--- To be called before fd is closed.
function reactor.unregister(fd)
  poller:del(fd)
  watchers[fd] = nil
end

-- A turn ----------------------------------------------------------------------

--- Calls source:again() in the next turn, which then does not wait.
function reactor.again(source)
  sources:add(source)
end

--- Has a conn's queue written at the end of this turn (or the beginning of the
--- next), or calls its link's flush.
function reactor.mark(conn)
  turn:mark(conn)
end

-- Seconds until a timer is due, nil without timers.
local function time_left()
  local at = timers:first()
  if not at then return nil end
  local left = at - now()
  return left > 0 and left or 0
end

--- The same; 0 when something goes on in the next turn.
function reactor.timeout()
  if turn:marks() or not sources:is_empty() then return 0 end
  return time_left()
end

--- The part of a turn before it waits, once the marked conns were flushed.
---@param timeout number? # seconds that it may wait at most
---@return number? wait # for how long it may; nil: as long as it takes
---@return integer stop # for `react`: how far the sources are this turn's
function reactor.prepare(timeout)
  if not poller then reactor.poller() end
  if timeout == 0 or sources.first <= sources.last then return 0, sources.last end
  local wait = time_left()
  if not wait or timeout and timeout < wait then wait = timeout end
  return wait, sources.last
end

--- Waits until something is ready. A signal that interrupts this, such as SIGCONT,
--- hides what is: then that is asked for once more, without waiting.
---@return boolean # whether the poller has told it: else no timer is judged
function reactor.poll(seconds)
  local n, err = poller:wait(seconds)
  if err == "interrupted" then n, err = poller:wait(0) end
  if not n and err ~= "interrupted" then error("websock: poll: " .. err, 0) end
  return n ~= nil
end

local function serve_source(source) guarded(source, "again") end

--- The part after it: sources that were there before, what is ready, timers.
function reactor.react(stop, has_polled)
  if sources.first <= stop then sources:serve(stop, serve_source) end
  turn:serve(poller)
  if has_polled then serve_timers() end
end

return reactor
