-- websock: WebSocket (RFC 6455) for Lua 5.4. The functions of the module, which
-- docs/reference.md describes.

assert(_VERSION == "Lua 5.4" or _VERSION == "Lua 5.5", "websock needs Lua 5.4 or 5.5")

local loop = require "websock.io.loop"
local accept = require "websock.server.accept"
local client = require "websock.client.connect"
local connection = require "websock.link.connection"
local errors = require "websock.io.errors"
local log = require "websock.base.log"
local misuse = require "websock.base.misuse"
local options = require "websock.base.options"
local server = require "websock.server.server"
local socket = require "websock.link.socket"
local tls = require "websock.base.tls"

local core = require "websock.core"

connection.wrap_for(loop)
server.wrap_for(loop)

local websock = {_VERSION = "websock 0.1.0"}

-- Connections -----------------------------------------------------------------

--- Connects to a WebSocket server.
---@param url string # ws://host[:port]/path, or wss://
---@param opts? table # see docs/reference.md
---@return table|nil ws
---@return string? err # "timeout", "refused", "dns: ...", "connect: ...", "tls: ...", "handshake: ...", "url: ..."
---@return table? response # with "refused": status, reason, headers, body
function websock.connect(url, opts)
  local named = type(opts) == "table" and opts.scheduler
  if not named then return loop.call(client.connect, loop, url, opts) end
  return loop.call_as(loop.find_host("connect", named), client.connect, loop, url, opts)
end

--- Binds a server, now; it runs whenever the loop does.
---@param opts table # handler, and port, unix or socket; see docs/reference.md
---@return table|nil server
---@return string? err # "address in use", ...
---@return string? place # "127.0.0.1:8080", or a path
function websock.listen(opts)
  return loop.call(server.listen, loop, opts, "listen")
end

--- Calls listen, and runs the loop until server:stop().
---@param opts table
---@return true|nil, any err # of listen, or as of run
function websock.serve(opts)
  return server.serve(loop, opts)
end

--- The server's handshake on a socket that was accepted elsewhere. The socket is
--- owned by the connection from the call on.
---@param sock any # LuaSocket, LuaSec, or anything with their methods
---@param opts? table
---@return table|nil ws, string? err
function websock.accept(sock, opts)
  return loop.call(accept, loop, sock, opts)
end

-- The loop --------------------------------------------------------------------

--- Turns the loop until nothing is left to do, or `stop`.
---@return true|nil, any err # the first error of a spawned function since the last
---   `run`, unless on_error is set
function websock.run()
  return loop.run()
end

--- One turn of the loop, for hosts that own the main loop.
---@param timeout? number # seconds to wait at most, default 0
---@return boolean # whether work remains
function websock.step(timeout)
  options.check_timeout(timeout, "step")
  return loop.step(timeout)
end

--- Has the loop run inside another scheduler, from now on: no `run` and `step` then.
--- Coroutines of Copas and cqueues are recognised without this call.
---@param scheduler "copas"|"cqueues"|"luv"|table # or a controller of cqueues
function websock.use(scheduler)
  loop.use(scheduler)
end

--- Ends `run` after the turn it is in.
function websock.stop()
  loop.stop()
end

local function check_function(where, f)
  local meta = getmetatable(f)
  if type(f) ~= "function" and not (type(meta) == "table" and meta.__call) then
    misuse("%s: function expected, got %s", where, type(f))
  end
end

--- Runs f(...) in a coroutine of the loop, from the next turn on.
---@return thread
function websock.spawn(f, ...)
  check_function("spawn", f)
  return loop.call(loop.spawn, f, ...)
end

---@param seconds number
function websock.sleep(seconds)
  if seconds == nil then misuse("sleep: seconds expected, got nil") end
  options.check_timeout(seconds, "sleep")
  loop.sleep(seconds)
end

--- Monotonic time in seconds.
---@return number
function websock.now()
  return loop.now()
end

local function deadline(where, timeout)
  options.check_timeout(timeout, where)
  return timeout and loop.now() + timeout
end

local PARK = {}  -- what `park` waits for, so that `wake` ends no wait of the library

--- Waits until `wake` is called for this coroutine.
---@param timeout? number
---@return any ... # the values of `wake`, or nil, "timeout"
function websock.park(timeout)
  local at = deadline("park", timeout)
  if timeout == 0 then return nil, "timeout" end
  return loop.park(at, PARK, "park")
end

--- Wakes a parked coroutine with these values.
---@param thread thread
---@return boolean # false if it is not parked
function websock.wake(thread, ...)
  if type(thread) ~= "thread" then
    misuse("wake: thread expected, got %s", type(thread))
  end
  return loop.call(loop.wake, PARK, loop.visitor(thread), ...)
end

local function descriptor(object)
  if type(object) == "number" then
    local fd = math.tointeger(object)
    if fd and fd >= 0 then return fd end
    misuse("wait: a descriptor from 0 up expected, got %s", options.show(object))
  end
  local inner = socket.unwrap(object)
  local ok, fd = pcall(function() return inner:getfd() end)
  fd = ok and math.tointeger(fd)
  if not fd or fd < 0 then
    misuse("wait: an open socket expected, got %s", options.show(object))
  end
  return fd, inner
end

-- Whether LuaSocket has read bytes ahead, for which the descriptor is not readable.
local function has_buffered(object)
  local ok, dirty = pcall(function() return object:dirty() end)
  return ok and dirty == true
end

--- Waits until a descriptor or socket can be read ("r") or written ("w").
---@param fd_or_socket integer|any
---@param mode "r"|"w"
---@param timeout? number
---@return true|nil, string? # nil, "timeout" | nil, "busy": another waits for it
function websock.wait(fd_or_socket, mode, timeout)
  if mode ~= "r" and mode ~= "w" then
    misuse('wait: mode: "r" or "w" expected, got %s', options.show(mode))
  end
  local fd, object = descriptor(fd_or_socket)
  if mode == "r" and object and has_buffered(object) then return true end
  local at = deadline("wait", timeout)
  if timeout == 0 then return loop.probe(fd, mode) end
  return loop.wait(fd, mode, at)
end

--- A descriptor that a host's own loop can watch: readable when `step` has
--- something to do. nil where there is none.
---@return integer?
function websock.pollfd()
  return loop.call(loop.pollfd)
end

--- Seconds until a timer is due; 0 when work is ready, nil without timers.
---@return number?
function websock.timeout()
  return loop.timeout()
end

--- Calls f in a coroutine of the loop when a signal arrives; nil restores the
--- disposition from before.
---@param name string # "TERM", "INT", "HUP", ...
---@param f? function
function websock.signal(name, f)
  if f ~= nil then check_function("signal", f) end
  local ok, err = loop.call(loop.signal, name, f)
  if not ok then
    misuse('signal: %s: %s (names are "TERM", "INT", "HUP" ...)', options.show(name),
      err)
  end
end

--- Reconnecting comes with a later version.
function websock.reconnect()
  misuse("reconnect comes with a later version of websock")
end

--- A context of TLS settings, built once, that connections and servers share.
---@param settings table # see docs/reference.md
---@return table|nil context, string? err # "tls: ..."
function websock.tls(settings)
  return tls.new(settings)
end

websock.core = core

-- Fields that are kept elsewhere; on_error is for spawned functions.
local get, set = {}, {}

function get.on_error() return errors.on_error end

function set.on_error(f)
  if f ~= nil then check_function("on_error", f) end
  errors.on_error = f
end

function get.log() return log.sink end

function set.log(f)
  if f then check_function("log", f) end
  log.sink = f
end

return setmetatable(websock, {
  __index = function(_, key)
    if get[key] then return get[key]() end
  end,
  __newindex = function(self, key, value)
    if not set[key] then return rawset(self, key, value) end
    set[key](value)
  end,
})
