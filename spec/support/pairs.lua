-- Pairs of a connection and a wire-level peer in all four ways: our role, with TLS
-- or without. For what has to be the same in each.

local websock = require "websock"
local certificates = require "support.certificates"
local ends = require "support.ends"
local frames = require "support.frames"
local raw = require "support.raw"
local secure = require "support.secure"
local wss = require "support.wss"

local pairs_of = {}

pairs_of.ways = {
  {role = "server"}, {role = "client"},
  {role = "server", tls = true}, {role = "client", tls = true},
}

---"server, wss", for the name of a test.
function pairs_of.name(way)
  return way.role .. (way.tls and ", wss" or ", ws")
end

---A frame's bytes as the peer of such a connection sends them.
function pairs_of.build(way, frame)
  frame.mask = way.role == "server" and "\x37\xfa\x21\x3d" or nil
  return frames.build(frame)
end

local KEY = "\0\0\0\0"

---The same by a mask of zeros, so that what it sends can be read.
function pairs_of.plainly(way, opcode, payload, fin)
  return frames.build {opcode = opcode, payload = payload, fin = fin,
    mask = way.role == "server" and KEY or nil}
end

-- A server's connection whose handler is `handler`; the peer has sent `bytes` right
-- behind its request, in one write.
local function serve(way, options, handler, bytes, fields)
  local all = {port = 0, handler = handler, tls = way.tls and certificates.of "server" or nil}
  for name, value in pairs(options or {}) do all[name] = value end
  local server = ends.listen(all)
  local peer = way.tls and assert(secure.client(ends.port(server))) or raw.client(ends.port(server))
  ends.at_end(function() peer:close() end)
  assert(peer:send(frames.request(fields) .. (bytes or "")))
  local status = assert(peer:head())
  assert(status:find("^HTTP/1%.1 101 "), status)
  return peer, server
end

-- A client's, likewise: `handler` is called in a coroutine once it is connected.
local function connect(way, options, handler, bytes, fields)
  local listener <close> = raw.server()
  local all = {tls = way.tls and wss.trusting() or nil}
  for name, value in pairs(options or {}) do all[name] = value end
  local peer
  websock.spawn(function()
    local ws = assert(websock.connect(
      ("%s://localhost:%d"):format(way.tls and "wss" or "ws", listener.port), all))
    ends.at_end(function() ws:abort() end)
    handler(ws)
    ws:close(nil, nil, 0)
  end)
  peer = assert(listener:accept())
  if way.tls then assert(secure.wrap(peer, secure.server_params "server")) end
  ends.at_end(function() peer:close() end)
  local _, request = assert(peer:head())
  assert(peer:send(frames.response(fields, raw.accept_key(request["sec-websocket-key"]))
    .. (bytes or "")))
  return peer
end

---A connection that runs `handler` in a coroutine, and closes when that returns; and
---its peer, which has sent `bytes` right behind its half of the handshake.
---@param options? table # of websock.listen or websock.connect
---@param fields? table # of the peer's half: see frames.request, frames.response
---@return table peer, table? server
function pairs_of.open(way, options, handler, bytes, fields)
  local open = way.role == "server" and serve or connect
  return open(way, options, handler, bytes, fields)
end

---Makes one test in each of the ways: body(way) runs in a coroutine of the loop.
---@param it function # busted's
function pairs_of.each(it)
  return function(name, body)
    for _, way in ipairs(pairs_of.ways) do
      it(("%s (%s)"):format(name, pairs_of.name(way)), function()
        ends.inside(body, way)
      end)
    end
  end
end

return pairs_of
