-- A small scheduler over LuaSocket's select with the documented interface of Copas 4.x,
-- as far as it concerns TCP (no UDP, no locks, queues and timers), for machines that
-- have no Copas 4. To be set as package.loaded.copas.
--
-- It keeps to what the documentation promises for every 4.x, and no more, so that
-- whoever works with this works with Copas:
--
--   * `addthread` runs nothing of f before the next step; a handler of `addserver`
--     begins inside the step that accepts.
--   * `wakeup` resumes nothing; it is lost on a thread that does not sleep. It and the
--     pauses return nothing.
--   * A thread in `pauseforever` is held weakly, and does not keep the loop running,
--     unless a `timeout` is set.
--   * `removethread` drops a thread where it is: it is not resumed again, nor closed. One
--     that waits for a socket keeps its place there until the socket is ready.
--   * `receive`, `send` and `connect` work on all objects with LuaSocket's methods;
--     select asks them for `getfd` (and `dirty`). Descriptors from 1,024 up raise.
--   * Timeouts are served ten times a second: no step takes longer than that.
--   * A thread that yields by itself is dropped with an error, which goes to its
--     handler, or the default one, as all errors of threads do.

local socket = require "socket"
local Heap = require "support.heap"

local create, resume, running = coroutine.create, coroutine.resume, coroutine.running
local status, yield = coroutine.status, coroutine.yield
local gettime = socket.gettime

local PRECISION = 0.1  -- seconds between two looks at the timeouts
local NOT_NOW = {timeout = true, wantread = true, wantwrite = true}

local copas = {_VERSION = "Copas 4.8.0", autoclose = true, running = false, gettime = gettime}

local function weak_keys() return setmetatable({}, {__mode = "k"}) end

-- Where a coroutine waits ------------------------------------------------------

local resumable = {}
local sleeping = Heap.new()
local forever = weak_keys()  -- threads in pauseforever

local function make_resumable(co) resumable[#resumable + 1] = co end

-- A queue is what a coroutine yields, after a socket or a time: add(self, that, co).
local Sleep = {}

function Sleep:add(seconds, co)
  if seconds < 0 then
    forever[co] = true
  elseif seconds == 0 then
    make_resumable(co)
  else
    self.heap:insert(gettime() + seconds, co)
  end
end

local Sockets = {}
Sockets.__index = Sockets

local function sockets() return setmetatable({places = {}, waiting = weak_keys()}, Sockets) end

function Sockets:insert(skt)
  if self.places[skt] then return end
  self[#self + 1] = skt
  self.places[skt] = #self
end

function Sockets:remove(skt)
  local place, last = self.places[skt], self[#self]
  if not place then return end
  self[place], self.places[last] = last, place
  self[#self], self.places[skt] = nil, nil
  return skt
end

function Sockets:add(skt, co)
  self:insert(skt)
  local waiting = self.waiting[skt] or {}
  self.waiting[skt] = waiting
  waiting[#waiting + 1] = co
end

-- The coroutine that has waited longest; the others go on waiting.
function Sockets:take(skt)
  self:remove(skt)
  local waiting = self.waiting[skt] or {}
  local co = table.remove(waiting, 1)
  if waiting[1] then self:insert(skt) end
  return co
end

function Sockets:drop(skt, co)
  local waiting = self.waiting[skt] or {}
  for i, other in ipairs(waiting) do
    if other == co then
      table.remove(waiting, i)
      break
    end
  end
  if not waiting[1] then self:remove(skt) end
end

local sleep = setmetatable({heap = sleeping}, {__index = Sleep})
local reading, writing = sockets(), sockets()
local queues = {[sleep] = true, [reading] = true, [writing] = true}
local wanted = {wantread = reading, wantwrite = writing}  -- LuaSec's errors

-- Threads ------------------------------------------------------------------------

local threads, canceled = weak_keys(), weak_keys()
local names, handlers = weak_keys(), weak_keys()
local to_close = weak_keys()  -- handler of a server -> its socket

function copas.gettraceback(msg, co, skt)
  local text = ("%s (coroutine: %s, socket: %s)"):format(msg, names[co] or co, names[skt] or skt)
  if type(co) == "thread" then return debug.traceback(co, text) end
  return debug.traceback(text, 2)
end

local function default_handler(msg, co, skt) print(copas.gettraceback(msg, co, skt)) end

function copas.seterrorhandler(f, default)
  if default then
    default_handler = assert(f, "a function expected")
  else
    handlers[running()] = f
  end
end

function copas.geterrorhandler(co) return handlers[co or running()] or default_handler end

local function ended(co, skt, ok, err)
  if ok and status(co) ~= "dead" then ok, err = false, "user code cannot yield to Copas" end
  if not ok then
    local told, why = pcall(handlers[co] or default_handler, err, co, skt)
    if not told then print("the error handler failed: " .. tostring(why)) end
  end
  if to_close[co] then to_close[co]:close() end
  to_close[co], handlers[co] = nil, nil
end

local function run(co, skt, ...)
  if not co then return end
  if canceled[co] then
    canceled[co], threads[co] = nil, nil
    return
  end
  local ok, what, queue = resume(co, skt, ...)
  if ok and queues[queue] then return queue:add(what, co) end
  ended(co, skt, ok, what)
end

function copas.addnamedthread(name, f, ...)
  local co = create(function(_, ...)
    copas.pause()
    return f(...)
  end)
  names[co], threads[co] = name, true
  run(co, nil, ...)
  return co
end

function copas.addthread(f, ...) return copas.addnamedthread(nil, f, ...) end

function copas.removethread(co)
  if threads[co] then canceled[co] = true end
  forever[co] = nil
  sleeping:remove(co)
end

function copas.setthreadname(name, co) names[co or running()] = name end
function copas.getthreadname(co) return names[co or running()] or tostring(co or running()) end
function copas.setsocketname(name, skt) names[skt] = name end
function copas.getsocketname(skt) return names[skt] or tostring(skt) end

-- Pauses and timeouts ---------------------------------------------------------------

function copas.pause(seconds)
  yield(seconds and seconds > 0 and seconds or 0, sleep)
end

function copas.pauseforever() yield(-1, sleep) end

---Deprecated by Copas: a negative time is for ever.
function copas.sleep(seconds) yield(seconds or 0, sleep) end

function copas.wakeup(co)
  if forever[co] or sleeping:remove(co) then make_resumable(co) end
  forever[co] = nil
end

local timeouts, callbacks = Heap.new(), weak_keys()

---Calls callback(co), outside any coroutine, unless this is called again before;
---0 and math.huge only end that.
function copas.timeout(delay, callback)
  local co = running()
  timeouts:remove(co)
  if delay < 0 then error("a timeout of 0 or more expected", 2) end
  if delay == 0 or delay == math.huge then return true end
  timeouts:insert(gettime() + delay, co)
  callbacks[co] = callback
  return true
end

local function serve_timeouts()
  for co in timeouts:due(gettime()) do
    if callbacks[co] then
      local ok, err = pcall(callbacks[co], co)
      if not ok then default_handler(err) end
    end
  end
end

-- Sockets --------------------------------------------------------------------------

local limits = {connect = weak_keys(), send = weak_keys(), receive = weak_keys()}
local closed = {}  -- sockets for whose waiters select is no use

function copas.settimeouts(skt, connect, send, receive)
  for name, seconds in pairs {connect = connect, send = send, receive = receive} do
    limits[name][skt] = seconds >= 0 and seconds or nil
  end
  return true
end

function copas.settimeout(skt, seconds)
  seconds = seconds or -1
  return copas.settimeouts(skt, seconds, seconds, seconds)
end

function copas.close(skt, ...)
  closed[#closed + 1] = skt
  return skt:close(...)
end

-- Calls try(), which returns whether it is done, and its results, of which the second is
-- an error, until it is or the socket's limit of that name is over.
local function repeat_until_done(skt, limit, try)
  local queue, timed_out
  copas.timeout(limits[limit][skt] or 0, function(co)
    timed_out = true
    queue:drop(skt, co)
    make_resumable(co)
  end)
  while true do
    local results = table.pack(try())
    if results[1] or timed_out then
      copas.timeout(0)
      if not results[1] then results[3] = "timeout" end
      return table.unpack(results, 2, results.n)
    end
    queue = wanted[results[3]] or limit == "receive" and reading or writing
    yield(skt, queue)
  end
end

local calls = 0

-- Lets others go on now and then, which Copas does at random.
local function rest()
  calls = calls + 1
  if calls % 10 == 0 then copas.pause() end
end

function copas.receive(skt, pattern, part)
  return repeat_until_done(skt, "receive", function()
    local data, err
    data, err, part = skt:receive(pattern or "*l", part)
    rest()
    return data ~= nil or not NOT_NOW[err], data, err, part
  end)
end

function copas.receivepartial(skt, pattern, part)
  local size = #(part or "")
  return repeat_until_done(skt, "receive", function()
    local data, err
    data, err, part = skt:receive(pattern or "*l", part)
    rest()
    return data ~= nil or not NOT_NOW[err] or type(part) == "string" and #part > size, data, err, part
  end)
end

function copas.send(skt, data, from, to)
  local last = (from or 1) - 1
  return repeat_until_done(skt, "send", function()
    local sent, err
    sent, err, last = skt:send(data, (last or 0) + 1, to)
    rest()
    return sent ~= nil or not NOT_NOW[err], sent, err, last
  end)
end

function copas.connect(skt, host, port)
  skt:settimeout(0)
  local again
  return repeat_until_done(skt, "connect", function()
    local ok, err = skt:connect(host, port)
    if not ok and again and err == "already connected" then ok, err = 1, nil end
    again = true
    return ok ~= nil or err ~= "timeout" and err ~= "Operation already in progress", ok, err
  end)
end

---The TLS socket; raises if the handshake fails.
function copas.dohandshake(skt, params)
  local wrapped = assert(require "ssl".wrap(skt, params))
  wrapped:settimeout(0)
  local ok, err = repeat_until_done(wrapped, "connect", function()
    local done, why = wrapped:dohandshake()
    return done or not NOT_NOW[why], done, why
  end)
  if not ok then error(err, 0) end
  return wrapped
end

-- A wrapped socket has the documented methods only, no getfd.
local Wrapped = {}
Wrapped.__index = Wrapped

for _, name in ipairs {"send", "receive", "receivepartial", "settimeout", "settimeouts", "close"} do
  Wrapped[name] = function(self, ...) return copas[name](self.socket, ...) end
end

for _, name in ipairs {"bind", "listen", "accept", "setoption", "getoption", "getsockname",
  "getpeername", "getstats", "setstats", "shutdown"} do
  Wrapped[name] = function(self, ...) return self.socket[name](self.socket, ...) end
end

function Wrapped:dohandshake(params)
  self.socket = copas.dohandshake(self.socket, params or self.ssl_params.wrap)
  return self
end

function Wrapped:connect(...)
  local ok, err = copas.connect(self.socket, ...)
  if ok and self.ssl_params.wrap then return self:dohandshake() end
  return ok, err
end

function copas.wrap(skt, params)
  if getmetatable(skt) == Wrapped then return skt end
  skt:settimeout(0)
  return setmetatable({socket = skt, ssl_params = params or {}}, Wrapped)
end

function copas.handler(f, params)
  return function(skt, ...)
    local wrapped = copas.wrap(skt, params)
    if params and params.wrap then wrapped:dohandshake() end
    return f(wrapped, ...)
  end
end

-- Servers -----------------------------------------------------------------------------

local servers = {}  -- listening socket -> its handler

local function accept(server)
  local client = server:accept()
  if not client then return end
  client:settimeout(0)
  copas.settimeouts(client, limits.connect[server], limits.send[server], limits.receive[server])
  local co = create(servers[server])
  if copas.autoclose then to_close[co] = client end
  run(co, client)
end

function copas.addserver(server, handler, timeout, name)
  server:settimeout(0)
  servers[server], names[server] = handler, name
  reading:insert(server)
  if timeout then copas.settimeout(server, timeout) end
end

function copas.removeserver(server, keep_open)
  local inner = getmetatable(server) == Wrapped and server.socket or server
  servers[inner] = nil
  reading:remove(inner)
  return keep_open and true or server:close()
end

-- Steps ---------------------------------------------------------------------------------

local function select(timeout)
  local ended_here = {}
  for i, skt in ipairs(closed) do
    ended_here[i] = {reading:remove(skt), writing:remove(skt)}
    closed[i] = nil
  end
  local readable, writable, err = socket.select(reading, writing, ended_here[1] and 0 or timeout)
  for _, both in ipairs(ended_here) do
    readable[#readable + 1], writable[#writable + 1] = both[1], both[2]
  end
  return readable, writable, err
end

local function serve_sockets(readable, writable)
  for _, skt in ipairs(readable) do
    if servers[skt] then accept(skt) else run(reading:take(skt), skt) end
  end
  for _, skt in ipairs(writable) do run(writing:take(skt), skt) end
end

local function serve_threads()
  for co in sleeping:due(gettime()) do make_resumable(co) end
  local list = resumable
  resumable = {}
  for _, co in ipairs(list) do run(co) end
end

local function until_next(timeout)
  if resumable[1] then return 0 end
  local first = sleeping:first()
  local left = first and math.max(first - gettime(), 0) or math.huge
  return math.min(left, timeout or math.huge, PRECISION)
end

---true if a socket was served, false if none, nil, err.
function copas.step(timeout)
  local readable, writable, err = select(until_next(timeout))
  serve_sockets(readable, writable)
  serve_timeouts()
  serve_threads()
  if readable[1] or writable[1] then return true end
  if err == "timeout" then return false end
  return nil, err
end

function copas.finished()
  return #reading == 0 and #writing == 0 and not resumable[1] and sleeping.n == 0
    and not (timeouts.n > 0 and next(forever))
end

function copas.status()
  local inactive = 0
  for _ in pairs(forever) do inactive = inactive + 1 end
  return {running = copas.running, read = #reading, write = #writing, active = #resumable,
    timer = sleeping.n, timeout = timeouts.n, inactive = inactive}
end

local exiting = false
local waiters = {}  -- for the exit

function copas.exiting() return exiting end

function copas.exit()
  exiting = true
  local list = waiters
  waiters = {}
  for _, co in ipairs(list) do copas.wakeup(co) end
end

function copas.waitforexit()
  if exiting then return end
  waiters[#waiters + 1] = running()
  copas.pauseforever()
end

function copas.loop(f, timeout)
  if type(f) == "function" then copas.addnamedthread("copas_initializer", f) else timeout = f or timeout end
  exiting, copas.running = false, true
  repeat
    copas.step(timeout)
    local over = copas.finished()
    local leave = over and exiting
    if over and not exiting then copas.exit() end
  until leave
  copas.running = false
end

return setmetatable(copas, {__call = function(_, ...) return copas.loop(...) end})
