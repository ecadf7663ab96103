-- The built-in loop: one per Lua state. It polls descriptors, keeps timers and
-- resumes coroutines; a call that has to wait outside any coroutine turns it
-- itself. It knows nothing of WebSocket: what it calls are
--
--   watcher:ready(what)   a registered descriptor is ready (see loop.register)
--   source:again()        what stopped early goes on (loop.again)
--   timer:expired(handle, late) a timer is due (loop.at)
--
-- All of these are made by the library and never wait. Watchers and timers are
-- referred to weakly: users, waiters and loop.hold keep them alive. A watcher may
-- also be a conn of the core, and one whose queue is to be written at the end of
-- the turn always is: these are served in C (loop.turn, csrc/binding/lua_turn.c), as long
-- as nothing has to be decided about them.

local core = require "websock.core"
local log = require "websock.base.log"
local misuse = require "websock.base.misuse"
local text_of = require "websock.base.text"
local Queue = require "websock.io.queue"

local now = core.now
local running, status = coroutine.running, coroutine.status
local unpack, pack = table.unpack, table.pack

local loop = {now = now, name = "loop"}

local poller
local timers = core.timers()
local weak_values = {__mode = "v"}
local timed = setmetatable({}, weak_values)     -- timer handle -> object or thread
local watchers = setmetatable({}, weak_values)  -- descriptor -> watcher

local alive = {}          -- spawned thread -> who is told of its end, or true
local held = {}           -- what keeps `run` going beside threads
local work = 0            -- the number of both
local parked = {}         -- waiting thread -> what it waits for, until it goes on
local deadlines = {}      -- waiting thread -> handle of its timer
local values = {}         -- thread that will go on -> packed values, or NONE
local ready = Queue.new() -- threads that will go on
local rested = Queue.new() -- threads that go on in the next turn
local sated = Queue.new() -- those that have taken their share of messages
local again = Queue.new()

local in_c                -- the turn of lua_turn.c, made below
local outside             -- the desk (see lua_threads.c) that the loop is turned for
local visitors = setmetatable({}, {__mode = "k"})  -- a thread outside -> its desk
local stopped = false

loop.on_error = nil       -- function(err, thread, traceback); nil: stderr
local failure             -- {err} of the first that raised then, until `run` returns

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

--- Calls object:expired(handle, late) at this time, or late seconds after it
--- where the turn before took longer; returns a handle for `cancel`.
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

local NONE = {n = 0}
local TIMEOUT = {n = 2, nil, "timeout"}

-- A thread goes on with these values at the next turn of the ready list, or of
-- another queue.
local function let_go_on(thread, packed, queue)
  values[thread] = packed
  if thread ~= outside then (queue or ready):add(thread) end
end

local function cancel_deadline(thread)
  local timer = deadlines[thread]
  if timer then
    deadlines[thread] = nil
    loop.cancel(timer)
  end
end

--- Lets a thread that waits for `what` go on with these values, at the loop's
--- next turn of the ready list, never inside this call.
---@return boolean # false if it does not wait for that (any more)
function loop.wake(what, thread, ...)
  if parked[thread] ~= what or values[thread] then return false end
  cancel_deadline(thread)
  let_go_on(thread, select("#", ...) > 0 and pack(...) or NONE)
  return true
end

--- Lets a thread go on that has the seat of a conn: it waits for nothing that is
--- known here, but may have a deadline. last: after everybody else, with those that
--- have had their share of messages.
function loop.go_on(thread, last)
  if not values[thread] then let_go_on(thread, NONE, last and sated) end
end

--- Whether a thread waits for `what`, or has been woken from it and not yet gone
--- on. One that was closed or interrupted does not.
function loop.waits_for(what, thread)
  return parked[thread] == what
end

-- Threads ---------------------------------------------------------------------

local function report(err, thread, traceback)
  local handler = loop.on_error
  if handler then
    local ok, second = pcall(handler, err, thread, traceback)
    if ok then return end
    traceback = traceback .. "\nand on_error raised: " .. text_of(second)
  end
  log.stderr(traceback)
end

--- Reports an error that belongs to no connection.
loop.report = report

-- Calls object:method(...). An error there is the library's own or means that
-- memory ran out: it costs this object, and nobody else.
local function guarded(object, method, ...)
  local ok, err = pcall(object[method], object, ...)
  if ok then return end
  if object.failed then pcall(object.failed, object) end
  report(err, nil, text_of(err))
end

-- A thread goes on, or never will.
local function unpark(thread)
  cancel_deadline(thread)
  parked[thread], values[thread] = nil, nil
end

-- Forgets all about a thread that is dead, however it died.
local function forget(thread)
  unpark(thread)
  local owner = alive[thread]
  if owner then
    alive[thread] = nil
    work = work - 1
  end
  return owner
end

-- The traceback of a thread that raised, whose variables are then closed.
local function post_mortem(thread, err)
  local told, traceback = pcall(debug.traceback, thread, text_of(err))
  if not told then traceback = text_of(err) end  -- no memory for it
  local closed, second = coroutine.close(thread)
  if not closed and second ~= err then
    traceback = traceback .. "\nand while closing: " .. text_of(second)
  end
  return traceback
end

-- A spawned function has raised, and nobody has asked to be told.
local function remember(err)
  if failure or loop.on_error then return end
  if err == nil then err = "nil" end  -- "nil, nil" would name no error
  failure = {err}
end

local function finish(thread, ok, err)
  local owner = forget(thread)
  local traceback = not ok and post_mortem(thread, err) or nil
  if type(owner) == "table" then
    guarded(owner, "thread_ended", ok, err, traceback)
  elseif not ok then
    remember(err)
    report(err, thread, traceback)
  end
end

-- A thread that was resumed has yielded or ended; ok is nil if it has parked, and
-- false if it can be let go on no more.
local function after(thread, ok, ...)
  if ok == nil then return end
  if not ok or status(thread) == "dead" then
    finish(thread, ok, ...)
  elseif parked[thread] == nil then
    local queue = in_c:has_rested() and sated or rested
    queue:add(thread)  -- it yielded by itself: a turn for the others
  end
end

-- Lets go of a thread that has ended out of the loop's sight.
local function disown(thread)
  local owner = forget(thread)
  if type(owner) == "table" then owner:thread_ended(true) end
end

local function let_rested_go_on(thread)
  let_go_on(thread, NONE)
end

-- One that is dead was closed, or a stranger has resumed it to its end.
local function bury(thread)
  if not alive[thread] then return end
  local raised, err = in_c:has_raised(thread)
  if raised then finish(thread, false, err) else disown(thread) end
end

local function run_thread(thread)
  local woken, state = values[thread], status(thread)
  unpark(thread)
  if state == "dead" then
    bury(thread)
  elseif state ~= "suspended" then  -- it rested, and a stranger has it now
    rested:add(thread)
  elseif woken then
    after(thread, in_c:resume(thread, unpack(woken, 1, woken.n)))
  end
end

in_c = core.turn(watchers, guarded, after, disown)

--- What serves connections in C.
loop.turn = in_c

--- Runs f(...) in a thread of its own, from the next turn on.
---@param owner table? # its thread_ended(ok, err, traceback) is called at the
---   end; without one an error goes to on_error
---@return thread
function loop.spawn_for(owner, f, ...)
  local thread = in_c:thread()
  alive[thread] = owner or true
  work = work + 1
  let_go_on(thread, pack(f, ...))
  return thread
end

function loop.spawn(f, ...)
  return loop.spawn_for(nil, f, ...)
end

-- Waiting ---------------------------------------------------------------------

--- How a call made here can wait: "yield" in a thread of the loop, "turn"
--- outside all of them, nil where it cannot.
function loop.how()
  return in_c:how()
end

--- The thread that has called the library.
---@return thread, boolean is_main
function loop.caller()
  return in_c:caller()
end

-- Why a call made here cannot wait.
local function obstacle()
  if in_c:is_current() then
    return "a C function on the way, such as table.sort, string.gsub or "
      .. "coroutine.close, cannot yield"
  end
  local _, is_main = running()
  if is_main or in_c:is_pump() then
    return "a finalizer, or a function that the loop calls, must not hold it up"
  end
  return "this coroutine, an iterator of coroutine.wrap perhaps, is none of the "
    .. "loop's, but runs inside one"
end

--- The same for who has to wait: raises where it cannot.
---@param where? string # who was called
function loop.must(where)
  local how = loop.how()
  if how then return how end
  misuse("%s: cannot wait here: %s", where or "park", obstacle())
end

local turn

local function expire(timer, late)
  local object = timed[timer]
  if not object then return end
  timed[timer] = nil
  if type(object) == "thread" then
    deadlines[object] = nil
    if not values[object] then let_go_on(object, TIMEOUT) end
  else
    guarded(object, "expired", timer, late)
  end
end

-- Turns the loop until the desk `thread` has been woken, and returns the values for
-- it; without one, once. Runs in the caller's thread: Ctrl-C may end it anywhere.
local function turn_until(thread)
  if not thread then return turn() end
  outside = thread
  repeat
    turn()
  until values[thread]
  outside = nil
  local woken = values[thread]
  unpark(thread)
  return unpack(woken, 1, woken.n)
end

--- f as it is called from outside the loop: in a thread of the library's own,
--- where an error ends nothing but a wait.
---@param f function
---@return function
function loop.wrap(f)
  return in_c:wrap(f, turn_until)
end

--- The same for these of an object's methods.
---@param names string
function loop.wrap_methods(object, names)
  for name in names:gmatch "%g+" do object[name] = loop.wrap(object[name]) end
end

--- Calls f(...) so.
loop.call = loop.wrap(function(f, ...) return f(...) end)

-- At the desk a wait may end by an error.
local desk_guard = {__close = function(self) visitors[self.caller] = nil end}

local function park_at_desk(thread)
  local caller = loop.caller()
  local _ <close> = setmetatable({caller = caller}, desk_guard)
  visitors[caller] = thread
  return in_c:park()
end

--- Lets the running thread, which then waits, go on with nil, "timeout" at this
--- time of `now`.
function loop.deadline(at)
  local thread = running()
  deadlines[thread] = loop.at(at, thread)
end

--- Waits until somebody wakes the calling thread from this.
---@param deadline number? # a time of `now`
---@param what any # what it waits for: only who names it wakes it
---@param where? string # who was called
---@return any ... # the values of `wake`, or nil, "timeout"
loop.park = loop.wrap(function(deadline, what, where)
  local how = loop.must(where)
  local thread = running()
  parked[thread] = what
  if deadline then loop.deadline(deadline) end
  if how == "turn" then return park_at_desk(thread) end
  return in_c:park()
end)

--- The thread that waits for one outside the loop; others wait for themselves.
function loop.visitor(thread)
  return visitors[thread] or thread
end

local SLEEP = {}  -- nobody wakes a sleeper

function loop.sleep(seconds)
  loop.park(now() + seconds, SLEEP, "sleep")
end

-- Descriptors -----------------------------------------------------------------

-- A read or write on fd came up short: tell when it is ready again. Only the
-- poll back end has to be told; elsewhere loop.rearm is nil.
local function rearm(fd, what)
  poller:rearm(fd, what)
end

-- The poller, made at the first need of it: or nil, "too many open files".
local function open_poller()
  if poller then return poller end
  local err
  poller, err = core.poller(os.getenv "WEBSOCK_POLLER")
  if not poller then return nil, err end
  loop.rearm = poller:name() == "poll" and rearm or nil
  return poller
end

--- The same for who cannot do without.
function loop.poller()
  return assert(open_poller())
end

--- Reports readiness of fd to watcher:ready(what), edge-triggered: what is a set
--- of 1 (read), 2 (write), 4 (hangup). Where the watcher is a conn, its link is
--- told what the turn in C cannot deal with.
---@return true|nil, string? err
function loop.register(fd, watcher)
  local ok, err = open_poller()
  if ok then ok, err = poller:add(fd, fd) end
  if ok then watchers[fd] = watcher end
  return ok, err
end

--- One-shot, level-triggered interest in somebody else's descriptor.
---@param what integer # 1 (read), 2 (write) or both
---@return true|nil, string? err
function loop.watch(fd, watcher, what)
  local ok, err = open_poller()
  if ok then ok, err = poller:watch(fd, fd, what) end
  if ok then watchers[fd] = watcher end
  return ok, err
end

--- Ends it. The poller may know fd as a connection's, and never have heard of it.
function loop.unwatch(fd, watcher)
  if watchers[fd] == watcher then loop.unregister(fd) end
end

--- To be called before fd is closed.
function loop.unregister(fd)
  poller:del(fd)
  watchers[fd] = nil
end

-- Turning ---------------------------------------------------------------------

--- Calls source:again() in the next turn, which then does not wait.
function loop.again(source)
  again:add(source)
end

--- Has a conn's queue written at the end of this turn (or the beginning of the
--- next), or calls its link's flush.
function loop.mark(conn)
  in_c:mark(conn)
end

local function serve_source(source) guarded(source, "again") end

local function serve_timers()
  local time = in_c:time()
  local due = timers.due
  while true do
    local _, handle, at = due(timers, time)
    if not handle then return end
    expire(handle, time - at)
  end
end

--- Seconds until a timer is due; 0 when something is ready, nil without timers.
function loop.timeout()
  -- Queue:is_empty of each, without a call: this is done in each turn
  if ready.first <= ready.last or rested.first <= rested.last or again.first <= again.last
      or sated.first <= sated.last or in_c:marks() then
    return 0
  end
  local at = timers:first()
  return at and math.max(0, at - now())
end

-- The part of a turn before it waits: for how long it may, and how far the list of
-- what goes on is this turn's.
local function begin(timeout)
  if rested.first <= rested.last then rested:serve(rested.last, let_rested_go_on) end
  in_c:flush()
  if not poller then loop.poller() end
  local wait = loop.timeout()
  if not wait or timeout and timeout < wait then wait = timeout end
  return wait, again.last, sated.last
end

-- Waits until something is ready. A signal that interrupts this, such as SIGCONT,
-- hides what is: then that is asked for once more, without waiting.
---@return boolean # whether the poller has told it: else no timer is judged
local function poll(seconds)
  local n, err = poller:wait(seconds)
  if err == "interrupted" then n, err = poller:wait(0) end
  if not n and err ~= "interrupted" then error("websock: poll: " .. err, 0) end
  return n ~= nil
end

local SHARE = 1 << 20  -- bytes of messages in a turn, for all who are sated

local function serve_sated(thread)
  values[thread] = values[thread] or NONE
  run_thread(thread)
end

-- Those who have had their share go on in their order, each once and as long as
-- they take no more than one share in all; after everybody else, whose answers
-- leave before.
local function share(stop)
  local limit = in_c:delivered() + SHARE
  while sated.first <= stop and not sated:is_empty() and in_c:delivered() < limit do
    sated:serve(sated.first, serve_sated)
  end
end

-- The part after it.
local function serve(stop, behind, has_polled)
  if again.first <= stop then again:serve(stop, serve_source) end  -- those that were there before
  in_c:serve(poller)
  if has_polled then serve_timers() end
  -- whom these wake has its turn in the next
  if ready.first <= ready.last then ready:serve(ready.last, run_thread) end
  in_c:flush()
  if sated.first <= sated.last then
    share(behind)
    in_c:flush()
  end
end

-- One turn; waits at most `timeout` seconds (nil: as long as it takes). Outside of
-- its two parts an error may break it off, and nothing is lost: what the poller has
-- found waits for the next.
function turn(timeout)
  local wait, stop, behind = in_c:enter(begin, timeout)
  local has_polled = poll(wait)
  in_c:enter(serve, stop, behind, has_polled)
end

local function check_outside(name)
  if in_c:is_turning() then
    misuse("%s: cannot be called inside the loop", name)
  end
end

local function flush() in_c:flush() end

-- How a run has gone; what came before it, since the last one, counts too.
local function outcome()
  if not failure then return true end
  local err = failure[1]
  failure = nil
  return nil, err
end

--- Turns the loop until nothing is left to do, or `stop`.
---@return true|nil, any err # the first error of a spawned function since the last
---   `run`, unless there is an on_error
function loop.run()
  check_outside "run"
  stopped = false
  in_c:enter(flush)
  while (work > 0 or not ready:is_empty()) and not stopped do turn() end
  stopped = false
  return outcome()
end

--- One turn of at most `timeout` seconds (default 0).
---@return boolean # whether work remains
function loop.step(timeout)
  check_outside "step"
  turn(timeout or 0)
  return work > 0 or not ready:is_empty()
end

--- Ends `run` after the turn it is in.
function loop.stop()
  stopped = true
end

--- A descriptor that becomes readable when the loop has something to do, nil
--- where the poller has none.
function loop.pollfd()
  return loop.poller():fd()
end

misuse.caller = loop.caller

return loop
