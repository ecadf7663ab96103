-- Servers: websock.listen and websock.accept. A connection has a link from the
-- moment it is accepted, and a coroutine only from the moment its request is
-- there: slow and silent ones cost no more than their link.

local Audience = require "websock.server.audience"
local connection = require "websock.link.connection"
local core = require "websock.core"
local driver = require "websock.link.driver"
local handshake = require "websock.server.handshake"
local headers = require "websock.base.headers"
local Link = require "websock.link.link"
local log = require "websock.base.log"
local Listener = require "websock.server.listener"
local misuse = require "websock.base.misuse"
local options = require "websock.base.options"
local sender = require "websock.link.sender"
local socket = require "websock.link.socket"
local text_of = require "websock.base.text"
local tls = require "websock.base.tls"
local Topics = require "websock.server.topics"

-- Connections above max_connections that are told so at one time; more are just
-- closed.
local MOST_REFUSED = 64

local Server = {__name = "websock.server"}
Server.__index = Server

-- Methods want a server before them.
local function check_self(self, method)
  if getmetatable(self) ~= Server then
    misuse("%s: server expected (server:%s, not server.%s)", method, method, method)
  end
end

-- Errors ----------------------------------------------------------------------

-- What reports an error of a handler or hook: never raises.
local function reporter(on_error)
  return function(err, ws, traceback)
    if not on_error then return log.stderr(traceback) end
    local ok, second = pcall(on_error, err, ws, traceback)
    if ok then return end
    log.stderr(traceback .. "\nand on_error raised: " .. text_of(second))
  end
end

-- The end of a handler's thread.
local function handler_ended(link, ok, err, traceback)
  if link.stage == "handshake" then  -- in the middle of a hook
    if ok then return link:drop "aborted" end
    return handshake.failed(link, err, traceback)
  end
  if not ok then link.report(err, link.ws, traceback) end
  if link.stage == "open" then
    link:begin_close(ok and 1000 or 1011)
  end
end

-- Connections -----------------------------------------------------------------

local function new_link(server, o, config)
  local link = Link.new(server.class, config)
  link:set_deadline(o.handshake_timeout or nil)
  return link
end

local function leave(link)
  local server = link.server
  server.open:remove(link)
  if link.topics then server.topics:leave(link) end
end

-- A TLS handshake that has failed concerns nobody here, but for curious operators.
local function tell_tls(link)
  local err = not link.ws and link.conn:tls_error()
  if err then log.write("info", "tls failed", {err = err, remote = log.place(link.remote)}) end
end

local function gone(link)
  local server = link.server
  server.links[link] = nil
  server.n_links = server.n_links - 1
  if link.refuse then server.n_refused = server.n_refused - 1 end
  tell_tls(link)
  for _, listener in ipairs(server.listeners) do listener:retry() end
  if server.n_links > 0 then return end
  for _, thread in ipairs(server.stopping) do server.loop.wake(server, thread) end
end

-- Counts a link among the server's, from its first byte to its last.
local function join(server, link)
  server.links[link] = true
  server.n_links = server.n_links + 1
end

local function enter(link)
  link.server.open:add(link)
  link:digest(link.conn:poll(0))  -- what came with the request
end

-- The life of a connection that is open, in a thread of its own. The thread's
-- stack stays small, for this is all that many will ever wait in.
local function live(link)
  link:begun()
  link.server.options.handler(link.ws)
end

-- The same from its request on, where hooks may yield.
local function answer_and_live(link)
  local ws = handshake.answer(link, link.server.options)
  if not ws then return end
  enter(link)
  link:begun()
  link.server.options.handler(ws)
end

-- The core has refused a request by itself, or there will be none.
local function tell_refused(link)
  if link.conn:tls_error() then return end
  local _, rule, _, _, _, _, _, status = link.conn:ending()
  log.write("info", "request refused",
    {status = status, rule = rule, remote = log.place(link.remote)})
end

local function on_request(link)
  local o = link.server.options
  if link.conn:state() == "closed" then return tell_refused(link) end
  if handshake.has_hooks(o) then
    link.loop.spawn_for(link, answer_and_live, link)
  elseif handshake.answer(link, o) then
    enter(link)
    link.loop.spawn_for(link, live, link)
  end
end

local function admit(server, fd, remote, full)
  local link = new_link(server, server.options, server.config)
  if full then
    link.refuse = 503  -- once it has said what it wants
    server.n_refused = server.n_refused + 1
  end
  link.remote = remote
  join(server, link)
  local ok, err = link:attach(fd)
  if not ok then gone(link) end
  if ok and server.tls then ok, err = link:secure(server.tls, "") end
  if not ok then server:cannot_accept(err) end
end

--- A connection that has been accepted.
function Server:welcome(fd, remote)
  local most = self.options.max_connections
  local full = most and self.n_links - self.n_refused >= most
  if full and self.n_refused >= MOST_REFUSED then
    core.closefd(fd)
  else
    admit(self, fd, remote, full)
  end
  if full then
    log.write("warn", "too many connections",
      {max_connections = most, remote = log.place(remote)})
  end
end

--- A connection could not be accepted: on_error is told, else the log. A function
--- in place of the log is told anyhow.
function Server:cannot_accept(err)
  local on_error = self.options.on_error
  if on_error then self.options.report(err, nil, "websock: accept: " .. err) end
  if log.sink or not on_error then log.write("error", "accept failed", {err = err}) end
end

-- listen ----------------------------------------------------------------------

local function check_listen(where, o)
  if not o.handler then misuse("%s: option 'handler' is required", where) end
  if o.port == nil and not o.unix and not o.socket then
    misuse("%s: option 'port' is required (or 'unix', or 'socket')", where)
  end
end

local function new_server(loop, o)
  o.report = reporter(o.on_error)
  local server = setmetatable({
    loop = loop, options = o, config = core.config("server", o),
    links = {}, n_links = 0, n_refused = 0, open = Audience.new(), topics = Topics.new(loop.turn), listeners = {},
    stopping = {},  -- the coroutines that are in `stop`
    process = core.process(),
  }, Server)
  server.class = Link.class {
    role = "server", loop = loop, options = o, driver = driver.native,
    server = server, report = o.report, on_handshake = on_request,
    on_leave = leave, on_gone = gone, thread_ended = handler_ended,
  }
  return server
end

local function listens(o)
  return o.socket or o.unix or o.port
end

--- See docs/reference.md.
---@param where "listen"|"serve" # who was called
function Server.listen(loop, given, where)
  local mine <close> = socket.given(type(given) == "table" and given.socket)
  local o = options.check(where, given)
  check_listen(where, o)
  handshake.prepare(where, o)
  local server = new_server(loop, o)
  if o.tls then
    local context, err = tls.of(where, o.tls, "server")
    if not context then return nil, err end
    server.tls = context.server
  end
  if listens(o) then
    local listeners, err, place = Listener.open(server, o)
    if not listeners then return nil, err, place end
    server.listeners = listeners
  end
  if mine then mine.taken = true end
  return server
end

--- The open connections, as they are now.
---@return fun(): table?
function Server:connections()
  check_self(self, "connections")
  local list, i = {}, 0
  for n, link in ipairs(self.open.links) do list[n] = link.ws end
  return function()
    i = i + 1
    return list[i]
  end
end

--- How many connections are open.
---@return integer
function Server:count()
  check_self(self, "count")
  return self.open.n
end

--- The address that the (first) listener is bound to.
---@return string|nil host, integer|string? port_or_err, string? family
function Server:getsockname()
  check_self(self, "getsockname")
  local listener = self.listeners[1]
  if not listener or not listener.fd then return nil, "closed" end
  return core.localname(listener.fd)
end

-- Stopping --------------------------------------------------------------------

-- They may go while the list is gone through.
local function list_of(links)
  local list = {}
  for link in pairs(links) do list[#list + 1] = link end
  return list
end

local function close_everyone(server)
  for _, link in ipairs(list_of(server.links)) do
    if link.stage == "open" then
      link:begin_close(1001, "server stops")
      if link.conn:marked() then link:flush() end
    elseif link.stage == "handshake" then
      link:drop "aborted"
    end
  end
end

local function drop_everyone(server)
  for _, link in ipairs(list_of(server.links)) do
    if link.stage == "closed" then link:release() else link:drop "aborted" end
  end
end

local function stop_listening(server)
  server.stopped = true
  for _, listener in ipairs(server.listeners) do listener:close() end
end

-- Ends at once, without a word to anybody.
local function give_up(server)
  stop_listening(server)
  drop_everyone(server)
  server.ended = true
  if server.serving then server.serving(server) end
end

local function wait_for_links(server, timeout)
  local deadline = server.loop.now() + timeout
  table.insert(server.stopping, (coroutine.running()))
  local _, err
  while server.n_links > 0 and err ~= "timeout" do
    _, err = server.loop.park(deadline, server)
  end
  if server.n_links == 0 then server.stopping = {} end
  for _, link in ipairs(list_of(server.links)) do link:last_look() end
end

--- Stops accepting, closes everyone with 1001, waits for the connections, then
--- aborts what is left. Idempotent.
---@param timeout? number # default: close_timeout; 0 waits for nobody
function Server:stop(timeout)
  check_self(self, "stop")
  options.check_timeout(timeout, "stop")
  if self.ended and self.n_links == 0 then return end
  timeout = timeout or self.options.close_timeout
  if timeout > 0 then self.loop.must "stop" end
  stop_listening(self)
  close_everyone(self)
  if timeout > 0 then wait_for_links(self, timeout) end
  give_up(self)
end

-- Connections that a forked child has of its parent are not its own to say
-- good-bye on.
local function stop_now(server)
  if server.process == core.process() then return server:stop(0) end
  give_up(server)
end

Server.__close = stop_now

function Server:__gc()
  pcall(stop_now, self)
end

function Server:__tostring()
  return ("websock.server (%d open): %p"):format(self.open.n, self)
end

-- To many --------------------------------------------------------------------

-- Checks what is to be told. Returns the link that does not get it, and what happens
-- to who is slow.
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

--- Queues a message on everyone who has subscribed to a topic. Never waits.
---@param topic string
---@param message string
---@param kind? "text"|"binary"
---@param opts? {except: table?, slow: "close"|"drop"?}
---@return integer delivered # on how many it was queued
---@return integer dropped # how many had too much queued already
function Server:publish(topic, message, kind, opts)
  check_self(self, "publish")
  connection.check_topic("publish", topic)
  kind = kind or "text"
  return self.topics:publish(topic, message, kind,
    check_told("publish", message, kind, opts))
end

--- The same for everyone who is connected.
---@return integer delivered, integer dropped
function Server:broadcast(message, kind, opts)
  check_self(self, "broadcast")
  kind = kind or "text"
  return self.open:tell(self.loop.turn, message, kind,
    check_told("broadcast", message, kind, opts))
end

--- Handshakes from now on use these settings; connections that are open stay as
--- they are.
---@param given table # settings, or what websock.tls has made of them
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

--- See docs/reference.md.
function Server.serve(loop, given)
  loop.must "serve"
  local server, err, place = loop.call(Server.listen, loop, given, "serve")
  if not server then return nil, err, place end
  local _ <close> = server  -- also when this coroutine is closed
  if loop.how() == "turn" then
    server.serving = loop.stop
    return loop.run()
  end
  local me = coroutine.running()
  server.serving = function() loop.wake(server, me) end
  repeat loop.park(nil, server) until server.ended
  return true
end

-- accept ----------------------------------------------------------------------

-- The head of a request that somebody else has read, for the core to check.
local function rebuild(request)
  local lines = {}
  local function line(text)
    if text:find "[\r\n\0]" then
      misuse("accept: option 'request': CR, LF and NUL are not allowed")
    end
    lines[#lines + 1] = text .. "\r\n"
  end
  if type(request.method) ~= "string" or type(request.target) ~= "string" then
    misuse("accept: option 'request': method and target are strings")
  end
  line(request.method .. " " .. request.target .. " HTTP/1.1")
  local flat = headers.flatten("accept", request.headers)
  for i = 1, #flat, 2 do line(flat[i] .. ": " .. flat[i + 1]) end
  return table.concat(lines) .. "\r\n"
end

local function wait_for_request(loop, link)
  link.connecting = coroutine.running()
  link.on_handshake = function() loop.wake(link, link.connecting) end
  link:digest(link.conn:poll(1))
  while link.stage == "handshake" and not link.asked do loop.park(nil, link) end
  link.connecting, link.on_handshake = nil, nil
end

local function check_server(server)
  if server ~= nil and getmetatable(server) ~= Server then
    misuse("accept: option 'server': a server of websock expected")
  end
end

local function check_socket(object, o)
  if not object then
    misuse("accept: a socket object expected, got %s", text_of(object))
  elseif o.request and o.tls then
    misuse "accept: option 'tls' does not go with 'request', which came without"
  elseif o.tls and socket.is_foreign(object) then
    misuse "accept: option 'tls': a socket object that is no LuaSocket's has its own TLS"
  end
end

local function remote_of(fd)
  local host, port, family = core.peer(fd)
  return {host = host or "", port = port or 0, family = family}
end

-- What connections join that were accepted for no server in particular.
local anonymous
local function nobodys(loop)
  if not anonymous then
    anonymous = new_server(loop, options.check("accept"))
    anonymous.is_anonymous = true
  end
  return anonymous
end

-- A link of the server's over somebody's socket, fed with what has been read from
-- that already.
local function adopt(server, o, mine, head, context)
  local fd, how, foreign, received = socket.take("accept", mine.object)
  local link = new_link(server, o, core.config("server", o))
  link.remote = remote_of(fd)
  link.options, link.report, link.driver = o, o.report, how
  link.conn:limit(o.max_queue)
  if o.nodelay and how == driver.native and link.remote.family ~= "unix" then
    core.nodelay(fd, true)
  end
  join(server, link)
  mine.taken = true
  local ok, err = link:attach(fd, foreign)
  if not ok then
    gone(link)
    return nil, err
  end
  received = (o.received or "") .. received
  if context and how == driver.native then
    ok, err = link:secure(context.server, received)
  else
    ok, err = link.conn:feed(head .. received)
    if not ok then link:drop "aborted" end
  end
  return ok and link, err
end

-- Waits for the request and answers it.
local function shake_hands(loop, link, o)
  local _ <close> = setmetatable({}, {__close = function()  -- closed meanwhile
    if link.stage == "handshake" then link:drop "aborted" end
  end})
  wait_for_request(loop, link)
  if link.timed_out then return nil, "timeout" end
  if link.conn:tls_error() then return nil, link.conn:tls_error() end
  local ws, err = handshake.answer(link, o)
  if ws then
    enter(link)
    link:begun()
  end
  if link.conn:marked() and loop.how() == "turn" then link:flush() end
  return ws, err
end

--- See docs/reference.md.
function Server.accept(loop, object, given)
  local mine <close> = socket.given(object)
  local o = options.check("accept", given)
  check_server(o.server)
  handshake.prepare("accept", o)
  loop.must "accept"
  check_socket(object, o)
  local head = o.request and rebuild(o.request) or ""
  local context, err
  if o.tls then context, err = tls.of("accept", o.tls, "server") end
  if err then return nil, err end
  local server = o.server or nobodys(loop)
  if server.stopped then return nil, "closed" end
  o.report = reporter(o.on_error or server.options.on_error)
  local link
  link, err = adopt(server, o, mine, head, context)
  if not link then return nil, err end
  return shake_hands(loop, link, o)
end

--- Has the loop run what may wait, or ends connections: see loop.wrap.
function Server.wrap_for(loop)
  loop.wrap_methods(Server, "stop publish broadcast set_tls __close")
end

return Server
