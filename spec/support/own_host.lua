-- Hosts of the loop for specs: a small scheduler of the spec's own, whose adapter is a
-- table of a user's; and what runs under any of them.

local socket = require "socket"
local websock = require "websock"
local assert = require "luassert"
local certificates = require "support.certificates"
local process = require "support.process"
local secure = require "support.secure"

local hosts = {}

hosts.patience = 240  -- seconds

---Returns a scheduler that knows nothing but coroutines that run in turn: `adapter` is
---for websock.use and the option scheduler, spawn(f, ...) adds a coroutine, run() returns
---when all have ended, and the pump is not needed any more.
function hosts.own()
  local self = {threads = {}, running = nil, parks = 0, kicks = 0, has_begun = false}
  local ready = {}  -- list of {thread, arguments}
  local pump

  local function add(thread, ...)
    table.insert(ready, {thread = thread, ...})
  end

  function self.spawn(f, ...)
    local thread = coroutine.create(f)
    self.threads[thread] = true
    add(thread, ...)
    return thread
  end

  self.adapter = {
    owns = function()
      if not self.running then return nil end
      return coroutine.running() == self.running and coroutine.isyieldable()
    end,
    park = function(thread)
      assert(thread == coroutine.running())
      self.parks = self.parks + 1
      coroutine.yield()
    end,
    wake = function(thread) add(thread) end,
    pause = function()
      add(coroutine.running())
      coroutine.yield()
    end,
    spawn = function(f, ...) self.spawn(f, ...) end,
    begin = function(given) pump, self.has_begun = given, true end,
    kick = function() self.kicks = self.kicks + 1 end,
  }

  local function resume(one)
    self.running = one.thread
    local ok, err = coroutine.resume(one.thread, table.unpack(one))
    self.running = nil
    if coroutine.status(one.thread) == "dead" then self.threads[one.thread] = nil end
    if not ok then error(err, 0) end
  end

  function self.run()
    local deadline = socket.gettime() + hosts.patience
    repeat
      local list = ready
      ready = {}
      for i, one in ipairs(list) do
        list[i] = false  -- it may be dropped now
        if coroutine.status(one.thread) == "suspended" then resume(one) end
      end
      if pump then
        local seconds = pump.turn()
        if not ready[1] and seconds ~= 0 then socket.sleep(0.001) end
      end
      assert(socket.gettime() < deadline, "it took too long")
    until not next(self.threads)
  end

  return self
end

---A server that sends every message back, and its URL.
function hosts.echo(options)
  local all = {port = 0, handler = function(ws)
    for message, kind in ws:messages() do ws:send(message, kind) end
  end}
  for name, value in pairs(options or {}) do all[name] = value or nil end
  local server = assert(websock.listen(all))
  local _, port = server:getsockname()
  return server, ("ws://127.0.0.1:%d/"):format(port)
end

---Returns a function connected(f, options), which runs f(ws, host, server) by
---`inside(function(host) ... end)`: ws is connected to an echo server with these options.
function hosts.connector(inside)
  return function(f, options)
    inside(function(host)
      local server, url = hosts.echo(options)
      local ws = assert(websock.connect(url))
      f(ws, host, server)
      ws:close()
      server:stop()
    end)
  end
end

---Runs, by `inside`, a coroutine that leaves an open connection behind, on which nobody
---waits: the host has to end, as `inside` returns then.
function hosts.leaves_connection(inside)
  local server, url = hosts.echo()
  local ws
  inside(function()
    ws = assert(websock.connect(url))
    server:stop(0)
  end)
  ws:abort()
end

---Echoes a message over a socket of LuaSec's; runs in a coroutine of a host.
function hosts.echoes_over_luasec()
  local server, url = hosts.echo {tls = certificates.of "server"}
  local tls = secure.client(math.tointeger(url:match ":(%d+)/"), {}).tls
  local ws = assert(websock.connect((url:gsub("^ws:", "wss:")), {socket = tls}))
  assert(ws:send "over LuaSec")
  assert.equal("over LuaSec", (ws:receive()))
  ws:close()
  server:stop()
end

---Runs a program: its status and output.
function hosts.run(program)
  local path = os.tmpname()
  local file <close> = assert(io.open(path, "w"))
  file:write(program)
  file:close()
  local status, output = process.run(process.lua(path),
    {env = {LD_PRELOAD = os.getenv "SANITIZED"}})
  os.remove(path)
  return status, output
end

return hosts
