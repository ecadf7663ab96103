-- websock.accept: the server's side of the opening handshake on a socket that was
-- accepted elsewhere; the caller waits for it.

local callbacks = require "websock.link.callbacks"
local core = require "websock.core"
local driver = require "websock.link.driver"
local handler = require "websock.server.handler"
local handshake = require "websock.server.handshake"
local headers = require "websock.base.headers"
local Link = require "websock.link.link"
local misuse = require "websock.base.misuse"
local opening = require "websock.link.opening"
local options = require "websock.base.options"
local server = require "websock.server.server"
local socket = require "websock.link.socket"
local text_of = require "websock.base.text"
local tls = require "websock.base.tls"
local tracking = require "websock.server.tracking"

-- Writes the head of a request that the caller has read, for the core to check.
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

local function check_server(given)
  if given ~= nil and not server.is(given) then
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

-- The server of connections that are accepted without one.
local anonymous
local function anonymous_server(loop)
  if not anonymous then
    anonymous = server.new(loop, options.check("accept"))
    anonymous.is_anonymous = true
  end
  return anonymous
end

-- Returns a link of this server with options of its own.
local function new_link(owner, o, how, remote)
  local link = Link.new(owner.class, core.config("server", o))
  link:set_deadline(o.handshake_timeout)
  link.options, link.report, link.driver, link.remote = o, o.report, how, remote
  link.on_handshake = false  -- the caller of accept waits for it
  link.on_closed = o.on_close and callbacks.closed or false
  return link
end

-- The same over the caller's socket. Also returns the bytes that were read from it
-- already.
local function adopt(owner, o, mine)
  local fd, how, foreign, received = socket.take("accept", mine.object)
  local remote, native = remote_of(fd), how == driver.native
  local full, silent = tracking.is_full(owner)
  if full then tracking.tell_full(owner, remote) end
  if silent then
    if native then core.closefd(fd) end
    return nil, "refused"
  end
  local link = new_link(owner, o, how, remote)
  link.refuse = full and 503 or nil
  link.lent = true  -- the caller may have duplicates of it
  if o.nodelay and native and remote.family ~= "unix" then core.nodelay(fd, true) end
  tracking.track(owner, link)
  mine.taken = true
  local ok, err = link:attach(fd, foreign)
  if not ok then return nil, err end
  return link, (o.received or "") .. received
end

-- Answers the request.
local function answer(loop, link, o)
  local ws, err = handshake.answer(link, o)
  if ws then
    tracking.admit(link)
    if o.on_message then callbacks.start(link) else link:hand_over() end
  end
  if link.conn:marked() and loop.how() == "turn" then link:flush() end
  return ws, err
end

-- received: bytes that were read from the link's transport already.
local function shake_hands(loop, link, o, context, received)
  local _ <close> = opening.guard(link)
  local ok, err = opening.start(link, context and context.server, received)
  if not ok then return nil, err end
  opening.wait(link)
  err = opening.failure(link)
  if err then return nil, err end
  return answer(loop, link, o)
end

--- See docs/reference.md.
return function(loop, object, given)
  local mine <close> = socket.given(object)
  local o = options.check("accept", given)
  check_server(o.server)
  handshake.prepare("accept", o)
  loop.place_hooks("accept", o, options.callable)
  loop.must "accept"
  check_socket(object, o)
  local head = o.request and rebuild(o.request) or ""
  local context, err
  if o.tls then context, err = tls.of("accept", o.tls, "server") end
  if err then return nil, err end
  local owner = o.server or anonymous_server(loop)
  if owner.stopped then return nil, "closed" end
  o.report = handler.reporter(o.on_error or owner.options.on_error)
  local link, received = adopt(owner, o, mine)
  if not link then return nil, received end
  return shake_hands(loop, link, o, context, head .. received)
end
