-- The connection as users see it: a table `ws` in which they may set fields of their
-- own; its metatable has the methods and fields of docs/reference.md. All state is in
-- its link.

local blocking = require "websock.link.blocking"
local core = require "websock.core"
local misuse = require "websock.base.misuse"
local options = require "websock.base.options"
local receiving = require "websock.link.receiving"
local request_of = require("websock.link.request").of
local writer = require "websock.link.writer"
local sender = require "websock.link.sender"

local show = options.show
local closed, deadline_of, may_wait = blocking.closed, blocking.deadline_of, blocking.may_wait
local trim = blocking.trim

local running = coroutine.running

local CONN = core.CONN  -- the private key of a ws's conn, which refers to its link

local methods, fields = {}, {}

-- Returns the link of a method's first argument.
local function link_of(ws, method)
  local conn = type(ws) == "table" and rawget(ws, CONN)
  if conn then return core.link(conn) end
  misuse("%s: connection expected (ws:%s, not ws.%s)", method, method, method)
end

-- Receiving -------------------------------------------------------------------

--- The next message, waiting for it at most `timeout` seconds (nil: as long as
--- it takes, 0: not at all): message, kind ("text" or "binary") | nil, "timeout" |
--- nil, "busy" | nil, "closed", code, reason.
---@type fun(ws: table, timeout: number?): string|nil, string, integer?, string?
methods.receive = nil  -- C, made in connection.wrap_for

--- The next piece of a message, at most 64 KiB, as it arrives; bound by neither
--- max_message nor max_fragments: chunk, kind, whether it is the last | as receive.
---@type fun(ws: table, timeout: number?): string|nil, string, boolean|integer|nil, string?
methods.receive_part = nil  -- the same

--- Iterates over the messages until the connection ends.
---@type fun(ws: table): fun(ws: table): string|nil, string?
methods.messages = nil  -- the same

-- Sending ---------------------------------------------------------------------

--- Queues a message; waits only while more than max_queue bytes are queued.
---@param message string
---@param kind? "text"|"binary" # default "text"
---@param opts? {timeout: number?, compress: boolean?}
---@return true|nil, string? err, integer? code, string? reason
function methods.send(ws, message, kind, opts)
  local link = link_of(ws, "send")
  kind = kind or "text"
  sender.check_message("send", message, kind)
  if not opts then return trim(sender.send("send", link, nil, message, kind)) end
  local o = options.check("send", opts)
  return trim(sender.send("send", link, o.timeout, message, kind, nil, nil, o.compress))
end

--- Begins a message that is sent in pieces. Others' messages queue behind it.
---@param kind? "text"|"binary"
---@param opts? {compress: boolean?}
---@return table|nil writer, string? err # nil, "busy" while another is open
function methods.writer(ws, kind, opts)
  local link = link_of(ws, "writer")
  kind = kind or "text"
  sender.check_message("writer", "", kind)
  local o = options.check("writer", opts)
  if link.writing then return nil, "busy" end
  if link.stage ~= "open" then return closed(link) end
  return writer.new(link, kind, o.compress)
end

--- Waits until nothing is queued, at most `timeout` seconds.
---@param timeout? number
---@return true|nil, string? err, integer? code, string? reason
function methods.flush(ws, timeout)
  local link = link_of(ws, "flush")
  options.check_timeout(timeout, "flush")
  return trim(sender.flush(link, timeout))
end

-- Ping ------------------------------------------------------------------------

local pings = 0
local WEAK = {__mode = "v"}  -- a ping does not keep the waiting coroutine alive

--- Sends a ping and waits for its pong.
---@param payload? string # at most 125 bytes
---@param timeout? number # default: ping_timeout
---@return number|nil seconds # the round trip
---@return string? err, integer? code, string? reason
function methods.ping(ws, payload, timeout)
  local link = link_of(ws, "ping")
  options.check_timeout(timeout, "ping")
  if payload ~= nil and type(payload) ~= "string" then
    misuse("ping: string expected, got %s", type(payload))
  elseif payload and #payload > 125 then
    misuse("ping: at most 125 bytes")
  elseif link.stage ~= "open" then
    return closed(link)
  end
  timeout = timeout or link.options.ping_timeout
  local waits = may_wait(link, timeout, "ping")
  pings = pings + 1
  local begun = link.loop.now()
  local serial = link.conn:ping(payload or string.pack(">I8", pings))
  if not serial then return closed(link) end
  sender.queued(link, 1)
  if not waits then return nil, "timeout" end
  link.pingers = link.pingers or setmetatable({}, WEAK)
  link.pingers[serial] = running()
  link:read_on()
  local answered, err
  repeat
    answered, err = link.loop.park(begun + timeout, link)
  until answered or err or link.stage ~= "open" and link.stage ~= "closing"
  if err then link:last_look() end
  if link.pingers[serial] == nil then answered = answered or link.loop.now() end
  link.pingers[serial] = nil
  if answered then return answered - begun end
  if err then return nil, err end
  return closed(link)
end

-- Ending ----------------------------------------------------------------------

-- What `close` returns once the connection has ended.
local function outcome(link)
  local code, reason, clean = link.conn:ending()
  if clean then return true end
  if link.timed_out then return nil, "timeout" end
  return nil, "closed", code, reason
end

local A_TURN = 0.05  -- seconds until the Close frame has left: the connection's own
                     -- deadline begins only then

local function wait_for_end(link, timeout)
  local deadline = deadline_of(link, timeout or link.options.close_timeout + A_TURN)
  local me = running()
  link:line_up("closers", me)
  link:read_on()
  local _, err
  while link.stage ~= "gone" and err ~= "timeout" do
    _, err = link.loop.park(deadline, link)
  end
  if err == "timeout" then link:last_look() end
  link.closers:leave(me)
  if link.stage ~= "gone" then return nil, "timeout" end
  return outcome(link)
end

-- Checks a Close frame's code (RFC 6455 section 7.4) and types; the core checks the
-- reason's length and that it is UTF-8.
local function check_close(code, reason)
  if code ~= nil and math.type(code) ~= "integer" then
    misuse("close: code: integer expected, got %s", show(code))
  elseif code and not core.is_close_code(code) then
    misuse("close: code %d may not be sent (RFC 6455 7.4): 1000 to 1003, "
      .. "1007 to 1014 and 3000 to 4999 may", code)
  elseif reason ~= nil and type(reason) ~= "string" then
    misuse("close: reason: string expected, got %s", type(reason))
  end
end

--- The closing handshake (RFC 6455 section 7.1.2), bounded by close_timeout.
--- Idempotent.
---@param code? integer # 1000 (default) to 1003, 1007 to 1014, 3000 to 4999
---@param reason? string # at most 123 bytes of UTF-8
---@param timeout? number # 0 begins it and returns nil, "timeout"
---@return true|nil, string? err, integer? code, string? reason
function methods.close(ws, code, reason, timeout)
  local link = link_of(ws, "close")
  options.check_timeout(timeout, "close")
  check_close(code, reason)
  if link.stage == "gone" then return outcome(link) end
  local waits = may_wait(link, timeout, "close")
  local ok, rule = link:begin_close(code or 1000, reason)
  if not ok then misuse("close: %s", rule) end
  if link.conn:marked() and link.loop.how() == "turn" then link:flush() end
  if link.stage == "gone" then return outcome(link) end
  if not waits then return nil, "timeout" end
  return wait_for_end(link, timeout)
end

--- Drops the connection at once.
function methods.abort(ws)
  local link = link_of(ws, "abort")
  link.conn:mute()
  if link.stage ~= "gone" then link:drop "aborted" end
end

-- State -----------------------------------------------------------------------

--- Bytes queued and not yet handed to the kernel.
---@return integer
function methods.buffered(ws)
  local conn = link_of(ws, "buffered").conn
  return conn:queued() + conn:held()
end

---@return "open"|"closing"|"closed"
function methods.state(ws)
  local stage = link_of(ws, "state").stage
  return stage == "gone" and "closed" or stage
end

--- The peer's address, in the form of LuaSocket's getpeername.
---@return string|nil host, integer|string port_or_err, string? family
function methods.getpeername(ws)
  local link = link_of(ws, "getpeername")
  if link.stage == "gone" then return nil, "closed" end
  return core.peer(link.fd)
end

---@return string|nil host, integer|string port_or_err, string? family
function methods.getsockname(ws)
  local link = link_of(ws, "getsockname")
  if link.stage == "gone" then return nil, "closed" end
  return core.localname(link.fd)
end

---@return integer|nil fd, string? err
function methods.getfd(ws)
  local link = link_of(ws, "getfd")
  if link.stage == "gone" then return nil, "closed" end
  link.lent = true
  return link.fd
end

--- Always the same LuaSocket object, for options and names only. Raises where
--- LuaSocket is missing.
function methods.socket(ws)
  local link = link_of(ws, "socket")
  if not link.object and not link.handle and link.stage ~= "gone" then
    link.lent = true
    link.handle = require("websock.link.socket").handle(link.fd)
  end
  return link.object or link.handle
end

-- Topics ----------------------------------------------------------------------

-- Raises about a topic that is not a string.
local function no_topic(where, topic)
  misuse("%s: topic: string expected, got %s", where, type(topic))
end

-- The topics of the server that a link belongs to.
local function topics_of(where, link)
  if link.role ~= "server" then misuse("%s: connections of a server only", where) end
  return link.server.topics
end

--- Has the messages published to a topic sent to this connection (of a server).
---@param topic string
---@return true|nil, string? err, integer? code, string? reason
function methods.subscribe(ws, topic)
  local link = link_of(ws, "subscribe")
  local topics = topics_of("subscribe", link)
  if type(topic) ~= "string" then no_topic("subscribe", topic) end
  if link.stage ~= "open" then return closed(link) end
  topics:subscribe(link, topic)
  return true
end

---@param topic string
---@return true
function methods.unsubscribe(ws, topic)
  local link = link_of(ws, "unsubscribe")
  local topics = topics_of("unsubscribe", link)
  if type(topic) ~= "string" then no_topic("unsubscribe", topic) end
  topics:unsubscribe(link, topic)
  return true
end

-- Fields ----------------------------------------------------------------------

for _, name in ipairs {"protocol", "response", "latency"} do
  fields[name] = function(link) return link[name] end
end

fields.request = request_of

--- What was agreed on with permessage-deflate, as the server's field says it.
function fields.extensions(link)
  return link.conn:extensions()
end

function fields.server(link)
  local server = link.server
  return server and not server.is_anonymous and server or nil
end

local function ending(position)
  return function(link)
    local stage = link.stage
    if stage == "closed" or stage == "gone" then
      return (select(position, link.conn:ending()))
    end
  end
end

fields.close_code, fields.close_reason = ending(1), ending(2)
fields.close_clean = ending(3)

local Connection = {__name = "websock.connection"}

-- In Lua, because a C function needs more room on the stack of its caller: it would
-- double that of most handlers' coroutines.
function Connection.__index(ws, key)
  local method = methods[key]
  if method then return method end
  local field = fields[key]
  if field then return field(core.link(ws[CONN])) end
end

function Connection.__newindex(ws, key, value)
  if methods[key] or fields[key] then
    misuse("'%s' belongs to the connection and cannot be set", key)
  end
  rawset(ws, key, value)
end

function Connection.__tostring(ws)
  return ("websock.connection (%s): %p"):format(methods.state(ws), ws)
end

-- Closes: a client outside the loop waits as in `close`, all others only begin.
function Connection.__close(ws, err)
  local link = core.link(ws[CONN])
  local waits = link.loop.how() == "turn" and link.role == "client"
  methods.close(ws, err == nil and 1000 or 1011, nil, not waits and 0 or nil)
end

Connection.__gc = core.ws_gc(function(ws)
  local link = core.link(ws[CONN])
  if link.stage == "open" then pcall(link.drop, link, "aborted") end
end)

local connection = {check_message = sender.check_message, no_topic = no_topic}

-- Raises about a first argument that is not a connection.
local function no_connection(where, value)
  link_of(value, where)
end

--- Wraps the methods that may wait: see loop.wrap. Those called most are in C, see
--- lua_ws_receive.c and lua_ws_send.c. To be called once, before there are connections.
function connection.wrap_for(loop)
  methods.receive, methods.receive_part, methods.messages =
    receiving(loop, no_connection)
  loop.wrap_methods(methods, "send flush writer ping close abort subscribe unsubscribe")
  methods.send = core.fast_send(methods.send, loop.turn)
  loop.wrap_methods(Connection, "__close")
  writer.wrap_for(loop)
end

--- Returns a new ws for a link whose handshake is done.
function connection.new(link)
  local ws = setmetatable({[CONN] = link.conn}, Connection)
  link:opened(ws)
  return ws
end

--- Closes a ws as a to-be-closed variable would, after this error or none.
function connection.leave(ws, err)
  Connection.__close(ws, err)
end

--- Returns the link of a ws, nil for anything else.
function connection.link(ws)
  return getmetatable(ws) == Connection and core.link(ws[CONN]) or nil
end

return connection
