-- The loop as a guest in cqueues: see guests.lua. Each controller is a host with a pump
-- of its own, a thread of it. cqueues by its name is whichever controller runs: in a turn
-- of the loop, that of the pump.

local LOOK = 0.25   -- seconds after which a pump without work looks whether to end
local BLIND = 0.01  -- seconds between turns where the poller has no descriptor

local function weak_keys() return setmetatable({}, {__mode = "k"}) end

-- Waits until the descriptor is readable, the pump is kicked, or the seconds are over.
-- watched: the descriptor as cqueues takes it, or one without a descriptor.
local function wait(poll, pump, watched, kicked, seconds)
  if not pump.busy then seconds = math.min(seconds or LOOK, LOOK) end
  watched.pollfd = pump.pollfd()
  if not watched.pollfd then return poll(kicked, math.min(seconds or BLIND, BLIND)) end
  poll(watched, kicked, seconds)
end

local function run(cqueues, controller, pump, kicked)
  local poll, watched = cqueues.poll, {pollfd = nil, events = "r"}
  repeat
    wait(poll, pump, watched, kicked, pump.turn())
  until not pump.busy and controller:count() <= 1  -- only this thread is left
  pump.ended()
end

-- Returns the adapter for a controller, which may be dropped by its owner: nothing here
-- keeps it alive.
local function new(common, cqueues, controller)
  local condition = require "cqueues.condition"
  local mine = setmetatable({controller}, {__mode = "v"})
  local kicked = condition.new()
  local adapter = {name = "cqueues"}
  for name, f in pairs(common) do adapter[name] = f end

  function adapter.spawn(f, ...) mine[1]:wrap(f, ...) end

  function adapter.begin(pump)
    mine[1]:wrap(run, cqueues, mine[1], pump, kicked)
  end

  function adapter.kick() kicked:signal() end

  return adapter
end

-- What the adapters of all controllers share.
local function new_common(cqueues)
  local condition = require "cqueues.condition"
  local conditions = weak_keys()  -- thread -> the condition that it waits for
  local common = {}

  function common.park(thread)
    conditions[thread] = conditions[thread] or condition.new()
    cqueues.poll(conditions[thread])
  end

  function common.wake(thread)
    if conditions[thread] then conditions[thread]:signal() end
  end

  function common.pause() cqueues.poll(0) end

  -- Also of a user's table, should it ask: true in a thread of a controller.
  function common.owns()
    local controller, is_its_own = cqueues.running()
    if not controller then return nil end
    return is_its_own and coroutine.isyieldable()
  end

  return common
end

local NONE = "no controller of cqueues runs here: name it itself as the scheduler"

-- Returns the adapter for cqueues by its name. It has no pump: controllers have.
local function new_named(common, cqueues)
  local adapter = {name = "cqueues"}
  for name, f in pairs(common) do adapter[name] = f end

  function adapter.spawn(f, ...)
    local controller = cqueues.running() or error(NONE, 0)
    controller:wrap(f, ...)
  end

  function adapter.begin() end

  function adapter.kick() end

  return adapter
end

--- Returns owns, adapter_for: see guests.lua.
return function(cqueues)
  local common, adapters = new_common(cqueues), weak_keys()
  local named = new_named(common, cqueues)

  local function adapter_of(controller)
    if not adapters[controller] then
      adapters[controller] = new(common, cqueues, controller)
    end
    return adapters[controller]
  end

  local function adapter_for(controller)
    controller = controller or cqueues.running()
    return controller and adapter_of(controller) or named
  end

  return common.owns, adapter_for
end
