-- Servers: websock.listen and websock.serve, and the methods of a server. A connection
-- has a link from the moment it is accepted, but a coroutine only once its request has
-- arrived: slow and silent peers cost no more than a link.

local callbacks = require "websock.link.callbacks"
local connection = require "websock.link.connection"
local core = require "websock.core"
local deadline = require "websock.link.deadline"
local driver = require "websock.link.driver"
local handler = require "websock.server.handler"
local handshake = require "websock.server.handshake"
local Link = require "websock.link.link"
local log = require "websock.base.log"
local Listener = require "websock.server.listener"
local misuse = require "websock.base.misuse"
local options = require "websock.base.options"
local remote_of = require("websock.link.request").remote
local sender = require "websock.link.sender"
local socket = require "websock.link.socket"
local stop = require "websock.server.stop"
local tls = require "websock.base.tls"
local Topics = require "websock.server.topics"
local tracking = require "websock.server.tracking"

local server = {}

local Server = {__name = "websock.server"}
Server.__index = Server

-- Raises unless a method is called on a server.
local function check_self(self, method)
  if getmetatable(self) ~= Server then
    misuse("%s: server expected (server:%s, not server.%s)", method, method, method)
  end
end

-- Connections -----------------------------------------------------------------

-- Has the listeners try again that could not accept, as a descriptor is free now.
local function accept_again(self)
  self.starved = nil
  for _, listener in ipairs(self.listeners) do listener:retry() end
end

-- Called when the descriptor of a link is closed. A failed TLS handshake is only of
-- interest to operators, so it is logged as info.
local function gone(link)
  local self = link.server
  tracking.untrack(self, link)
  local err = not link.ws and link.conn:tls_error()
  if err then log.write("info", "tls failed", {err = err, remote = log.place(remote_of(link))}) end
  if self.starved then accept_again(self) end
  if self.n_links == 0 then stop.wake(self) end
end

local function take_in(self, link, fd, full)
  deadline.set(link, self.options.handshake_timeout)
  if full then
    link.refuse = 503  -- the answer to its request
    link.conn:unusual()
  end
  tracking.track(self, link)
  local ok, err = link:begin(fd)
  if ok and self.tls then ok, err = link:secure(self.tls, "") end
  if not ok then self:cannot_accept(err) end
end

--- Returns a link for a connection that is to be accepted.
function Server:new_link()
  return Link.new(self.class, self.config)
end

--- Called for each accepted connection.
function Server:welcome(link, fd)
  if not self.options.max_connections then return take_in(self, link, fd) end
  local full, silent = tracking.is_full(self)
  if silent then
    link.conn:closefd()
  else
    take_in(self, link, fd, full)
  end
  if full then tracking.tell_full(self, remote_of(link)) end
end

--- Reports that a connection could not be accepted: to on_error, or without one to the
--- log. A log function of the user's gets it in any case.
function Server:cannot_accept(err)
  local on_error = self.options.on_error
  if on_error then self.options.report(err, nil, "websock: accept: " .. err) end
  if log.sink or not on_error then log.write("error", "accept failed", {err = err}) end
end

-- listen ----------------------------------------------------------------------

local function check_listen(where, o)
  if not o.handler and not o.on_message then
    misuse("%s: option 'handler' is required (or 'on_message')", where)
  end
  if o.port == nil and not o.unix and not o.socket then
    misuse("%s: option 'port' is required (or 'unix', or 'socket')", where)
  end
end

--- Returns a server that does not listen yet.
---@param o table # checked and prepared options
function server.new(loop, o)
  o.report = handler.reporter(o.on_error)
  local self = setmetatable({
    loop = loop, options = o, config = core.config("server", o),
    topics = Topics.new(loop.turn), listeners = {},
    stopping = {},  -- the coroutines that are in `stop`
  }, Server)
  tracking.start(self)
  self.class = Link.class {
    role = "server", loop = loop, options = o, driver = driver.native,
    server = self, report = o.report, on_handshake = handler.on_request,
    on_upgrade = handler.on_upgrade, on_leave = tracking.dismiss,
    on_closed = o.on_close and callbacks.closed, on_gone = gone, thread_ended = handler.ended,
  }
  return self
end

local function listens(o)
  return o.socket or o.unix or o.port
end

--- See docs/reference.md.
---@param where "listen"|"serve" # the function called
function server.listen(loop, given, where)
  local mine <close> = socket.given(type(given) == "table" and given.socket)
  local o = options.check(where, given)
  check_listen(where, o)
  handshake.prepare(where, o)
  loop.place_hooks(where, o, options.callable)
  local self = server.new(loop, o)
  handshake.delegate(o, self.config)
  if o.tls then
    local context, err = tls.of(where, o.tls, "server")
    if not context then return nil, err end
    self.tls = context.server
  end
  if listens(o) then
    local listeners, err, place = Listener.open(self, o)
    if not listeners then return nil, err, place end
    self.listeners = listeners
  end
  if mine then mine.taken = true end
  return self
end

local function wait_for_end(self, loop)
  local me = coroutine.running()
  self.serving = function() loop.wake(self, me) end
  repeat loop.park(nil, self) until self.ended
  return true
end

--- See docs/reference.md.
function server.serve(loop, given)
  local how = loop.call(loop.must, "serve")
  if how == "turn" then loop.check_turnable "serve" end
  local self, err, place = loop.call(server.listen, loop, given, "serve")
  if not self then return nil, err, place end
  local _ <close> = self  -- also when this coroutine is closed
  if how == "yield" then return loop.call(wait_for_end, self, loop) end
  self.serving = loop.end_run
  return loop.run()
end

-- Methods ---------------------------------------------------------------------

--- Iterates over the connections that are open now.
---@return fun(): table?
function Server:connections()
  check_self(self, "connections")
  local list, i = self.open:list(), 0
  return function()
    i = i + 1
    return list[i]
  end
end

--- How many connections are open.
---@return integer
function Server:count()
  check_self(self, "count")
  return #self.open
end

--- The address that the (first) listener is bound to.
---@return string|nil host, integer|string? port_or_err, string? family
function Server:getsockname()
  check_self(self, "getsockname")
  local listener = self.listeners[1]
  if not listener or not listener.fd then return nil, "closed" end
  return core.localname(listener.fd)
end

--- Stops accepting, closes all connections with 1001, waits for them, then aborts
--- those that are left. Idempotent.
---@param timeout? number # default: close_timeout; 0 does not wait
function Server:stop(timeout)
  check_self(self, "stop")
  options.check_timeout(timeout, "stop")
  stop.within(self, timeout or self.options.close_timeout)
end

Server.__close = stop.now

function Server:__gc()
  pcall(stop.now, self)
end

function Server:__tostring()
  return ("websock.server (%d open): %p"):format(#self.open, self)
end

-- Broadcasts -----------------------------------------------------------------

-- Checks the arguments of a broadcast. Returns the link to leave out, and the policy for
-- slow connections.
local function check_told(where, message, kind, given)
  connection.check_message(where, message, kind)
  local o = options.check(where, given)
  local except = o.except and connection.link(o.except)
  if o.except and not except then
    misuse("%s: option 'except': a connection expected", where)
  elseif kind == "text" and not core.is_utf8(message) then
    sender.no_text(where)
  end
  return except, o.slow
end

--- Queues a message on all connections that have subscribed to a topic. Never waits.
---@param topic string
---@param message string
---@param kind? "text"|"binary"
---@param opts? {except: table?, slow: "close"|"drop"?}
---@return integer delivered # connections on which it was queued
---@return integer dropped # connections that had too much queued already
function Server:publish(topic, message, kind, opts)
  check_self(self, "publish")
  if type(topic) ~= "string" then connection.no_topic("publish", topic) end
  kind = kind or "text"
  return self.topics:publish(topic, message, kind,
    check_told("publish", message, kind, opts))
end

--- The same for all open connections.
---@return integer delivered, integer dropped
function Server:broadcast(message, kind, opts)
  check_self(self, "broadcast")
  kind = kind or "text"
  return self.open:tell(self.loop.turn, message, kind,
    check_told("broadcast", message, kind, opts))
end

--- Sets the TLS settings of later handshakes; open connections are not affected.
---@param given table # settings, or a context of websock.tls
---@return true|nil, string? err # "tls: ..."; then nothing has changed
function Server:set_tls(given)
  check_self(self, "set_tls")
  if not self.tls then misuse("set_tls: a server without TLS") end
  local o = options.check("set_tls", {tls = given})
  if not o.tls then misuse("set_tls: table expected, got nil") end
  local context, err = tls.of("set_tls", o.tls, "server")
  if not context then return nil, err end
  self.tls = context.server
  return true
end

--- Whether this is a server.
function server.is(object)
  return getmetatable(object) == Server
end

--- Wraps the methods that may wait, or end connections: see loop.wrap.
function server.wrap_for(loop)
  loop.wrap_methods(Server, "stop publish broadcast set_tls __close")
end

return server
