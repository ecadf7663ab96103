-- The deadline of a link: one at a time, which each stage replaces. That of the
-- opening handshake stands still. That of what drains (a closing handshake, an
-- answer) moves with the last byte that the peer has accepted.
--
-- A deadline is judged after the connection was read and written once more: what
-- has arrived by then counts, however many others were read before it. And the
-- time for which the loop came late to it (a handler that blocks, a host that
-- does not turn the loop, a process that was stopped) is given to a server's
-- handshakes in addition, once: nobody could go on with them meanwhile.

local deadline = {
  LATE = 0.05,  -- seconds by which a loop that turns is late at most
}

local LEAST = 0.01  -- seconds between two looks at what the peer has accepted
local JUDGED = -1   -- in place of a timer: the deadline is being judged

local function start(link, at)
  link.timer = link.loop.at(at, link)
end

--- There is no deadline any more.
function deadline.clear(link)
  if link.timer then link.loop.cancel(link.timer) end
  link.timer, link.moved, link.accepted, link.late = nil, nil, nil, nil
end

--- In place of the one before: so many seconds from now; nil: none.
function deadline.set(link, seconds)
  deadline.clear(link)
  if seconds then start(link, link.loop.now() + seconds) end
end

-- Draining --------------------------------------------------------------------

-- Seconds that may pass without a byte accepted. left: bytes that are not.
local function patience(link, left)
  local o = link.options
  local is_answer = not link.ws and left > 0
  return is_answer and o.ping_timeout or o.close_timeout
end

--- When to look at somebody who accepted a byte at `moved` and has some seconds
--- for the next. Nobody tells when it does: several times.
function deadline.next_look(moved, seconds, time)
  return math.min(moved + seconds, time + math.max(LEAST, seconds / 4))
end

--- Notes what the peer has accepted, if anything drains. Returns bytes that it has
--- not.
function deadline.note(link, time)
  local accepted, left = link.conn:accepted()
  if accepted ~= link.accepted then link.accepted, link.moved = accepted, time end
  return left
end

-- Looks again while the peer has time: whether it has any. left: bytes that it has
-- not accepted.
local function goes_on(link, left, time)
  local seconds = patience(link, left)
  if time >= link.moved + seconds then return false end
  start(link, left > 0 and deadline.next_look(link.moved, seconds, time)
    or link.moved + seconds)
  return true
end

--- In place of the one before: ends once the peer accepts nothing for
--- close_timeout (ping_timeout, as long as bytes of an answer are left). Goes on
--- if it runs already.
function deadline.drain(link)
  if link.moved then return end
  deadline.clear(link)
  local time = link.loop.now()
  local left = deadline.note(link, time)
  if not goes_on(link, left, time) then start(link, time) end
end

-- Judging ---------------------------------------------------------------------

-- The loop was late: as long again, once. connect's timeout is its caller's, and
-- waits for nobody.
local function is_put_off(link, late)
  if late <= deadline.LATE or link.late or link.role == "client" then return false end
  link.late = true
  start(link, link.loop.now() + late)
  return true
end

--- The timer's time has come, `late` seconds ago.
---@return boolean # whether the link is to be given up
function deadline.is_over(link, late)
  if link.stage == "gone" then return false end
  link.timer = JUDGED
  link:last_look()
  if link.timer ~= JUDGED then return false end  -- another stage has begun
  if link.moved then
    local time = link.loop.now()
    return not goes_on(link, deadline.note(link, time), time)
  end
  return not is_put_off(link, late)
end

return deadline
