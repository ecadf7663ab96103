-- The heartbeat of a link, with one timer: pings that notice a vanished peer
-- (RFC 6455 section 5.5.2) and measure the round trip; peers that accept nothing;
-- connections without messages (idle_timeout). Traffic only leaves notes in the conn
-- and the link; the timer checks them.
--
-- A peer is dropped only if nothing at all has come from it and nothing is unread in
-- the transport, so that a busy application, or a loop that was not turned for a while,
-- is not mistaken for a dead peer. Neither is a slow reader, which gets the ping only
-- after everything queued before it.
--
-- Before any of this is judged, the connection is read and written once more: see
-- deadline.lua.

local deadline = require "websock.link.deadline"
local now = require("websock.core").now

local heartbeat = {}

local NEVER = math.huge
local GRACE = 1  -- the last second of ping_timeout is for a second check
local MANY = 65536  -- more bytes before a ping than are usually in flight

local pings = 0

local function grace(o)
  return math.min(GRACE, o.ping_timeout / 4)
end

local function set_timer(link, at)
  if at == NEVER then
    heartbeat.stop(link)
  elseif link.beat then
    link.loop.move(link.beat, at)
  else
    link.beat = link.loop.at(at, link)
  end
end

-- Has the timer expire not later than `at`.
local function look_by(link, at)
  if link.beat then link.loop.advance(link.beat, at) end
end

-- Pings -----------------------------------------------------------------------

local function send_ping(link, time)
  local o = link.options
  local accepted, left = link.conn:accepted()
  link.pinged_at = (link.stuck or left > MANY) and accepted or nil
  pings = pings + 1
  -- seven bytes, to differ from the eight of ws:ping
  link.ping_serial = link.conn:ping(string.pack(">I7", pings))
  link.pinged, link.suspect = time, nil
  link.conn:heard(false)
  link.next_ping = time + o.ping_interval
  link:mark()
  return time + o.ping_timeout - grace(o)
end

-- Whether the transport has, or may have, unread bytes. Bytes that were read and wait
-- for the application have set conn:heard.
local function has_unread(link)
  return link.conn:more() or link.driver.unread(link) > 0
end

-- Whether the ping was queued behind unaccepted bytes, of which the peer has accepted
-- some since.
local function takes_bytes(link)
  return link.pinged_at and link.conn:accepted() ~= link.pinged_at
end

local function is_alive(link)
  return link.conn:heard() or has_unread(link) or takes_bytes(link)
end

-- Sets the time of a second check, later by as much as the first one was late.
local function suspect(link, time, late)
  local after = grace(link.options)
  if late > deadline.LATE then after = math.max(after, late) end
  link.suspect = time + after
  return link.suspect
end

-- Returns true if the ping is answered, by anything that the peer does; else nil and
-- the time of the next check.
local function is_answered(link, time)
  local o = link.options
  local due = link.suspect or link.pinged + o.ping_timeout - grace(o)
  if time >= due then link:last_look() end
  if link.stage ~= "open" then return nil, NEVER end
  if not link.pinged or is_alive(link) then return true end
  if time < due then return nil, due end
  if not link.suspect then return nil, suspect(link, time, time - due) end
  link:drop "ping timeout"
  return nil, NEVER
end

-- Returns the time of the next check.
local function check_ping(link, time)
  if not link.options.ping_interval then return NEVER end
  if link.pinged then
    local answered, at = is_answered(link, time)
    if not answered then return at end
    link.pinged = nil
  end
  if time < link.next_ping then return link.next_ping end
  return send_ping(link, time)
end

--- Called for a pong; notes the round trip if it answers the heartbeat's ping.
function heartbeat.answered(link, serial, time)
  if not link.pinged or serial < link.ping_serial then return end
  link.latency = time - link.pinged
  link.pinged = nil
  look_by(link, link.next_ping)
end

-- Writing ---------------------------------------------------------------------

-- Whether bytes are still queued; notes when the peer has accepted some.
local function is_stuck(link, time)
  local accepted = link.conn:accepted()
  if accepted ~= link.stuck_at then link.stuck, link.stuck_at = time, accepted end
  if link.conn:queued() == 0 then link.stuck = nil end
  return link.stuck and link.options.ping_interval
end

local function check_writing(link, time)
  local limit = link.options.ping_timeout
  if not link.stuck or not is_stuck(link, time) then return NEVER end
  if time - link.stuck >= limit then
    link:last_look()
    if link.stage ~= "open" or not is_stuck(link, time) then return NEVER end
  end
  if time - link.stuck < limit then
    return deadline.next_look(link.stuck, limit, time)
  end
  link:drop "ping timeout"
  return NEVER
end

--- Called after a short write, when bytes stay queued.
function heartbeat.stuck(link)
  if link.stuck or not link.beat then return end
  local time, o = now(), link.options
  link.stuck, link.stuck_at = time, (link.conn:accepted())
  if o.ping_interval then
    look_by(link, deadline.next_look(time, o.ping_timeout, time))
  end
end

-- Idleness --------------------------------------------------------------------

-- Returns when the connection will have been idle for too long, as of now.
local function idle_at(link, time)
  if link.conn:waiting() or link.stuck then link.conn:used(time) end
  -- stored: later turns do not know how long that one took
  return link.conn:used(link.loop.turn:latest(link.conn:used())) + link.options.idle_timeout
end

-- Extends the limit by as much as the loop was late, once: neither side could send.
local function postpone(link, time, late)
  if late <= deadline.LATE or link.conn:used() == link.postponed then return nil end
  local limit = link.options.idle_timeout
  link.postponed = link.conn:used(time - limit + math.min(limit, late))
  return link.postponed + limit
end

local function check_idle(link, time)
  if not link.options.idle_timeout then return NEVER end
  local at = idle_at(link, time)
  if time >= at then
    link:last_look()
    if link.stage ~= "open" then return NEVER end
    at = idle_at(link, time)
  end
  if time >= at then at = postpone(link, time, time - at) end
  if at then return at end
  link:begin_close(1001, "idle timeout")
  return NEVER
end

--- Called when a message was received or sent.
function heartbeat.used(link)
  link.conn:used(now())
end

-- The timer -------------------------------------------------------------------

--- Starts the heartbeat when the connection opens. It takes over the timer of the
--- deadline, which ends: one timer is cheaper than two.
function heartbeat.start(link)
  local o, time = link.options, now()
  local ping, idle, at = o.ping_interval, o.idle_timeout, NEVER
  if ping then
    at = time + ping
    link.next_ping = at
  end
  if idle then
    link.conn:used(time)
    at = math.min(at, time + idle)
  end
  link.beat = deadline.timer(link)  -- may raise for lack of memory
  deadline.forget(link)
  set_timer(link, at)
end

function heartbeat.stop(link)
  if link.beat then link.loop.cancel(link.beat) end
  link.beat = nil
end

local checks = {check_ping, check_writing, check_idle}

--- Runs the checks when the timer is due, and sets it for the next.
function heartbeat.look(link)
  link.beat = nil
  local time, at = now(), NEVER
  for _, check in ipairs(checks) do
    if link.stage ~= "open" then return end
    at = math.min(at, check(link, time))
  end
  if link.stage == "open" then set_timer(link, at) end
end

return heartbeat
