-- The built-in event loop, one per Lua state, put together from its parts: the
-- reactor serves descriptors and timers, the scheduler resumes threads. A turn of the
-- loop runs both, in a fixed order. A call that has to wait outside any coroutine
-- turns the loop itself.

local delegate = require "websock.io.delegate"
local errors = require "websock.io.errors"
local guests = require "websock.io.guests"
local misuse = require "websock.base.misuse"
local pumps = require "websock.io.pumps"
local reactor = require "websock.io.reactor"
local scheduler = require "websock.io.scheduler"
local signal = require "websock.io.signal"
local watch = require "websock.io.watch"
local now = require("websock.core").now

local in_c = reactor.turn
local ready, rested, sated = scheduler.ready, scheduler.rested, scheduler.sated
local get_ready, resume = scheduler.get_ready, scheduler.resume
local poll, react = reactor.poll, reactor.react
local enter, flush, marks, quick = in_c.enter, in_c.flush, in_c.marks, in_c.quick
local is_left = in_c.is_left
local stopped = false

-- Seconds for which a turn serves what is ready, and then again receivers that have taken
-- their share of messages; what is left over goes on in the next turn. So tasks of a host,
-- and timers, do not wait until a flood is over. All woken threads run in each turn: else
-- more might be woken than run.
local SLICE = 0.001

local loop = {
  name = "loop", now = now,
  --- The part of the loop that serves connections in C.
  turn = in_c,

  at = reactor.at, move = reactor.move, advance = reactor.advance, cancel = reactor.cancel,
  register = reactor.register, unregister = reactor.unregister,
  watch = reactor.watch, unwatch = reactor.unwatch,
  rearm = nil,  -- set below, once the poller is known
  again = reactor.again, mark = reactor.mark,
  poller = reactor.poller, pollfd = reactor.pollfd,

  hold = scheduler.hold, release = scheduler.release,
  spawn = scheduler.spawn, spawn_for = scheduler.spawn_for,
  lend = scheduler.lend, call_back = scheduler.call_back,
  start_for = scheduler.start_for,
  how = scheduler.how, must = scheduler.must, caller = scheduler.caller,
  visitor = scheduler.visitor, deadline = scheduler.deadline,
  wake = scheduler.wake, go_on = scheduler.go_on, waits_for = scheduler.waits_for,

  find_host = guests.find, place_hooks = guests.place_hooks, use = guests.use,
  check_turnable = guests.check_turnable,

  report = errors.report, signal = signal, probe = watch.probe,
}

misuse.caller = scheduler.caller

-- Links test this field before they call it: only the poll back end has to be told of
-- short reads and writes.
function reactor.on_open(needs_rearm)
  loop.rearm = needs_rearm and reactor.rearm or nil
end

-- Turning ---------------------------------------------------------------------

-- The part of a turn before it waits, if there is anything to do: what was left by the
-- turn before, or came since.
local function begin()
  if rested.first <= rested.last then rested:serve(rested.last, get_ready) end
  flush(in_c)
end

-- The part after it that resumes threads: the queue of sated ones up to the place
-- `behind`, once all that was ready is served. Those that are woken meanwhile run in the
-- next turn.
local function finish(slice, behind)
  if ready.first <= ready.last then ready:serve(ready.last, resume) end
  flush(in_c)
  if sated.first <= sated.last and not is_left(in_c) then
    scheduler.share(behind, slice and now() + slice)
    flush(in_c)
  end
end

-- All of it.
local function serve(slice, behind, stop, has_polled)
  react(stop, has_polled, slice and now() + slice)
  finish(slice, behind)
end

-- A turn with all its parts.
local function turn_whole(timeout, slice, behind)
  if rested.first <= rested.last or marks(in_c) then enter(in_c, begin) end
  if ready.first <= ready.last or sated.first <= behind then timeout = 0 end
  local stop, has_polled = poll(timeout, slice)
  enter(in_c, serve, slice, behind, stop, has_polled)
end

local function has_more()
  return not (ready:is_empty() and rested:is_empty() and sated:is_empty())
    or reactor.has_more()
end

-- One turn; waits at most `timeout` seconds (nil: without limit). Usually C does all of
-- it: see lua_quick.c. Ctrl-C may raise an error anywhere but in the parts that `enter`
-- and `quick` call. Nothing is lost then: the next turn serves what the poller has found.
-- slice: SLICE, or nil, with which all that is ready is served, however long that takes.
-- many: this may be many turns, until there is something for `run` to look at.
local function turn_once(timeout, slice, many)
  local behind = sated.last
  local done = quick(in_c, timeout, slice, many)
  if done then return end
  if done == nil then
    enter(in_c, finish, slice, behind)
  else
    turn_whole(timeout, slice, behind)
  end
  if not has_more() then in_c:calm() end
end

--- Seconds until a timer is due; 0 when something is ready, nil without timers.
function loop.timeout()
  return (has_more() or is_left(in_c)) and 0 or reactor.timeout()
end

function pumps.turn_once() turn_once(0, SLICE) end

local function wait_once() turn_once(nil, SLICE) end

local function check_outside(name)
  guests.check_turnable(name)
  if in_c:is_turning() then
    misuse("%s: cannot be called inside the loop", name)
  end
end

--- Turns the loop until nothing is left to do, or `stop`.
---@return true|nil, any err # the first error of a spawned function since the last
---   `run`, unless there is an on_error
function loop.run()
  check_outside "run"
  stopped = false
  enter(in_c, flush, in_c)
  while scheduler.has_work() and not stopped do turn_once(nil, SLICE, true) end
  stopped = false
  return errors.outcome()
end

--- One turn of at most `timeout` seconds (default 0).
---@return boolean # whether work remains
function loop.step(timeout)
  check_outside "step"
  turn_once(timeout or 0)
  return scheduler.has_work()
end

-- What `stop` ends beside `run`.
local stoppable = setmetatable({}, {__mode = "k"})

--- Has object:stop() called by `stop`.
function loop.at_stop(object) stoppable[object] = true end

--- Ends that.
function loop.not_at_stop(object) stoppable[object] = nil end

--- Ends `run` after the turn it is in.
function loop.end_run()
  stopped = true
  in_c:busy()  -- `run` has to look
end

--- The same, and ends what at_stop was called for.
function loop.stop()
  loop.end_run()
  for object in pairs(stoppable) do errors.guarded(object, "stop") end
end

-- Calls from outside ----------------------------------------------------------

-- What a call from outside asks for: see turn_wrap in lua_desk.c.
local outside = {
  owner = guests.owner, touch = pumps.touch, wait = scheduler.waiter(wait_once),
}

--- Returns a function that calls f; if it is called outside the loop, in a thread of
--- the library's own, where Ctrl-C can interrupt nothing but a wait.
---@param f function
---@return function
function loop.wrap(f)
  return in_c:wrap(f, outside)
end

--- Wraps these methods of an object.
---@param names string
function loop.wrap_methods(object, names)
  for name in names:gmatch "%g+" do object[name] = loop.wrap(object[name]) end
end

--- Calls f(...) wrapped.
loop.call = loop.wrap(function(f, ...) return f(...) end)

--- See scheduler.park and watch.wait.
loop.park, loop.wait = loop.wrap(scheduler.park), loop.wrap(watch.wait)

delegate.wake = loop.wrap(scheduler.wake)

--- Calls f(...) wrapped; if the caller is outside the loop, as a coroutine of this host.
function loop.call_as(host, f, ...)
  return guests.call_as(host, loop.call, f, ...)
end

local SLEEP = {}  -- what `sleep` waits for: only its deadline wakes it

function loop.sleep(seconds)
  loop.park(now() + seconds, SLEEP, "sleep")
end

return loop
