-- Rows: sockets that somebody else has accepted, connected or put into TLS.

local socket = require "socket"
local websock = require "websock"
local assert = require "luassert"
local new_list = require "support.hosts.list"
local raw = require "support.raw"
local secure = require "support.secure"

local rows, row = new_list()

-- Echoes on an accepted socket until the connection ends.
local function serve(t, sock)
  local ws = t:ok(websock.accept(sock))
  for message, kind in ws:messages() do
    t:own()
    t:ok(ws:send(message, kind))
  end
end

row("accept in the host's own server", function(t)
  local listener, port = t.listener()
  local served = 0
  local stop = t.host.serve(listener, t.guard(function(sock)
    serve(t, sock)
    served = served + 1
  end))
  for _ = 1, 3 do
    local ws = t:connect(port)
    t:assert_echo(ws)
    t:ok(ws:close())
  end
  t:wait_until(function() return served == 3 end)
  stop()
end)

row("accept of a wrapped socket in the host's own server", function(t)
  local listener, port = t.listener()
  local copas, served = t.host.copas, nil
  local stop = t.host.serve(listener, copas.handler(t.guard(function(wrapped)
    serve(t, wrapped)
    served = true
  end)))
  local ws = t:connect(port)
  t:assert_echo(ws)
  t:ok(ws:close())
  t:wait_until(function() return served end)
  stop()
end, {only = "copas"})

row("connect over a LuaSocket object", function(t)
  local server = t:listen()
  local sock = assert(socket.connect("127.0.0.1", (select(2, server:getsockname()))))
  local ws = t:ok(websock.connect("ws://localhost/", {socket = sock}))
  t:assert_echo(ws)
  t:ok(ws:close())
end)

row("connect over LuaSec", function(t)
  local server = t:listen {tls = (t:tls())}
  local port = select(2, server:getsockname())
  local peer = assert(secure.wrap(raw.client(port), {}))
  t:own()
  local ws = t:ok(websock.connect("wss://localhost/", {socket = peer.tls}))
  t:assert_echo(ws)
  t:ok(ws:close())
end)

row("connect over LuaSec, wrapped by the host", function(t)
  local server = t:listen {tls = (t:tls())}
  local wrapped = t.host.copas.wrap(socket.tcp(), {wrap = {mode = "client", protocol = "any"}})
  assert(wrapped:connect("127.0.0.1", (select(2, server:getsockname()))))
  local ws = t:ok(websock.connect("wss://localhost/", {socket = wrapped}))
  t:assert_echo(ws)
  t:ok(ws:close())
end, {only = "copas"})

row("accept over LuaSec", function(t)
  local listener, port = t.listener()
  local served
  local stop = t.host.serve(listener, t.guard(function(sock)
    local made = t.certificate()
    sock:settimeout(0)
    local peer = assert(secure.wrap({sock = sock}, {mode = "server", certificate = made.cert, key = made.key}))
    serve(t, peer.tls)
    served = true
  end))
  local ws = t:connect(port, {tls = select(2, t:tls())}, "localhost")
  t:assert_echo(ws)
  t:ok(ws:close())
  t:wait_until(function() return served end)
  stop()
end)

for _, one in ipairs(rows) do
  if one.only then
    one.without = {}
    for _, host in ipairs {"main", "loop", "cqueues", "luv", "table"} do
      one.without[host] = "only Copas wraps sockets"
    end
  end
end

return rows
