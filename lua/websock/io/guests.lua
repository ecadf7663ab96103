-- The built-in loop as a guest in other schedulers, its hosts. The loop alone polls our
-- descriptors; a host turns it by a pump, a thread or handle of its own, and a coroutine
-- of the host that calls the library waits by the host's own means.
--
-- A host is known by an adapter (copas.lua, cqueues.lua, luv.lua, or a user's table):
--
--   owns()          true: the calling coroutine is the host's and may yield; false: it
--                   is the host's but may not yield (nested, or a callback); nil: not
--                   the host's. Called for each call from outside the loop.
--   park(thread)    yields the calling coroutine, which is `thread`, until `wake`; it
--                   may return early
--   wake(thread)    has a parked thread go on; resumes nothing inside the call
--   pause()         yields the calling coroutine, so that others of the host run
--   spawn(f, ...)   runs f(...), which never raises, in a new coroutine of the host;
--                   runs nothing of it inside the call
--   begin(pump)     there is a pump from now on; idempotent
--   kick()          the pump's next turn is due earlier than it has returned last, or
--                   there is work now, or no longer; not called inside a turn
--
-- The pump of a host waits until pump.pollfd() is readable, the seconds that pump.turn()
-- returned are over, or `kick` is called, and then calls pump.turn() again:
--
--   pump.turn()       one turn, which never waits -> seconds until the next is due; nil:
--                     only when the descriptor is readable
--   pump.pollfd()     the descriptor, nil if the poller has none: then turn each 0.01 s
--   pump.is_needed()  whether there is work, or a coroutine of this host waits here; if
--                     not, the pump must not keep its host running
--   pump.busy         whether there was work after the last turn: as is_needed, but for
--                     hosts that know of their waiting coroutines themselves
--   pump.due          when the next turn is due, a time of websock.now()
--   pump.ended()      to be called when the pump ends; `begin` follows if it is needed
--   pump.is_over      whether it has ended: a turn that raises, raises in `turn` and
--                     ends it

local delegate = require "websock.io.delegate"
local misuse = require "websock.base.misuse"
local pumps = require "websock.io.pumps"
local show = require("websock.base.options").show
local text_of = require "websock.base.text"

local loaded = package.loaded

-- Called with the module of a scheduler, each returns owns(), as above, and
-- adapter_for(what), which returns the adapter of whose coroutine calls, or of a
-- controller, or nil, err.
local kinds = {
  copas = require "websock.io.copas",
  cqueues = require "websock.io.cqueues",
  luv = require "websock.io.luv",
}

local guests = {}

local known = {}  -- name -> {module, owns, adapter_for}
local given = {}  -- users' tables
local order = {}  -- of those that are asked: {owns, adapter_for, is_sure}
local chosen      -- the host of the next call, or "loop": see `call_as`

-- Recognising -----------------------------------------------------------------

-- Sets the order in which schedulers are asked: the surest first. A sure one knows its own
-- coroutines; the others take for theirs what runs in a coroutine of theirs, too.
local function sort()
  order = {}
  for _, adapter in ipairs(given) do
    table.insert(order, {owns = adapter.owns, adapter_for = function() return adapter end,
      is_sure = true})
  end
  for _, name in ipairs {"cqueues", "copas", "luv"} do
    if known[name] and known[name].owns then table.insert(order, known[name]) end
  end
end

-- Makes a scheduler known, whose module this is.
local function know(name, module)
  if known[name] and known[name].module == module then return end
  local owns, adapter_for = kinds[name](module)
  known[name] = {module = module, owns = owns, adapter_for = adapter_for,
    is_sure = name == "cqueues"}
  sort()
end

local function take_chosen()
  local host = chosen
  chosen = nil
  if host ~= "loop" then return host end
end

-- Asks all: a coroutine of one may run inside a coroutine of another.
local function ask()
  local refused
  for i = 1, #order do
    local one = order[i]
    if refused and not one.is_sure then break end
    local owns = one.owns()
    if owns then
      local host = one.adapter_for()
      pumps.join(host)
      return host
    end
    refused = refused or owns == false
  end
  if refused then return false end
end

--- Returns the adapter of the scheduler whose coroutine has called; false if that cannot
--- yield; nil if it is nobody's.
function guests.owner()
  if chosen then return take_chosen() end
  if loaded.copas then know("copas", loaded.copas) end
  if loaded.cqueues then know("cqueues", loaded.cqueues) end
  return ask()
end

-- Naming ----------------------------------------------------------------------

local METHODS = {"owns", "park", "wake", "pause", "spawn", "begin", "kick"}

-- Returns a table of the user's as an adapter.
local function adopt(where, adapter)
  for _, name in ipairs(METHODS) do
    if type(adapter[name]) ~= "function" then
      misuse("%s: scheduler: a table with the functions %s expected; '%s' is none", where,
        table.concat(METHODS, ", "), name)
    end
  end
  for _, other in ipairs(given) do
    if other == adapter then return adapter end
  end
  table.insert(given, adapter)
  sort()
  return adapter
end

local function module_of(where, name)
  local ok, module = pcall(require, name)
  if ok then return module end
  misuse("%s: scheduler %s: %s", where, show(name), text_of(module):match "^[^\n]*")
end

-- Returns the adapter of a scheduler. what: a controller of cqueues.
local function named(where, name, what)
  know(name, module_of(where, name))
  local adapter, err = known[name].adapter_for(what)
  if adapter then return adapter end
  misuse("%s: scheduler %s: %s", where, show(name), err)
end

local function is_controller(value)
  return loaded.cqueues and loaded.cqueues.type(value) == "controller"
end

--- Returns the adapter that an option `scheduler` names, nil for the loop.
---@param where string # the function called
---@param value string|table|userdata|nil
function guests.find(where, value)
  if value == nil or value == "loop" then return nil end
  if kinds[value] then return named(where, value) end
  if is_controller(value) then return named(where, "cqueues", value) end
  if type(value) == "table" then return adopt(where, value) end
  misuse('%s: scheduler: "loop", "copas", "cqueues" (or a controller), "luv" or a table '
    .. "expected, got %s", where, show(value))
end

--- Has the loop run inside a scheduler from now on.
function guests.use(value)
  local adapter = guests.find("use", value)
  if not adapter then
    misuse('use: scheduler: "copas", "cqueues" (or a controller), "luv" or a table '
      .. "expected, got %s", show(value))
  end
  pumps.join(adapter)
  pumps.used = adapter
end

--- Raises if another scheduler turns the loop, or one of its coroutines has called.
function guests.check_turnable(where)
  if pumps.used then
    misuse("%s: the loop runs inside another scheduler (websock.use), which turns it", where)
  elseif guests.owner() ~= nil then
    misuse("%s: called inside another scheduler, which turns the loop", where)
  end
end

-- Calling ---------------------------------------------------------------------

-- Calls f(...); inside the loop nobody has asked for the owner.
local function forget_chosen(f, ...)
  chosen = nil
  return f(...)
end

--- Calls f(...), wrapped by the loop, as for a coroutine of this host; nil: as for one
--- that is nobody's.
---@param call function # loop.call
function guests.call_as(host, call, f, ...)
  if host then pumps.join(host) end
  chosen = host or "loop"
  return call(forget_chosen, f, ...)
end

local HOOKS = {"handler", "on_open", "on_message", "on_drain", "on_close", "authorize",
  "protocols", "headers", "http"}

--- Has the hooks among these checked options run in coroutines of their scheduler.
---@param where string # the function called
---@param callable function # whether an option is a function
function guests.place_hooks(where, o, callable)
  local adapter = guests.find(where, o.scheduler)
  if not adapter then return end
  pumps.join(adapter)
  for _, name in ipairs(HOOKS) do
    if callable(o[name]) then o[name] = delegate.to(adapter, o[name]) end
  end
end

return guests
