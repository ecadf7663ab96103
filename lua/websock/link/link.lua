-- A link drives one connection's state machine (websock.core's conn) over its
-- transport on the event loop. It reads when the descriptor is ready, whether or not
-- a coroutine receives; writes the queue once a turn; keeps the deadlines of the
-- opening and the closing handshake; and closes the descriptor as RFC 6455 section 7
-- requires. Coroutines never read: they park and are woken when there is something
-- for them.
--
-- Stages: "handshake" -> "open" -> "closing" (a Close frame was sent or seen)
-- -> "closed" (the WebSocket is closed; the transport drains) -> "gone".

local core = require "websock.core"
local deadline = require "websock.link.deadline"
local heartbeat = require "websock.link.heartbeat"
local Writing = require "websock.link.writing"

local READ, WRITE, HANGUP = core.READ, core.WRITE, core.HANGUP
local SAW = core.SAW    -- the flags of conn:pull and poll
local WANT = core.WANT  -- what these look for
local EVENT, PONG, STATE, OUT, END, HELD, SWELLS = SAW.EVENT, SAW.PONG, SAW.STATE,
  SAW.OUT, SAW.END, SAW.HELD, SAW.SWELLS

-- Each field costs memory in ten thousand idle links: flags that are off are nil.
local FIELDS = 8  -- that most links have: room is made for these at once
local Link = {}
for name, method in pairs(Writing) do Link[name] = method end

--- Makes a class of `common`, the fields that links of one kind share: role, loop,
--- options (max_queue, close_timeout, ...) and perhaps driver; and the callbacks
--- on_handshake(link) when the request has arrived, on_leave(link) when the connection
--- is no longer open, on_closed(link) when it is closed, on_gone(link) when the
--- descriptor is closed, and thread_ended (see scheduler.spawn_for). Without
--- on_handshake a coroutine waits for the request or response: see opening.lua.
---@return table class # for Link.new
function Link.class(common)
  for name, method in pairs(Link) do common[name] = common[name] or method end
  common.__index = common
  return common
end

--- Returns a link for a connection in its opening handshake; `attach` gives it a
--- transport.
---@param config userdata # of the core
function Link.new(class, config)
  local self = core.table(FIELDS, class)
  self.stage = "handshake"
  self.conn = core.conn(config, self)
  return self
end

--- Sets the deadline of the current stage, in seconds from now.
---@param seconds? number|false # nil, false: no limit
function Link:set_deadline(seconds)
  deadline.set(self, seconds)
end

--- Takes ownership of a transport; the arguments are driver.open's.
---@return true|nil, string? err # then the link is gone
function Link:attach(fd, ...)
  self.driver.open(self, fd, ...)
  return self:begin(fd)
end

--- The same for a descriptor that the conn has got already.
function Link:begin(fd)
  self.fd = fd
  local ok, err = self.loop.register(fd, self.conn)
  if ok then return true end
  self.driver.close(self)
  self.fd = nil
  self:release()
  return nil, err
end

--- Starts TLS on the descriptor. received: bytes that were read from it already. A
--- client passes the server's name, and the place under which it keeps sessions.
---@return true|nil, string? err # then the link is gone
function Link:secure(context, received, name, place)
  local ok, err = self.conn:secure(context, received, name, place)
  if not ok then
    self:drop "aborted"
    return nil, err
  end
  if received ~= "" then
    self.conn:more(true)
    self:read_on()
  end
  return true
end

-- Reading ---------------------------------------------------------------------

-- Returns what a read looks for. A receiver that has yielded for a turn, or was woken,
-- still has messages to take, so nothing is read for it.
local function wanted(self)
  if self.stage == "handshake" then
    return self.asked and WANT.NOTHING or WANT.MESSAGE
  end
  return self.conn:wanted()
end

-- Whether reading stops because too much is unread: the application is behind, or
-- still answering the request.
local function is_behind(self, want)
  return want == WANT.NOTHING and (self.stage == "open" or self.stage == "handshake")
    and self.conn:is_behind()
end

-- Reads once, unless reading has stopped.
function Link:pump(want)
  want = want or wanted(self)
  if self.stage == "gone" or self.held or is_behind(self, want) then return end
  local flags, err = self.driver.pull(self, want)
  if not flags then
    self:drop "aborted"
    error(err, 0)
  end
  self:pulled(flags)
end

--- Handles the flags of a read, after which conn:more() is set.
function Link:pulled(flags)
  self:digest(flags)
  if self.stage == "gone" then return end
  if self.conn:more() then
    self:read_on()
  elseif self.loop.rearm and flags & END == 0 then
    self.loop.rearm(self.fd, READ)
  end
end

--- Continues reading in the next turn, if there may be more.
function Link:read_on()
  if not self.in_again and self.conn:more() then
    self.in_again = true
    self.loop.again(self)
  end
end

function Link:again()
  self.in_again = nil
  if self.judge_end then
    self.judge_end = nil
    if not self.conn:hold(false) then self:look_at_core() end
  end
  if self.conn:more() then self:pump() end
end

--- Called by the loop when the descriptor is ready.
function Link:ready(what)
  if what & (WRITE | HANGUP) ~= 0 then self:push(true) end
  if what & (READ | HANGUP) ~= 0 and self.stage ~= "gone" then
    self.conn:more(true)
    if what & HANGUP ~= 0 then self.conn:hangup(true) end
    self:pump()
  end
end

-- Handles what the state machine has found, without reading.
function Link:look_at_core()
  self:digest(self.conn:poll(WANT.NOTHING))
end

--- Called when a receiver finds that no more messages will come: the core checks some
--- payloads only when they are taken, and one may break a rule.
function Link:ended_in_receive(flags)
  if self.stage ~= "gone" then self:digest(flags) end
end

-- Wakes those who wait for what the flags tell.
local function wake_for(self, flags)
  if flags & PONG ~= 0 then self:wake_pingers() end
  if flags & EVENT ~= 0 then self:notify() end
  if flags & SWELLS ~= 0 then self:wake_receiver(true) end
end

-- Acts on flags: marks the conn, wakes waiters, follows the state. If STATE is the only
-- one, lua_serve.c calls `advance` itself.
function Link:digest(flags)
  if flags == 0 then return end
  if flags & OUT ~= 0 then self:mark() end
  if flags & (PONG | EVENT | SWELLS) ~= 0 then wake_for(self, flags) end
  if flags & END ~= 0 then self.ended = true end
  if flags & HELD ~= 0 then self:await_end() end
  if flags & (STATE | END) ~= 0 then self:advance() end
end

function Link:notify()
  if self.stage ~= "handshake" then
    self:wake_receiver()
  elseif not self.asked then
    self.asked = true
    if self.role == "client" or not self.conn:is_upgrade() then
      self:set_deadline(nil)  -- the peer has done its part
    end
    if self.on_handshake then
      self:on_handshake()
    elseif self.opener then
      self.loop.wake(self, self.opener)
    end
  end
end

-- Waking ----------------------------------------------------------------------

--- Wakes the coroutine that waits in `receive`.
---@param last boolean? # after all others: its message may inflate to much
local function wake_receiver(self, last)
  local thread = self.conn:wake()
  if thread == true then
    self.loop.lend(self, last)
  elseif thread then
    self.loop.go_on(thread, last)
  end
end

Link.wake_receiver = wake_receiver

function Link:wake_pingers()
  local ponged, time = self.conn:ponged(), self.loop.now()
  heartbeat.answered(self, ponged, time)
  for serial, thread in pairs(self.pingers or {}) do
    if serial <= ponged then
      self.pingers[serial] = nil
      self.loop.wake(self, thread, time)
    end
  end
end

-- Wakes all waiters but those in `close`.
local function wake_all(self)
  wake_receiver(self)
  if self.opener then self.loop.wake(self, self.opener) end
  if self.conn:line() then
    self:wake_senders()
    self:wake_line "flushers"
  end
  if self.pingers then
    for _, thread in pairs(self.pingers) do self.loop.wake(self, thread) end
  end
end

-- Ending ----------------------------------------------------------------------

-- Called when the connection is no longer open.
local function leave(self)
  heartbeat.stop(self)
  self.writing = nil
  local on_leave = self.on_leave
  if on_leave then on_leave(self) end
end

--- Called when a Close, or a broken rule, is held behind messages. It takes effect
--- when the application has taken them and receives again, or closes; at the latest
--- after close_timeout. Meanwhile nothing is read.
function Link:await_end()
  if self.held or self.stage ~= "open" then return end
  self.held = true
  heartbeat.stop(self)
  self:set_deadline(self.options.close_timeout)
end

--- Called when the application gets the connection: its handler runs, or connect or
--- accept returns. An end that arrived before is held until the next turn, and longer
--- only if the application has received by then.
function Link:hand_over()
  if not self.held then
    self.conn:hold(false)
  else
    self.judge_end = true
    self.loop.again(self)
  end
end

-- Called when a held end takes effect: the transport is read to its end.
local function end_is_over(self)
  self.held = nil
  self:read_on()
end

--- Called when the handshake is done and ws exists.
function Link:opened(ws)
  self.stage = "open"
  self.ws = ws
  heartbeat.start(self)
end

--- Called when the connection is closed, and again when callbacks of it that still ran
--- have ended.
local function served(self)
  local on_closed = self.on_closed
  if on_closed then on_closed(self) end
end

Link.served = served

--- Follows the state machine into "closing" and "closed"; for a client not before
--- `connect` has seen that the connection was open.
function Link:advance()
  if self.stage == "handshake" and self.role == "client" and not self.dropped
      and self.conn:handshake() == "open" then
    return
  end
  local state = self.conn:state()
  if state == "open" then return end
  if self.held then end_is_over(self) end
  if state == "closed" then
    if self.stage ~= "closed" and self.stage ~= "gone" then
      self.stage = "closed"
      leave(self)
      wake_all(self)
      served(self)
    end
    -- a conn that is marked is shut once it has written
    if self.dropped or not self.conn:marked() then self:shut() end
  elseif state == "closing" and self.stage == "open" then
    self.stage = "closing"
    leave(self)
    self:linger()
    self:read_on()  -- it may have stopped; the peer's Close is behind what is unread
    self:wake_senders()
  end
end

-- RFC 6455 section 7.1.1: closes the transport when everything is written and closing
-- cannot destroy it. A close with unread input resets the connection, and the peer may
-- lose the Close frame in flight. So, unless the closing handshake was clean and
-- nothing is left to read, this shuts our side down, and input is read to its end. A
-- client waits for the server to close. What is queued is written first: the time of
-- whoever does not take it begins then (see push). In the usual case, conn:is_over(), C
-- calls `release` itself.
function Link:shut()
  if self.stage == "gone" then return end
  if self.dropped then return self:release() end
  if self.conn:queued() > 0 then return self:mark() end
  if self.ended or self.conn:is_over() then return self:release() end
  local clean, server = self.conn:is_clean(), self.role == "server"
  if clean and server and self.driver.unread(self) == 0 then return self:release() end
  if not self.shut_down and (server or not clean) then
    self.shut_down = true
    self.driver.shutdown(self)
  end
  self:linger()
end

-- Closes the transport.
local function cut(self)
  if self.timer then deadline.clear(self) end
  if not self.fd then return end
  self.loop.unregister(self.fd, not self.lent)
  self.driver.close(self)
  self.fd = nil
end

-- Closes the transport and tells everybody. May be done again after an error.
---@param stage? string # the stage before
local function finish(self, stage)
  cut(self)
  if stage ~= "closed" then
    leave(self)
    wake_all(self)
  end
  if self.handle then self.handle:close() end
  self.loop.release(self)
  if self.closers then self:wake_line "closers" end
  local on_gone = self.on_gone
  if on_gone then on_gone(self) end
  served(self)  -- once more: there may have been no memory for it
end

--- Closes the descriptor and wakes all waiters.
function Link:release()
  local stage = self.stage
  if stage == "gone" then return end
  self.stage = "gone"
  finish(self, stage)
end

--- Ends the connection at once, with 1006 and this reason.
function Link:drop(why)
  self.dropped = true
  self.conn:abort(why)
  self:advance()
end

--- Called by errors.failed after an error inside the library, until it does not raise.
function Link:failed()
  self:drop "aborted"
  if self.stage == "gone" then finish(self) end
end

--- Called by the loop when the timer of the heartbeat or of the deadline is due.
---@param late number # seconds since that time
function Link:expired(timer, late)
  if timer ~= self.timer then return heartbeat.look(self, late) end
  if not deadline.is_over(self, late) then return end
  if self.stage == "closed" then return self:release() end
  if self.held then
    self.conn:let_end()
    return self:look_at_core()
  end
  self.timed_out = true
  self:drop "aborted"
end

--- Begins the closing handshake.
---@return true|nil, string? rule
function Link:begin_close(code, reason)
  local ok, rule = self.conn:close(code, reason)
  if ok then self:look_at_core() end
  return ok, rule
end

--- Reads and writes once, before a deadline is judged: the loop may not have served
--- this connection yet.
function Link:last_look()
  self:pump()
  if self.stage ~= "gone" then self:push(true) end
end

local function flush_now(self)
  if self.conn:marked() then self:flush() end
end

--- Reads once, for a receiver that does not wait (any more).
function Link:catch_up(want)
  if self.stage == "gone" then return end
  self:pump(want)
  flush_now(self)
end

local LOOKS = 16  -- limit of reads in one `look`: its caller wants to send

--- Handles pings and Close frames that have arrived. For calls outside the loop, which
--- may be all that ever reads this connection.
function Link:look()
  local left = LOOKS
  repeat
    self:pump(WANT.NOTHING)
    left = left - 1
  until left == 0 or not self.conn:more() or is_behind(self, WANT.NOTHING)
  flush_now(self)
end

return Link
