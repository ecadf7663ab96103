-- The heartbeat of a link, with one timer: pings that notice a vanished peer
-- (RFC 6455 section 5.5.2) and measure the round trip; peers that accept nothing;
-- connections without messages (idle_timeout). What happens on the connection
-- only leaves marks; the timer looks at them.
--
-- A peer is given up only if nothing at all has come from it, and nothing waits
-- to be read from the transport: an application that is busy, or a loop that was
-- not turned for a while, is never mistaken for a dead peer. Nor is one that is
-- slow to read, and finds the ping behind all that was queued before.

local heartbeat = {}

local NEVER = math.huge
local GRACE = 1  -- the last second of ping_timeout: a second look, a turn later

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
  pings = pings + 1
  -- seven bytes: those of ws:ping have eight, and answer for themselves
  link.ping_serial = link.conn:ping(string.pack(">I7", pings))
  link.pinged, link.suspect = time, nil
  link.conn:heard(false)
  link.pinged_at = link.conn:written()
  link.next_ping = time + o.ping_interval
  link:mark()
  return time + o.ping_timeout - grace(o)
end

-- Is there, or may there be, something of the peer's that nobody has read yet?
-- What was read, and waits for the application, has been heard.
local function has_unread(link)
  return link.conn:more() or link.driver.unread(link) > 0
end

-- A transport that was full takes bytes again because the peer does.
local function takes_bytes(link)
  return link.stuck and link.conn:written() ~= link.pinged_at
end

-- The time of the next look.
local function check_ping(link, time)
  local o = link.options
  if not o.ping_interval then return NEVER end
  if link.pinged then
    if link.conn:heard() or has_unread(link) or takes_bytes(link) then
      link.pinged = nil
    elseif not link.suspect then
      link.suspect = true
      return time + grace(o)
    else
      link:drop "ping timeout"
      return NEVER
    end
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

local function check_writing(link, time)
  local o = link.options
  if not link.stuck then return NEVER end
  local written = link.conn:written()
  if link.conn:queued() == 0 then link.stuck = nil end
  if not link.stuck or not o.ping_interval then
    return NEVER
  elseif written ~= link.stuck_at then
    link.stuck, link.stuck_at = time, written
  elseif time - link.stuck >= o.ping_timeout then
    link:drop "ping timeout"
    return NEVER
  end
  return link.stuck + o.ping_timeout
end

--- A write came up short: bytes wait for the peer.
function heartbeat.stuck(link)
  if link.stuck or not link.beat then return end
  local time = link.loop.now()
  link.stuck, link.stuck_at = time, link.conn:written()
  if link.options.ping_interval then look_by(link, time + link.options.ping_timeout) end
end

-- Idleness --------------------------------------------------------------------

local function check_idle(link, time)
  local limit = link.options.idle_timeout
  if not limit then return NEVER end
  if link.conn:waiting() or link.stuck then link.conn:used(time) end
  local used = link.loop.turn:latest(link.conn:used())
  if time - used < limit then return used + limit end
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
