-- One opening handshake with one target (RFC 6455 section 4.1): dials, starts TLS, sends
-- the request and waits for the answer.
--
-- What is attempted is a visit: `where`, the function called, for errors; `o`, its
-- options; `target`, the parsed URL; `context`, the one for TLS or nil.

local callbacks = require "websock.link.callbacks"
local core = require "websock.core"
local connection = require "websock.link.connection"
local driver = require "websock.link.driver"
local fields_of = require "websock.client.fields"
local Link = require "websock.link.link"
local misuse = require "websock.base.misuse"
local opening = require "websock.link.opening"
local rehearse = require "websock.base.rehearse"
local proxy = require "websock.client.proxy"
local response_of = require "websock.client.response"
local route = require "websock.client.route"
local socket = require "websock.link.socket"
local url = require "websock.client.url"

local attempt = {}

local ClientLink = Link.class {role = "client", on_closed = callbacks.closed}

-- Raises about the option that has broken a rule of the request.
local function blame(visit, fields, rule)
  local where, o = visit.where, visit.o
  if o.origin then rehearse.origin(where, o.origin) end
  rehearse.protocols(where, o.protocols or {})
  rehearse.fields(where, "client", fields)
  misuse("%s: %s", where, rule)
end

--- Returns a link whose request is queued; raises if the request breaks a rule.
---@param redirects boolean # whether one may be followed: then its body is not read
function attempt.prepare(loop, visit, redirects)
  local o, target = visit.o, visit.target
  local limits = setmetatable({redirects = redirects}, {__index = o})
  local link = Link.new(ClientLink, core.config("client", limits))
  link.loop, link.options = loop, o
  if o.tap then o.tap:attach(link.conn) end
  local fields = fields_of(visit.where, o, target)
  local ok, rule = link.conn:request(target.field, target.target, o.protocols, fields)
  if not ok then blame(visit, fields, rule) end
  return link
end

-- Returns the way to the target: a route of route.lua; or nil, err.
local function route_of(visit)
  local o, target = visit.o, visit.target
  if o.unix then return {unix = o.unix, attempt_delay = false} end
  local through, err = proxy.choose(o.proxy, target)
  if err then return nil, err end
  return {host = target.host, port = target.port, family = o.family,
    attempt_delay = o.attempt_delay, proxy = through, proxy_tls = o.proxy_tls}
end

-- Returns what socket.take does, for the socket of the options or one that is dialled.
local function get_transport(loop, visit, deadline)
  local o = visit.o
  if o.socket then return socket.take(visit.where .. ": option 'socket'", o.socket) end
  local way, err = route_of(visit)
  if not way then return nil, err end
  local fd, stream, received = route.open(loop, way, deadline)
  if not fd then return nil, stream end
  return fd, driver.native, stream, received
end

-- Gives the link its transport. Returns the bytes that were read from it already.
local function attach(loop, link, visit, deadline)
  local o = visit.o
  local fd, how, object, received = get_transport(loop, visit, deadline)
  if not fd then return nil, how end
  if o.nodelay and how == driver.native and not o.unix then
    core.nodelay(fd, true)
  end
  link.driver, link.lent = how, visit.o.socket and true or nil
  if o.given then o.given.taken = true end
  local ok, err = link:attach(fd, object)
  if not ok then return nil, "connect: " .. err end
  link:set_deadline(deadline and deadline - loop.now())
  link:read_on()
  return received
end

-- Begins with TLS, if there is a context, else with the request.
local function start(link, visit, received)
  local context, target = visit.context, visit.target
  local client_tls, name, place
  if context then
    client_tls, name = context.client, context.name or target.host
    place = ("%s:%d"):format(visit.o.unix or target.host, target.port)
  end
  local ok, err = opening.start(link, client_tls, received, name, place)
  if ok then link:push() end
  return ok, err
end

local function open(link, text)
  local conn = link.conn
  link.response = response_of(conn, text)
  link.protocol = conn:chosen()
  conn:taken()
  local ws = connection.new(link)
  link:read_on()
  link:advance()  -- a Close frame may have come with the answer
  link:look_at_core()  -- frames may have arrived with the answer
  link:hand_over()
  return ws
end

local function refused(link, text, body)
  local response = response_of(link.conn, text)
  response.body = body
  link:drop "aborted"
  return nil, "refused", response
end

local REASONS = {eof = "the connection ended before the answer"}

-- Waits for the answer. A refusal whose body never ends is cut off at the link's
-- deadline.
local function shake_hands(link, text)
  opening.wait(link)
  local what, body, _, reason = link.conn:handshake()
  if what == "open" then return open(link, text) end
  if what == "refused" then return refused(link, text, body) end
  link:drop "aborted"
  return nil, opening.failure(link) or "handshake: " .. (REASONS[reason] or reason)
end

--- Makes the visit for which the link was prepared.
---@param deadline number? # a time of loop.now
---@return table|nil ws, string? err, table? response
function attempt.run(loop, link, visit, deadline)
  local _ <close> = opening.guard(link)
  local received, err = attach(loop, link, visit, deadline)
  if not received then return nil, err end
  local ok
  ok, err = start(link, visit, received)
  if not ok then return nil, err end
  return shake_hands(link, url.text(visit.target))
end

return attempt
