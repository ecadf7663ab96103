-- websock.connect: dials, does the opening handshake (RFC 6455 section 4.1) and
-- returns the connection.

local callbacks = require "websock.link.callbacks"
local core = require "websock.core"
local connection = require "websock.link.connection"
local dial = require "websock.client.dial"
local driver = require "websock.link.driver"
local fields_of = require "websock.client.fields"
local headers = require "websock.base.headers"
local Link = require "websock.link.link"
local misuse = require "websock.base.misuse"
local opening = require "websock.link.opening"
local options = require "websock.base.options"
local rehearse = require "websock.base.rehearse"
local socket = require "websock.link.socket"
local tls = require "websock.base.tls"
local url = require "websock.client.url"

local client = {}

local ClientLink = Link.class {role = "client", on_closed = callbacks.closed}

-- Raises about the option that has broken a rule of the request.
local function blame(o, fields, rule)
  if o.origin then rehearse.origin("connect", o.origin) end
  rehearse.protocols("connect", o.protocols or {})
  rehearse.fields("connect", "client", fields)
  misuse("connect: %s", rule)
end

-- Returns a link whose request is queued; raises if the request breaks a rule.
local function prepare(loop, o, target)
  local link = Link.new(ClientLink, core.config("client", o))
  link.loop, link.options, link.url = loop, o, url.text(target)
  local fields = fields_of("connect", o, target)
  local ok, rule = link.conn:request(target.field, target.target, o.protocols, fields)
  if not ok then blame(o, fields, rule) end
  return link
end

local function dialled(loop, o, target, deadline)
  if o.unix then return dial.unix(loop, o.unix, deadline) end
  return dial.tcp(loop, target.host, target.port, o.family, deadline)
end

-- Returns what socket.take does, for the socket of the options or one that is dialled.
local function get_transport(loop, o, target, deadline)
  if o.socket then return socket.take("connect: option 'socket'", o.socket) end
  local fd, err = dialled(loop, o, target, deadline)
  if not fd then return nil, err end
  return fd, driver.native, nil, ""
end

-- Gives the link its transport. Returns the bytes that were read from it already.
local function attach(loop, link, o, target, deadline)
  local fd, how, foreign, received = get_transport(loop, o, target, deadline)
  if not fd then return nil, how end
  if o.nodelay and how == driver.native and not o.unix then
    core.nodelay(fd, true)
  end
  link.driver = how
  if o.given then o.given.taken = true end
  local ok, err = link:attach(fd, foreign)
  if not ok then return nil, "connect: " .. err end
  link:set_deadline(deadline and deadline - loop.now())
  return received
end

-- Begins with TLS, if there is a context, else with the request.
local function start(link, o, target, context, received)
  local client_tls, name, place
  if context then
    client_tls, name = context.client, context.name or target.host
    place = ("%s:%d"):format(o.unix or target.host, target.port)
  end
  local ok, err = opening.start(link, client_tls, received, name, place)
  if ok then link:push() end
  return ok, err
end

-- Printed as "401 Unauthorized"; the server may have sent no reason.
local Response = {__name = "websock.response"}

function Response:__tostring()
  return self.reason == "" and tostring(self.status) or self.status .. " " .. self.reason
end

local function response_of(link)
  local head = headers.read(link.conn)
  return setmetatable({status = head.status, reason = head.reason,
    headers = head.headers, fields = head.fields, url = link.url}, Response)
end

local function open(link)
  local conn = link.conn
  link.response, link.url = response_of(link), nil
  link.protocol = conn:chosen()
  conn:taken()
  local ws = connection.new(link)
  link:read_on()
  link:advance()  -- a Close frame may have come with the answer
  link:look_at_core()  -- frames may have arrived with the answer
  link:hand_over()
  return ws
end

local function refused(link, body)
  local response = response_of(link)
  response.body = body
  link:drop "aborted"
  return nil, "refused", response
end

local REASONS = {eof = "the connection ended before the answer"}

-- Waits for the answer. A refusal whose body never ends is cut off at the link's
-- deadline.
local function shake_hands(link)
  opening.wait(link)
  local what, body, _, reason = link.conn:handshake()
  if what == "open" then return open(link) end
  if what == "refused" then return refused(link, body) end
  link:drop "aborted"
  return nil, opening.failure(link) or "handshake: " .. (REASONS[reason] or reason)
end

local function connect(loop, target, context, o)
  local link = prepare(loop, o, target)
  local _ <close> = opening.guard(link)
  local deadline = o.timeout and loop.now() + o.timeout
  local received, err = attach(loop, link, o, target, deadline)
  if not received then return nil, err end
  local ok
  ok, err = start(link, o, target, context, received)
  if not ok then return nil, err end
  return shake_hands(link)
end

-- Returns the context for a connection to this target, nil for one without TLS. Asking
-- for TLS never results in a connection without it.
local function context_of(target, o)
  if target.scheme == "wss" then
    if o.tls and o.socket and socket.is_foreign(o.socket) then
      misuse "connect: option 'tls': a socket object that is no LuaSocket's has its own TLS"
    end
    return tls.of("connect", o.tls, "client")
  end
  if o.tls then return nil, "url: wss:// expected beside the option 'tls'" end
end

--- See docs/reference.md.
function client.connect(loop, text, given)
  local mine <close> = socket.given(type(given) == "table" and given.socket)
  local o = options.check("connect", given)
  o.given = mine
  local target, err = url.parse(text, "connect")
  if not target then return nil, err end
  loop.must "connect"
  if o.timeout == 0 then return nil, "timeout" end  -- it cannot succeed without waiting
  local context
  context, err = context_of(target, o)
  if err then return nil, err end
  return connect(loop, target, context, o)
end

return client
