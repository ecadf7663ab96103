-- What the rows of the conformance spec use: servers, clients and checks in a host.

local socket = require "socket"
local websock = require "websock"
local assert = require "luassert"
local clock = require "support.clock"
local raw = require "support.raw"

local tools = {}
tools.__index = tools

---Raises unless the running coroutine was resumed by its own scheduler.
function tools:own()
  if not self.host.is_own() then error("resumed by somebody else", 2) end
end

---Its arguments, if the first is not false or nil and the caller was resumed by its
---own scheduler; raises otherwise.
function tools:ok(...)
  self:own()
  if not (...) then error(tostring((select(2, ...))), 2) end
  return ...
end

---Waits by the host's own means until done() is true.
function tools:wait_until(done)
  local deadline = socket.gettime() + raw.patience
  while not done() do
    if socket.gettime() > deadline then error("it took too long", 2) end
    self.host.sleep(0.005)
    self:own()
  end
end

---Runs each of these functions in a coroutine of the host, and waits for all.
function tools:all(list)
  local left = #list
  for _, f in ipairs(list) do
    self.host.spawn(self.guard(function()
      f()
      left = left - 1
    end))
  end
  self:wait_until(function() return left == 0 end)
end

---A handler: echoes, and checks who resumes it.
function tools:echo()
  return function(ws)
    for message, kind in ws:messages() do
      assert.is_true(self.host.is_handler(), "a handler was resumed by somebody else")
      ws:send(message, kind)
    end
  end
end

---A server whose hooks run where this column says; an echo server if nothing is said.
function tools:listen(options)
  local all = {port = 0, scheduler = self.host.handlers, handshake_timeout = raw.patience,
    close_timeout = raw.patience, ping_timeout = raw.patience}
  if not (options and options.on_message) then all.handler = self:echo() end
  function all.on_error(err, ws, traceback)
    table.insert(self.reports, {err = err, ws = ws, traceback = traceback})
  end
  for name, value in pairs(options or {}) do all[name] = value end
  local server = assert(websock.listen(all))
  table.insert(self.servers, server)
  return server
end

---websock.connect to one of these servers, or a port.
function tools:connect(server, options, host)
  local all = {timeout = raw.patience, close_timeout = raw.patience, ping_timeout = raw.patience}
  for name, value in pairs(options or {}) do all[name] = value end
  local port = type(server) == "table" and select(2, server:getsockname()) or server
  local scheme = all.tls and "wss" or "ws"
  local ws = self:ok(websock.connect(("%s://%s:%d/"):format(scheme, host or "127.0.0.1", port), all))
  table.insert(self.clients, ws)
  return ws
end

---A connection, and its end at the server, whose handler waits until it has ended.
---@param options? table # of both
function tools:pair(options)
  local all, theirs = {ping_interval = false}, nil
  for name, value in pairs(options or {}) do all[name] = value end
  local ours_too = {}
  for name, value in pairs(all) do ours_too[name] = value end
  function all.handler(ws)
    theirs = ws
    while ws:state() == "open" do websock.sleep(0.005) end
  end
  local server = self:listen(all)
  local ours = self:connect(server, ours_too)
  self:wait_until(function() return theirs end)
  return ours, theirs, server
end

---A LuaSocket listener on a free port, and the port.
function tools.listener()
  local listener = assert(socket.bind("127.0.0.1", 0, 4096))
  return listener, math.tointeger(tonumber((select(2, listener:getsockname()))))
end

---A listener for one connection, which f(peer) handles in a coroutine of the host after
---the handshake; returns its port. See support.raw.
function tools:serve(f)
  local listener = raw.server()
  self.host.spawn(self.guard(function()
    local peer <close> = assert(listener:accept())
    listener:close()
    peer:welcome()
    f(peer)
  end))
  return listener.port
end

---The server's certificate, its key and the authority, of support.certificates: paths.
---The spec has made them for all rows.
function tools.certificate()
  local made = {cert = os.getenv "HOSTS_CERT", key = os.getenv "HOSTS_KEY", ca = os.getenv "HOSTS_CA"}
  if made.cert then return made end
  local certificates = require "support.certificates"
  return {cert = certificates.server.chain, key = certificates.server.key, ca = certificates.ca.cert}
end

---Options `tls` of such a server and its clients.
function tools:tls()
  local made = self.certificate()
  return {cert = made.cert, key = made.key}, {ca_file = made.ca}
end

---Raises unless messages are echoed.
function tools:assert_echo(ws)
  for _, kind in ipairs {"text", "binary"} do
    local message = kind .. " of a message"
    self:ok(ws:send(message, kind))
    assert.same({message, kind}, {self:ok(ws:receive())})
  end
end

---From now on the host has nothing to do: what it waits now, counts. Of several calls the
---last one.
function tools.last_work() clock.idled() end

---Ends what a row has begun; raises if anything was reported that it has not taken.
function tools:finish()
  for _, ws in ipairs(self.clients) do ws:abort() end
  for _, server in ipairs(self.servers) do server:stop(0) end
  if self.reports[1] then error("reported: " .. self.reports[1].traceback) end
  local err = self.host.take_error and self.host.take_error()
  if err then error("in a coroutine of the host: " .. tostring(err)) end
end

---guard(f) returns a function that ends the process if f raises.
return function(host, guard)
  return setmetatable({host = host, guard = guard, servers = {}, clients = {}, reports = {}}, tools)
end
