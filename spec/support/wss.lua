-- Servers and clients of ours in TLS, with the tests' own authority.

local websock = require "websock"
local certificates = require "support.certificates"
local ends = require "support.ends"

local wss = {patience = 60}

---Sends everything back.
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

---Raises unless a message comes back as it went.
function wss.assert_echo(ws, message, kind)
  assert(ws:send(message, kind))
  local back, err, code, reason = ws:receive(wss.patience)
  if not back then error(("no echo: %s %s %s"):format(err, code, reason), 2) end
  if back ~= message then error("another message came back", 2) end
end

return wss
