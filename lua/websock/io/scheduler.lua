-- The scheduler: the threads of the loop, what each of them waits for, and the order
-- in which they are resumed.
--
-- Three kinds of callers wait. A thread of the loop yields, and is resumed from a queue.
-- A call from outside the loop runs at the desk, a thread of the library's own (see
-- lua_desk.c), while its caller turns the loop until the desk is woken; or, if the
-- caller is a coroutine of another scheduler, waits there (see guests.lua). `how`
-- (websock_how in C) tells which of them calls, `park` and lua_ws_receive.c how it waits,
-- `let_go_on` how it is resumed.

local errors = require "websock.io.errors"
local misuse = require "websock.base.misuse"
local Queue = require "websock.io.queue"
local reactor = require "websock.io.reactor"
local text_of = require "websock.base.text"
local trace = require "websock.base.trace"

local now = require("websock.core").now
local running, status = coroutine.running, coroutine.status
local unpack = table.unpack

-- The loop reads the queues.
local ready = Queue.new()   -- threads to resume
local rested = Queue.new()  -- threads to resume in the next turn
local sated = Queue.new()   -- threads that have taken their share of messages

local scheduler = {ready = ready, rested = rested, sated = sated}

local held = {}   -- what keeps `run` going: spawned thread -> owner, whose
                  -- thread_ended is called, or true; other object -> true;
                  -- a thread that may be lent -> false, which does not count
local work = 0    -- the number of these

local function weak_keys() return setmetatable({}, {__mode = "k"}) end

-- Weak, because a host may drop a coroutine while it waits. Threads of the loop are
-- in `held`, and a desk is on the stack of its caller.
local parked = weak_keys()     -- waiting thread -> what it waits for, until resumed
local deadlines = weak_keys()  -- waiting thread -> handle of its timer
local sleeping = setmetatable({}, {__mode = "v"})  -- that handle -> the thread
local values = weak_keys()     -- woken thread -> packed values
local desks = weak_keys()      -- desk that has waited -> its caller's host, or true
local visitors = weak_keys()   -- a caller outside that waits -> its desk
local callers = setmetatable({}, {__mode = "kv"})  -- desk -> its caller in a host

local turn  -- the userdata of lua_turn.c

-- Work ------------------------------------------------------------------------

--- Keeps `run` going, and `object` alive, until `release`.
function scheduler.hold(object)
  if held[object] then return end
  held[object] = true
  work = work + 1
end

-- Returns the owner of a thread, true if it has none, nil if `object` is not held.
local function release(object)
  local owner = held[object]
  if not owner then return nil end
  held[object] = nil
  work = work - 1
  if work == 0 then turn:busy() end  -- `run` has to look
  return owner
end

scheduler.release = release

--- Whether anything is left to do.
function scheduler.has_work()
  return work > 0 or not ready:is_empty()
end

-- Waking ----------------------------------------------------------------------

-- Values of a thread, as turn:resume unpacks them: their number comes first.
local function pack(...) return {select("#", ...), ...} end

local NONE, TIMEOUT = pack(), pack(nil, "timeout")

local function cancel_deadline(thread)
  reactor.cancel(deadlines[thread])
  deadlines[thread] = nil
end

-- Has the caller of a desk go on, which resumes the desk. One whose loop is turned by
-- its caller is seen there.
local function call_back_caller(desk, host)
  local caller = host ~= true and callers[desk]
  if caller then host.wake(caller) end
end

-- Queues a thread to be resumed with these values, in the ready queue or another. If
-- this raises for lack of memory the thread waits as before: `resume` ignores a queued
-- thread that has no values.
local function let_go_on(thread, packed, queue)
  local host = desks[thread]
  if host then
    call_back_caller(thread, host)
  else
    (queue or ready):add(thread)
  end
  values[thread] = packed
  if deadlines[thread] then cancel_deadline(thread) end
end

--- Wakes a thread that waits for `what`, with these values. The loop resumes it from
--- the ready queue, never inside this call.
---@return boolean # false if it does not wait for that (any more)
function scheduler.wake(what, thread, ...)
  if parked[thread] ~= what or values[thread] then return false end
  let_go_on(thread, select("#", ...) > 0 and pack(...) or NONE)
  return true
end

--- Wakes a thread that has the seat of a conn: it is not in `parked`, but may have a
--- deadline. last: resumes it after all others, with those that have taken their share
--- of messages.
function scheduler.go_on(thread, last)
  if not values[thread] then let_go_on(thread, NONE, last and sated) end
end

--- Whether a thread waits for `what`, or was woken from it and not yet resumed. One
--- that was closed or interrupted does not.
function scheduler.waits_for(what, thread)
  return parked[thread] == what
end

-- The end of a thread ---------------------------------------------------------

-- Forgets that a thread waits: it is resumed now, or has ended.
local function unpark(thread)
  if deadlines[thread] then cancel_deadline(thread) end
  parked[thread], values[thread] = nil, nil
end

-- Returns the traceback of a thread that raised, and closes its variables.
local function post_mortem(thread, err)
  local told, traceback = pcall(trace.of, thread, err)
  if not told then traceback = text_of(err) end  -- no memory for it
  local closed, second = coroutine.close(thread)
  if not closed and second ~= err then
    traceback = traceback .. "\nand while closing: " .. text_of(second)
  end
  return traceback
end

-- Closes the variables of a thread that has failed, and tells its owner. Without one the
-- error is reported.
local function tell_failed(owner, thread, err)
  local traceback = post_mortem(thread, err)
  if owner ~= true then return owner:thread_ended(false, err, traceback) end
  errors.remember(err)
  errors.report(err, thread, traceback)
end

-- Tells the owner of a thread, if it has one, that it has returned.
local function tell_returned(owner)
  if owner ~= true then owner:thread_ended(true) end
end

-- Forgets a thread that has returned, raised, run out of memory or been closed, and
-- tells its owner. Only the first call for a thread does so.
local function finish(thread, ok, err)
  unpark(thread)
  local owner = release(thread)
  if not owner then return end
  local told, why = pcall(ok and tell_returned or tell_failed, owner, thread, err)
  if not told then errors.failed(owner ~= true and owner or {}, why) end
end

-- Called for a thread that was closed, that another resumer ran to its end, or that C
-- has resumed and that has returned; also for a desk.
local function left(thread)
  finish(thread, true)
end

-- The same for a dead thread of which `left` was not called: it had not begun, or has
-- raised.
local function bury(thread)
  local raised, err = turn:has_raised(thread)
  finish(thread, not raised, err)
end

-- Resuming --------------------------------------------------------------------

-- Queues a thread that has yielded without waiting for anything.
local function go_round(thread)
  if turn:has_rested() then
    let_go_on(thread, NONE, sated)
  else
    rested:add(thread)  -- it yielded by itself, so that others run
  end
end

-- Called when a resumed thread has yielded or ended. ok is nil if it has parked, false
-- if it cannot be resumed any more.
local function after(thread, ok, err)
  if ok == nil then return end
  if not ok or status(thread) == "dead" then
    finish(thread, ok, err)
  elseif not parked[thread] then
    local queued, why = pcall(go_round, thread)
    if not queued then finish(thread, false, why) end
  end
end

-- Returns a thread that C lends to callbacks. It has a place in `held`, so that `lent`
-- needs no memory.
local function spare()
  local thread = turn:thread()
  held[thread] = false
  return thread
end

-- Called when a callback has yielded or raised in a thread that was lent to it: from now
-- on that is a thread of the loop, owned by the link. ok: as for `after`.
local function lent(thread, link, ok, err)
  held[thread] = link
  work = work + 1
  after(thread, ok, err)
end

turn = reactor.open(parked, values, after, left, lent, spare)
ready.turn, rested.turn, sated.turn = turn, turn, turn
local new_thread, start_thread = turn.thread, turn.start  -- for each connection

--- Makes a rested thread ready, in a new turn. It has no deadline.
function scheduler.get_ready(thread)
  ready:add(thread)
  values[thread] = NONE
end

--- Resumes a thread from a queue.
function scheduler.resume(thread)
  local state = status(thread)
  if state == "dead" then
    bury(thread)
  elseif state ~= "suspended" then  -- it rested, and another resumer runs it now
    rested:add(thread)
  elseif values[thread] then  -- else it was resumed already
    after(thread, turn:resume(thread))
  end
end

local SHARE = 1 << 20  -- bytes of messages in a turn, for all sated threads

--- Resumes the sated threads in order, each once, until together they have taken one
--- share, or the time `at` has come. The loop calls this after all that was ready was
--- served, all other threads ran and their output was written.
---@param behind integer # the last place of this turn's in the queue
---@param at number?
function scheduler.share(behind, at)
  local limit = turn:delivered() + SHARE
  while sated.first <= behind and not sated:is_empty() and turn:delivered() < limit do
    sated:serve(sated.first, scheduler.resume)
    if at and now() >= at then break end
  end
end

-- Spawning --------------------------------------------------------------------

-- Runs f(...) in a thread of its own, which is resumed from this queue.
local function start(owner, queue, f, ...)
  local thread, packed = turn:thread(), pack(f, ...)
  let_go_on(thread, false, queue)  -- `resume` ignores it: it has no values yet
  held[thread] = owner or true     -- the last line that may raise for lack of memory
  work, values[thread] = work + 1, packed
  return thread
end

--- Runs f(...) in a thread of its own, from the next turn on.
---@param owner table? # its thread_ended(ok, err, traceback) is called at the
---   end; without one an error goes to on_error
---@return thread
function scheduler.spawn_for(owner, f, ...)
  return start(owner, ready, f, ...)
end

--- The function that calls the callbacks of a conn, in a thread of the loop.
scheduler.call_back = turn:call_back()

--- Lends a thread to the callbacks of a link.
---@param last boolean? # resumes it after all others
function scheduler.lend(link, last)
  start(link, last and sated or ready, scheduler.call_back, link.conn)
  link.conn:calling()
end

--- Runs f(argument) for an owner at once. Only for what the loop calls in its turn.
function scheduler.start_for(owner, f, argument)
  local thread = new_thread(turn)
  held[thread] = owner
  work = work + 1
  after(thread, start_thread(turn, thread, f, argument))
end

function scheduler.spawn(f, ...)
  return scheduler.spawn_for(nil, f, ...)
end

-- Waiting ---------------------------------------------------------------------

--- How a call made here can wait: "yield" in a thread of the loop, "turn" outside
--- the loop, nil if it cannot.
function scheduler.how()
  return turn:how()
end

--- The thread that has called the library.
---@return thread, boolean is_main
function scheduler.caller()
  return turn:caller()
end

-- Why a call made here cannot wait.
local function obstacle()
  if turn:is_refused() then
    return "this is a callback of another scheduler, or a coroutine, an iterator of "
      .. "coroutine.wrap perhaps, that runs inside one of its own"
  elseif turn:is_current() then
    return "a C function on the way, such as table.sort, string.gsub or "
      .. "coroutine.close, cannot yield"
  end
  local _, is_main = running()
  if is_main or turn:is_pump() then
    return "a finalizer, or a function that the loop calls, must not hold it up"
  end
  return "this coroutine, an iterator of coroutine.wrap perhaps, is none of the "
    .. "loop's, but runs inside one"
end

--- The same; raises if the call cannot wait.
---@param where? string # the name of the function called
function scheduler.must(where)
  local how = turn:how()
  if how then return how end
  misuse("%s: cannot wait here: %s", where or "park", obstacle())
end

-- The object of all deadlines' timers.
local alarm = {}

--- Called by the reactor when a deadline is over.
function alarm.expired(_, handle)
  local thread = sleeping[handle]
  sleeping[handle] = nil
  if not thread or deadlines[thread] ~= handle then return end
  deadlines[thread] = nil
  if not values[thread] then let_go_on(thread, TIMEOUT) end
end

--- Wakes the running thread, which waits next, with nil, "timeout" at this time of
--- `now`.
function scheduler.deadline(at)
  local thread, handle = running(), reactor.at(at, alarm)
  sleeping[handle] = thread
  deadlines[thread] = handle
end

--- Waits until `wake` is called for the calling thread.
---@param deadline number? # a time of `now`
---@param what any # what it waits for: `wake` has to name the same
---@param where? string # the name of the function called
---@return any ... # the values of `wake`, or nil, "timeout"
function scheduler.park(deadline, what, where)
  scheduler.must(where)
  local thread = running()
  parked[thread] = false  -- makes room: if `deadline` raises, the thread does not wait
  if deadline then scheduler.deadline(deadline) end
  parked[thread] = what
  return turn:park()
end

--- The desk that waits for a caller outside the loop; any other thread itself.
function scheduler.visitor(thread)
  return visitors[thread] or thread
end

local function turn_until_woken(desk, turn_once)
  desks[desk] = true
  repeat turn_once() until values[desk]
end

local function park_until_woken(desk, host, caller)
  desks[desk], callers[desk] = host, caller
  repeat host.park(caller) until values[desk]
end

--- Returns the function by which a desk waits: wait(host, desk) returns the values that
--- the desk is woken with. Its caller turns the loop until then, or parks in its host if
--- it has one; without a desk only once. This runs in the caller's thread, where Ctrl-C
--- may interrupt it anywhere. The desk must not refer to the caller, which may be
--- dropped by its host.
---@param turn_once function
---@return fun(host: table?, desk: thread?): any ...
function scheduler.waiter(turn_once)
  return function(host, desk)
    if not desk then return (host and host.pause or turn_once)() end
    local caller = running()
    visitors[caller] = desk
    if host then
      park_until_woken(desk, host, caller)
    else
      turn_until_woken(desk, turn_once)
    end
    visitors[caller] = nil
    local woken = values[desk]
    unpark(desk)
    return unpack(woken, 2, woken[1] + 1)
  end
end

--- Whether a coroutine of this host waits here.
function scheduler.has_callers(host)
  for desk, its_host in pairs(desks) do
    if its_host == host and callers[desk] and status(desk) == "suspended" then return true end
  end
  return false
end

return scheduler
