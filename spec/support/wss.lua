-- Our servers and clients with TLS, with the tests' own authority.

local websock = require "websock"
local assert = require "luassert"
local certificates = require "support.certificates"
local ends = require "support.ends"
local raw = require "support.raw"
local relay = require "support.relay"
local secure = require "support.secure"

local wss = {patience = 240}

---Echoes all messages.
function wss.echo(ws)
  for message, kind in ws:messages() do
    if not ws:send(message, kind) then break end
  end
end

---A server that stops with the test: an echo server with the certificate
---"server", unless the options say otherwise (tls = false: none at all).
---@param options? table # of websock.listen
function wss.serve(options)
  local all = {port = not (options and options.unix) and 0 or nil, handler = wss.echo, tls = certificates.of "server"}
  for name, value in pairs(options or {}) do all[name] = value end
  all.tls = all.tls or nil
  return ends.listen(all)
end

---The URL of a server (or a port).
function wss.url(server, host)
  local port = type(server) == "number" and server or ends.port(server)
  return ("wss://%s:%d/"):format(host or "localhost", port)
end

---A client's `tls` table that trusts the tests' authority.
function wss.trusting(more)
  local tls = {ca_file = certificates.ca.cert}
  for name, value in pairs(more or {}) do tls[name] = value end
  return tls
end

---websock.connect to a server (or a port) of this machine.
---@param tls? table # default: wss.trusting()
function wss.dial(server, tls, host, options)
  local all = {tls = tls or wss.trusting(), timeout = wss.patience, max_message = 16 << 20}
  for name, value in pairs(options or {}) do all[name] = value end
  return websock.connect(wss.url(server, host), all)
end

---The same; raises where it fails. Ends with the test.
function wss.connect(...)
  local ws, err = wss.dial(...)
  if not ws then error("not connected: " .. tostring(err), 2) end
  ends.at_end(function() ws:abort() end)
  return ws
end

---Raises unless a message is echoed unchanged.
function wss.assert_echo(ws, message, kind)
  assert(ws:send(message, kind))
  local back, err, code, reason = ws:receive(wss.patience)
  if not back then error(("no echo: %s %s %s"):format(err, code, reason), 2) end
  if back ~= message then error("another message came back", 2) end
end

---Raises unless connecting with these arguments fails; returns the error, which must be
---of TLS and match.
function wss.assert_fails(pattern, ...)
  local ws, err = wss.dial(...)
  if ws then ws:abort() end
  assert.is_nil(ws)
  assert.matches("^tls: ", err)
  assert.matches(pattern, err)
  return err
end

---A relay in front of a server; it ends with the test.
function wss.before(server, options)
  local between = relay.open(ends.port(server), options)
  ends.at_end(function() between:close() end)
  return between
end

---Opens our client and a server whose handler parks: returns the client, the server's
---connection, the relay between them, and the server.
function wss.pair(options, tls)
  local theirs, thread
  local all = {handler = function(ws)
    theirs, thread = ws, coroutine.running()
    websock.park()
  end}
  for name, value in pairs(options or {}) do all[name] = value end
  local server = wss.serve(all)
  local between = wss.before(server)
  local ours = wss.connect(between.port, tls)
  ends.turn_until(function() return thread end)
  ends.at_end(function() websock.wake(thread) end)
  return ours, theirs, between, server
end

---Connects our client to a LuaSec server: returns the client and its peer.
---@param params? table # of ssl.wrap, for the server
---@param options? table # of websock.connect
function wss.of_luasec(params, options)
  local listener <close> = raw.server()
  local peer
  websock.spawn(function()
    peer = assert(secure.wrap(listener:accept(), secure.server_params("server", params)))
    peer:welcome()
  end)
  local ws = wss.connect(listener.port, nil, nil, options)
  ends.at_end(function() peer:close() end)
  return ws, peer
end

---n bytes that do not repeat.
function wss.bytes(n)
  local parts = {}
  for i = 1, (n + 7) // 8 do parts[i] = ("%08x"):format(i) end
  return table.concat(parts):sub(1, n)
end

return wss
