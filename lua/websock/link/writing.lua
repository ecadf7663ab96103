-- The writing half of a link: writes its queue, and keeps the lines of coroutines that
-- wait for a turn to send, or until everything is written. These are methods of Link,
-- see link.lua.

local deadline = require "websock.link.deadline"
local heartbeat = require "websock.link.heartbeat"
local Line = require "websock.link.line"
local WRITE = require("websock.core").WRITE

local Writing = {}

-- Writing ---------------------------------------------------------------------

--- Has the queue written at the end of this turn.
function Writing:mark()
  self.loop.mark(self.conn)
end

--- Called by the loop for a marked conn, if there is more to do than writing.
function Writing:flush()
  if self.stage ~= "gone" then self:push() end
end

-- For on_drain: whether the queue is over its limit, before it is written.
local function is_over(self)
  return self.over or self.options.on_drain
    and self.conn:backlog() > self.options.max_queue
end

-- The same afterwards: on_drain is due when the queue has fallen to half of its limit.
local function note_drained(self)
  self.over = self.conn:backlog() > self.options.max_queue / 2 or nil
  if self.over or self.stage ~= "open" then return end
  self.conn:drains()
  self:wake_receiver()
end

-- Wakes those who wait until everything is written, if it is, and the coroutine that may
-- send next, if there is room. A writer is in its own line.
local function serve_lines(self, left)
  if left == 0 and self.flushers then self:wake_flushers() end
  self.conn:line(self.writing ~= nil or self.senders ~= nil or self.flushers ~= nil)
  if (self.senders or self.writers)
      and self.conn:backlog() <= self.options.max_queue then
    self:wake_sender()
  end
end

--- Gives the peer its time to take what is queued, while `run` goes on.
function Writing:linger()
  self.loop.hold(self)
  deadline.drain(self)
end

-- Called when a closed connection has written, and has so many bytes left.
local function pushed_last(self, left)
  if left == 0 then self:shut() else self:linger() end
end

--- Writes the queue now. ready: the descriptor is writable again.
function Writing:push(ready)
  local over = is_over(self)
  local left, err = self.driver.push(self, ready)
  if not left then
    self:write_failed(err)
    left = 0
  elseif left > 0 then
    self.loop.hold(self)
    heartbeat.stuck(self)
    if self.loop.rearm and not self.conn:shaking() then
      self.loop.rearm(self.fd, WRITE)
    end
  elseif self.stage == "open" or self.stage == "handshake" then
    self.loop.release(self)
  end
  if over then note_drained(self) end
  if self.conn:line() then serve_lines(self, left) end
  if self.stage == "closed" then pushed_last(self, left) end
  if self.moved and self.stage ~= "gone" then deadline.note(self, self.loop.now()) end
end

-- Keeps reading after a failed write, which ends only the sending side: an answer or a
-- TLS alert that the peer sent before may tell a client why.
function Writing:write_failed()
  if self.stage == "handshake" and self.role == "server" then return self:drop "reset" end
  self.conn:hangup(true)
  self.conn:more(true)
  self:read_on()
end

-- Lines -----------------------------------------------------------------------

-- Wakes the coroutine that may send next: the writer's while its message is not
-- finished, else the first sender, which wakes the next one in turn.
function Writing:wake_sender()
  local thread = self:first_in(self.writing and "writers" or "senders")
  if thread then self.loop.wake(self, thread) end
end

--- Adds a thread to one of the lines: "senders", "writers" (which continue a message),
--- "flushers", "closers".
---@param at_head? boolean # before all others
function Writing:line_up(name, thread, at_head)
  self[name] = self[name] or Line.new()
  self[name]:join(thread, at_head)
end

--- Returns the first thread in a line, nil if there is none.
function Writing:first_in(name)
  local line = self[name]
  if not line then return nil end
  local thread = line:head(self)
  if not thread then self[name] = nil end
  return thread
end

--- Wakes all coroutines in a line.
function Writing:wake_line(name)
  if self[name] then self[name]:wake(self) end
end

--- Wakes the coroutines that wait until everything is written.
function Writing:wake_flushers()
  self:wake_line "flushers"
  self.flushers = nil
end

--- Wakes those who wait to send.
function Writing:wake_senders()
  if not self.conn:line() then return end
  self:wake_line "writers"
  self:wake_line "senders"
end

return Writing
