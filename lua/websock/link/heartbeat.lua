-- The heartbeat of a link, with one timer: pings that notice a vanished peer
-- (RFC 6455 section 5.5.2) and measure the round trip; peers that accept nothing;
-- connections without messages (idle_timeout). What happens on the connection
-- is only noted; the timer looks at the notes.
--
-- A peer is given up only if nothing at all has come from it, and nothing waits
-- to be read from the transport: an application that is busy, or a loop that was
-- not turned for a while, is never mistaken for a dead peer. Nor is one that is
-- slow to read, and finds the ping behind all that was queued before.
--
-- Before any of this is judged, the connection is read and written once more: see
-- deadline.lua.

local deadline = require "websock.link.deadline"

local heartbeat = {}

local NEVER = math.huge
local GRACE = 1  -- the last second of ping_timeout: a second look, a turn later
local MANY = 65536  -- bytes before a ping that are more than just on their way

local pings = 0

local function grace(o)
  return math.min(GRACE, o.ping_timeout / 4)
end

local function set_timer(link, at)
  link.beat = at < NEVER and link.loop.at(at, link) or nil
end

-- Looks not later than `at`.
local function look_by(link, at)
  if link.beat then link.loop.advance(link.beat, at) end
end

-- Pings -----------------------------------------------------------------------

local function send_ping(link, time)
  local o = link.options
  local accepted, left = link.conn:accepted()
  link.pinged_at = (link.stuck or left > MANY) and accepted or nil
  pings = pings + 1
  -- seven bytes: those of ws:ping have eight, and answer for themselves
  link.ping_serial = link.conn:ping(string.pack(">I7", pings))
  link.pinged, link.suspect = time, nil
  link.conn:heard(false)
  link.next_ping = time + o.ping_interval
  link:mark()
  return time + o.ping_timeout - grace(o)
end

-- Is there, or may there be, something of the peer's that nobody has read yet?
-- What was read, and waits for the application, has been heard.
local function has_unread(link)
  return link.conn:more() or link.driver.unread(link) > 0
end

-- The ping stood behind bytes that the peer had not accepted, and it accepts them.
local function takes_bytes(link)
  return link.pinged_at and link.conn:accepted() ~= link.pinged_at
end

local function is_alive(link)
  return link.conn:heard() or has_unread(link) or takes_bytes(link)
end

-- A second look, later by as much as the first one came late.
local function suspect(link, time, late)
  local after = grace(link.options)
  if late > deadline.LATE then after = math.max(after, late) end
  link.suspect = time + after
  return link.suspect
end

-- Whether the ping is answered, by whatever the peer does; else nil, and the time
-- of the next look.
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

-- The time of the next look.
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

--- The core has seen a pong: the round trip, if it answers the heartbeat's ping.
function heartbeat.answered(link, serial, time)
  if not link.pinged or serial < link.ping_serial then return end
  link.latency = time - link.pinged
  link.pinged = nil
  look_by(link, link.next_ping)
end

-- Writing ---------------------------------------------------------------------

-- Whether bytes still wait; notes when the peer has accepted some.
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

--- A write came up short: bytes wait for the peer.
function heartbeat.stuck(link)
  if link.stuck or not link.beat then return end
  local time, o = link.loop.now(), link.options
  link.stuck, link.stuck_at = time, (link.conn:accepted())
  if o.ping_interval then
    look_by(link, deadline.next_look(time, o.ping_timeout, time))
  end
end

-- Idleness --------------------------------------------------------------------

-- When the connection is idle for too long, as things are at this time.
local function idle_at(link, time)
  if link.conn:waiting() or link.stuck then link.conn:used(time) end
  -- kept: turns to come know nothing of how long that one took
  return link.conn:used(link.loop.turn:latest(link.conn:used())) + link.options.idle_timeout
end

-- The loop was late: as long again, once, for neither side could do anything.
local function put_off(link, time, late)
  if late <= deadline.LATE or link.conn:used() == link.put_off then return nil end
  local limit = link.options.idle_timeout
  link.put_off = link.conn:used(time - limit + math.min(limit, late))
  return link.put_off + limit
end

local function check_idle(link, time)
  if not link.options.idle_timeout then return NEVER end
  local at = idle_at(link, time)
  if time >= at then
    link:last_look()
    if link.stage ~= "open" then return NEVER end
    at = idle_at(link, time)
  end
  if time >= at then at = put_off(link, time, time - at) end
  if at then return at end
  link:begin_close(1001, "idle timeout")
  return NEVER
end

--- A message was received or sent.
function heartbeat.used(link)
  link.conn:used(link.loop.now())
end

-- The timer -------------------------------------------------------------------

--- Begins, when the connection opens.
function heartbeat.start(link)
  local o, time = link.options, link.loop.now()
  if o.idle_timeout then link.conn:used(time) end
  if o.ping_interval then link.next_ping = time + o.ping_interval end
  set_timer(link, math.min(link.next_ping or NEVER,
    o.idle_timeout and time + o.idle_timeout or NEVER))
end

function heartbeat.stop(link)
  if link.beat then link.loop.cancel(link.beat) end
  link.beat = nil
end

local checks = {check_ping, check_writing, check_idle}

--- The timer's time has come.
function heartbeat.look(link)
  link.beat = nil
  local time, at = link.loop.now(), NEVER
  for _, check in ipairs(checks) do
    if link.stage ~= "open" then return end
    at = math.min(at, check(link, time))
  end
  if link.stage == "open" then set_timer(link, at) end
end

return heartbeat
