-- The reactor: descriptors, timers, and work left for the next turn. It knows nothing
-- of WebSocket and nothing of threads. Its callbacks are
--
--   watcher:ready(what)          a registered descriptor is ready (register, watch)
--   source:again()               a source that stopped early may continue (again)
--   object:expired(handle, late) a timer is due (at)
--
-- All of them are the library's and never wait. References to watchers and timers are
-- weak: users, waiters and the scheduler's `hold` keep them alive. A watcher may also
-- be a conn of the core, which is served in C (csrc/binding/lua_serve.c) as long as
-- nothing has to be decided about it; so is every conn that is marked.

local core = require "websock.core"
local errors = require "websock.io.errors"
local Queue = require "websock.io.queue"

local guarded, now = errors.guarded, core.now

local reactor = {}

local poller
local turn  -- the userdata of lua_turn.c, see `open`
local WEAK = {__mode = "v"}
local timed = setmetatable({}, WEAK)     -- timer handle -> object
local timers
local watchers = setmetatable({}, WEAK)  -- descriptor -> watcher
local sources = Queue.new()

--- Creates the part of a turn that is in C, once. It resumes threads, and removes them
--- from the tables parked and woken then. It calls after(thread, ok, err) when one yields
--- by itself or raises, left(thread) when one has returned, was closed or was ended by
--- another resumer. It lends threads of spare() to callbacks, and calls lent(thread, link,
--- ok, err) when one of these has yielded or raised.
---@return userdata turn
function reactor.open(parked, woken, after, left, lent, spare)
  turn = core.turn(watchers, parked, woken, errors.failed, after, left, lent, spare)
  reactor.turn, sources.turn = turn, turn
  errors.turn, errors.miss = turn, turn.miss
  return turn
end

-- Timers ----------------------------------------------------------------------

--- at(time, object) calls object:expired(handle, late) at this time, or `late` seconds
--- after it if a turn takes that long. Returns a handle for `cancel` and `move`.
--- move(handle, time) sets a timer to another time; it does nothing if the timer is gone.
timers, reactor.at, reactor.cancel, reactor.move = core.timers(timed)

--- Moves a timer to this time, if it is set to a later one.
function reactor.advance(handle, time)
  if time < timers:at(handle) then reactor.move(handle, time) end
end

local function expire(handle, late)
  local object = timed[handle]
  if not object then return end
  timed[handle] = nil
  guarded(object, "expired", handle, late)
end

local function serve_timers(time)
  local due = timers.due
  while true do
    local handle, at = due(timers, time)
    if not handle then return end
    -- a peer that was ready all that time, and is not served yet, is not late itself
    expire(handle, math.max(time - at, turn:backlog()))
  end
end

-- Descriptors -----------------------------------------------------------------

--- Called once, when the poller has been created.
---@param needs_rearm boolean # whether it must be told of short reads and writes
function reactor.on_open() end

-- Returns the poller, which is created on the first call; or nil, err.
local function open_poller()
  if poller then return poller end
  local err
  poller, err = core.poller(os.getenv "WEBSOCK_POLLER")
  if not poller then return nil, err end
  poller:adopt()
  turn:equip(poller, timers, serve_timers)
  reactor.on_open(poller:name() == "poll")
  return poller
end

--- The same; raises on failure.
function reactor.poller()
  return assert(open_poller())
end

--- A descriptor that becomes readable when there is something to do, nil where
--- the poller has none.
function reactor.pollfd()
  return (poller or reactor.poller()):fd()
end

--- Reports readiness of fd to watcher:ready(what), edge-triggered: what is a set
--- of 1 (read), 2 (write), 4 (hangup). If the watcher is a conn, methods of its link
--- are called for what the turn in C does not decide.
---@return true|nil, string? err
function reactor.register(fd, watcher)
  if not poller then
    local opened, why = open_poller()
    if not opened then return nil, why end
  end
  local ok, err = poller:add(fd, fd)
  if ok then watchers[fd] = watcher end
  return ok, err
end

--- Has fd reported again after a short read or write. Only the poll back end needs
--- this.
function reactor.rearm(fd, what)
  poller:rearm(fd, what)
end

--- Watches a user's descriptor, one-shot and level-triggered.
---@param what integer # 1 (read), 2 (write) or both
---@return true|nil, string? err
function reactor.watch(fd, watcher, what)
  local ok, err = open_poller()
  if ok then ok, err = poller:watch(fd, fd, what) end
  if ok then watchers[fd] = watcher end
  return ok, err
end

--- Ends it. Does nothing if fd has another watcher, such as a connection.
function reactor.unwatch(fd, watcher)
  if watchers[fd] == watcher then reactor.unregister(fd) end
end

--- To be called before fd is closed.
---@param alone? boolean # no duplicate of fd exists but what a fork has made
function reactor.unregister(fd, alone)
  if alone then poller:drop(fd) else poller:del(fd) end
  watchers[fd] = nil
end

-- A turn ----------------------------------------------------------------------

--- Calls source:again() in the next turn, which then does not wait.
function reactor.again(source)
  sources:add(source)
end

--- Marks a conn: its queue is written, or its link's flush called, at the end of this
--- turn or the beginning of the next.
function reactor.mark(conn)
  turn:mark(conn)
end

--- Whether there is work for the next turn.
function reactor.has_more()
  return turn:marks() or not sources:is_empty()
end

--- Seconds until a timer is due, nil without timers; 0 when there is work for the next
--- turn.
function reactor.timeout()
  if reactor.has_more() then return 0 end
  local at = timers:first()
  if not at then return nil end
  local left = at - now()
  return left > 0 and left or 0
end

--- The part of a turn before it serves: waits until something is ready or due, but not
--- while a source can continue. Raises if the poller fails.
---@param timeout number? # the most seconds that it may wait; nil: without limit
---@param slice number? # see turn:wait
---@return integer stop # for `react`: the last source of this turn
---@return boolean # whether the poller has answered: if not, no timer may expire yet
function reactor.poll(timeout, slice)
  if not poller then reactor.poller() end
  local stop = sources.last
  if sources.first <= stop then timeout = 0 end
  return stop, turn:wait(timeout, slice)
end

local function serve_source(source) guarded(source, "again") end

--- The part after it: serves sources up to `stop`, until the time `at`, then what is
--- ready, then timers.
function reactor.react(stop, has_polled, at)
  if sources.first <= stop then sources:serve(stop, serve_source, at) end
  local time = turn:serve(poller)
  if has_polled then serve_timers(time) end
end

return reactor
