-- The deadline of a link: one at a time, which each stage replaces. The one of the
-- opening handshake is fixed. The one of a closing handshake or an answer that drains
-- moves on whenever the peer accepts bytes.
--
-- Before a deadline is judged, the connection is read and written once more: what has
-- arrived by then counts, however many others were served before. If the loop is late
-- (a handler blocks, a host does not turn the loop, the process was stopped), a
-- server's handshake gets as much time again, once, because it could not progress
-- meanwhile.

local now = require("websock.core").now

local deadline = {
  LATE = 0.05,  -- seconds: a loop that is turned regularly is never later
}

local LEAST = 0.01  -- least seconds between two checks of what the peer has accepted
local JUDGED = -1   -- in place of a timer: the deadline is being judged

local function start(link, at)
  link.timer = link.loop.at(at, link)
end

--- Returns the timer of the deadline; nil if there is none, or if it has gone off.
---@return integer|nil
function deadline.timer(link)
  local timer = link.timer
  return timer ~= JUDGED and timer or nil
end

--- Removes the deadline, whose timer is the caller's now. Never raises.
function deadline.forget(link)
  link.timer = nil
  if link.moved then link.moved, link.accepted = nil, nil end
  if link.late then link.late = nil end
end

--- Removes the deadline.
function deadline.clear(link)
  local timer = deadline.timer(link)
  if timer then link.loop.cancel(timer) end
  deadline.forget(link)
end

--- Replaces the deadline: so many seconds from now; nil for none.
function deadline.set(link, seconds)
  if link.timer then deadline.clear(link) end
  if seconds then start(link, now() + seconds) end
end

-- Draining --------------------------------------------------------------------

-- Seconds that may pass until the peer accepts a byte. left: bytes not yet accepted.
local function patience(link, left)
  local o = link.options
  local is_answer = not link.ws and left > 0
  return is_answer and o.ping_timeout or o.close_timeout
end

--- Returns when to check next a peer that accepted a byte at `moved` and has some
--- seconds for the next one. The kernel reports no such event, so it is polled.
function deadline.next_look(moved, seconds, time)
  return math.min(moved + seconds, time + math.max(LEAST, seconds / 4))
end

--- Notes what the peer has accepted. Returns the bytes that it has not.
function deadline.note(link, time)
  local accepted, left = link.conn:accepted()
  if accepted ~= link.accepted then link.accepted, link.moved = accepted, time end
  return left
end

-- Sets the timer for the next check. Returns false if the peer has no time left.
-- left: bytes that it has not accepted.
local function extend(link, left, time)
  local seconds = patience(link, left)
  if time >= link.moved + seconds then return false end
  start(link, left > 0 and deadline.next_look(link.moved, seconds, time)
    or link.moved + seconds)
  return true
end

--- Replaces the deadline by one that is over when the peer accepts nothing for
--- close_timeout (ping_timeout while bytes of an answer are left). Does nothing if
--- that runs already.
function deadline.drain(link)
  if link.moved then return end
  deadline.clear(link)
  local time = now()
  local left = deadline.note(link, time)
  if not extend(link, left, time) then start(link, time) end
end

-- Judging ---------------------------------------------------------------------

-- Extends the deadline by as much as the loop was late, once. Not for `connect`, whose
-- caller has set the timeout.
local function postpone(link, late)
  if late <= deadline.LATE or link.late or link.role == "client" then return false end
  link.late = true
  start(link, now() + late)
  return true
end

--- Judges the deadline, whose timer was due `late` seconds ago.
---@return boolean # whether the link must end
function deadline.is_over(link, late)
  if link.stage == "gone" then return false end
  link.timer = JUDGED
  link:last_look()
  if link.timer ~= JUDGED then return false end  -- another stage has begun
  if link.moved then
    local time = now()
    return not extend(link, deadline.note(link, time), time)
  end
  return not postpone(link, late)
end

return deadline
