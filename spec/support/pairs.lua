-- Pairs of a connection and a wire-level peer in all ways: our role, with or without
-- TLS, over our own descriptor or through a socket object's methods. For behaviour that
-- must be the same in each.

local websock = require "websock"
local certificates = require "support.certificates"
local ends = require "support.ends"
local frames = require "support.frames"
local look_alike = require "support.look_alike"
local raw = require "support.raw"
local secure = require "support.secure"
local wss = require "support.wss"

local pairs_of = {}

pairs_of.ways = {
  {role = "server"}, {role = "client"},
  {role = "server", tls = true}, {role = "client", tls = true},
}

---The same through a socket object's methods; with TLS it is LuaSec's.
pairs_of.by_methods = {
  {role = "server", methods = true}, {role = "client", methods = true},
  {role = "server", tls = true, methods = true}, {role = "client", tls = true, methods = true},
}

---Those of a server that may have callbacks, which pairs_of.open gets as options.
pairs_of.served = {
  {role = "server"}, {role = "server", tls = true}, {role = "server", methods = true},
  {role = "server", tls = true, methods = true},
}

---"server, wss", for the name of a test.
function pairs_of.name(way)
  return way.role .. (way.tls and ", wss" or ", ws") .. (way.methods and ", by methods" or "")
end

---A frame's bytes as the peer of such a connection sends them.
function pairs_of.build(way, frame)
  frame.mask = way.role == "server" and "\x37\xfa\x21\x3d" or nil
  return frames.build(frame)
end

local KEY = "\0\0\0\0"

---The same with a mask of zeros, so that the bytes are readable.
function pairs_of.plainly(way, opcode, payload, fin)
  return frames.build {opcode = opcode, payload = payload, fin = fin,
    mask = way.role == "server" and KEY or nil}
end

local function peer_of(way, port)
  local peer = way.tls and assert(secure.client(port)) or raw.client(port)
  ends.at_end(function() peer:close() end)
  return peer
end

-- The peer of a server: sends its request and `bytes` in one write.
local function ask(peer, bytes, fields)
  assert(peer:send(frames.request(fields) .. (bytes or "")))
  local status = assert(peer:head())
  assert(status:find("^HTTP/1%.1 101 "), status)
end

-- The peer of a client, likewise.
local function answer(peer, bytes, fields)
  local _, request = assert(peer:head())
  assert(peer:send(frames.response(fields, raw.accept_key(request["sec-websocket-key"]))
    .. (bytes or "")))
end

local function with(options, more)
  local all = {}
  for name, value in pairs(options) do all[name] = value end
  for name, value in pairs(more) do all[name] = value end
  return all
end

-- Calls the handler, if there is one, with what open() returns, in a coroutine of the
-- loop.
local function handle(handler, open, ...)
  websock.spawn(function(...)
    local ws = assert(open(...))
    ends.at_end(function() ws:abort() end)
    if not handler then return end
    handler(ws)
    ws:close(nil, nil, 0)
  end, ...)
end

local function serve(way, options, handler, bytes, fields)
  local server = ends.listen(with({port = 0, handler = handler,
    tls = way.tls and certificates.of "server" or nil}, options or {}))
  local peer = peer_of(way, ends.port(server))
  ask(peer, bytes, fields)
  return peer, server
end

-- Returns one of our ends as a socket object that is driven through its methods.
local function object_of(way, one, params)
  if not way.tls then return look_alike(one.sock) end
  return assert(secure.wrap(one, params)).tls
end

local function serve_by_methods(way, options, handler, bytes, fields)
  local listener <close> = raw.server()
  handle(handler, function()
    local object = object_of(way, assert(listener:accept()), secure.server_params "server")
    return websock.accept(object, options)
  end)
  local peer = peer_of(way, listener.port)
  ask(peer, bytes, fields)
  return peer
end

local function dial(way, port, options)
  return websock.connect(("%s://localhost:%d"):format(way.tls and "wss" or "ws", port),
    with({tls = way.tls and wss.trusting() or nil}, options or {}))
end

local function dial_by_methods(way, port, options)
  local object = object_of(way, raw.client(port), {})
  return websock.connect("ws://localhost/", with({socket = object}, options or {}))
end

local function connect(way, options, handler, bytes, fields)
  local listener <close> = raw.server()
  handle(handler, way.methods and dial_by_methods or dial, way, listener.port, options)
  local peer = assert(listener:accept())
  if way.tls then assert(secure.wrap(peer, secure.server_params "server")) end
  ends.at_end(function() peer:close() end)
  answer(peer, bytes, fields)
  return peer
end

---Opens a connection that runs `handler` in a coroutine, and closes when that returns.
---Returns its peer, which has sent `bytes` right after its half of the handshake.
---@param options? table # of websock.listen or websock.connect
---@param fields? table # of the peer's half: see frames.request, frames.response
---@return table peer, table? server
function pairs_of.open(way, options, handler, bytes, fields)
  local open = way.role == "client" and connect
    or way.methods and serve_by_methods or serve
  return open(way, options, handler, bytes, fields)
end

---Makes one test in each of the ways: body(way) runs in a coroutine of the loop.
---@param it function # busted's
---@param ... table[] # lists of ways; pairs_of.ways if there are none
function pairs_of.each(it, ...)
  local lists = ... and {...} or {pairs_of.ways}
  return function(name, body)
    for _, ways in ipairs(lists) do
      for _, way in ipairs(ways) do
        it(("%s (%s)"):format(name, pairs_of.name(way)), function()
          ends.inside(body, way)
        end)
      end
    end
  end
end

return pairs_of
