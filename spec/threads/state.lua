-- What each state of states.c does, all at the same time: a server and its clients,
-- plain, over TLS and compressed; look-ups; signals.

local number, cert, key = ...

local websock = require "websock"

local CLIENTS, MESSAGES = 3, 20

local servers = {
  {scheme = "ws"},
  {scheme = "ws", compress = true},
  {scheme = "wss"},
  {scheme = "wss", compress = {server_no_context_takeover = false,
    client_no_context_takeover = false}},
}

-- Texts of 0 to about 100,000 bytes, which belong to this state and client.
local function text(client, i)
  return ("%d %d %d "):format(number, client, i):rep(i * i * i)
end

-- One server's connections are served by a handler, the next one's by callbacks.
local function listen(i, o)
  local options = {
    port = 0, compress = o.compress, ping_interval = 0.05,
    tls = o.scheme == "wss" and {cert = cert, key = key} or nil,
  }
  if i % 2 == 0 then
    function options.on_message(ws, message, kind) ws:send(message, kind) end
  else
    function options.handler(ws)
      for message, kind in ws:messages() do ws:send(message, kind) end
    end
  end
  o.server = assert(websock.listen(options))
  o.port = select(2, o.server:getsockname())
end

local function talk(o, client)
  -- a name, which a thread looks up
  local ws = assert(websock.connect(("%s://localhost:%d/"):format(o.scheme, o.port), {
    compress = o.compress, family = "inet",
    tls = o.scheme == "wss" and {ca_file = cert} or nil,
  }))
  assert((ws.extensions ~= nil) == (o.compress ~= nil))
  for i = 1, MESSAGES do
    assert(ws:send(text(client, i)))
    assert(assert(ws:receive()) == text(client, i))
  end
  assert(ws:ping "still there?")
  assert(ws:close())
end

-- Waits until this state's function was called for a signal.
local function take_signal(name)
  local thread = coroutine.running()
  websock.signal(name, function() websock.wake(thread) end)
  websock.park()
  websock.signal(name)
end

local left, raised = 0, nil

function websock.on_error(_, _, traceback)
  raised = traceback
  websock.stop()
end

local function start(f, ...)
  left = left + 1
  websock.spawn(function(...)
    f(...)
    left = left - 1
    if left == 0 then for _, o in ipairs(servers) do o.server:stop() end end
  end, ...)
end

for i, o in ipairs(servers) do
  listen(i, o)
  for client = 1, CLIENTS do start(talk, o, client) end
end
start(function() for _ = 1, 5 do take_signal "USR1" end end)
websock.run()
assert(left == 0 and not raised, raised)
