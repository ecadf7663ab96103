-- The pumps of the loop's hosts: see guests.lua.

local reactor = require "websock.io.reactor"
local scheduler = require "websock.io.scheduler"

local turn = reactor.turn
local due_of = turn.due

local pumps = {
  turn_once = nil,  -- set by the loop
  used = nil,       -- the adapter of `use`
}

local pump_of = setmetatable({}, {__mode = "k"})  -- adapter -> its pump

local NEVER, AT_ONCE = math.huge, -math.huge

local IN_A_TURN = 0.01  -- seconds until a turn that was called for inside another one

-- Ends a pump that cannot turn the loop any more, by an error that its host gets.
local function fail(pump, err)
  pump.ended()
  error(err, 0)
end

-- One turn, unless this is called inside one.
local function turn_as_guest(pump)
  if turn:is_turning() then return IN_A_TURN end
  pump.due = AT_ONCE
  local ok, err = pcall(pumps.turn_once)
  if not ok then fail(pump, err) end
  local seconds
  pump.due, seconds = due_of(turn)
  pump.busy = scheduler.has_work()
  return seconds
end

local function new_pump(adapter)
  local pump = {due = AT_ONCE, busy = nil, is_over = false, pollfd = reactor.pollfd}
  local mine = setmetatable({adapter}, {__mode = "v"})  -- the host may be dropped
  function pump.turn() return turn_as_guest(pump) end
  function pump.is_needed()
    return scheduler.has_work() or scheduler.has_callers(mine[1])
  end
  function pump.ended()
    pump.is_over = true
    if mine[1] and pump_of[mine[1]] == pump then pump_of[mine[1]] = nil end
  end
  return pump
end

--- Makes sure that a host has a pump.
function pumps.join(adapter)
  if pump_of[adapter] then return end
  reactor.poller()  -- early, so that its descriptor is small
  turn:host()
  local pump = new_pump(adapter)
  pump_of[adapter] = pump
  adapter.begin(pump)
end

--- Called after whatever was done outside a turn: tells the pumps if their next turn is
--- due earlier now, or work has begun or ended.
function pumps.touch()
  local due, busy = due_of(turn), scheduler.has_work()
  for adapter, pump in pairs(pump_of) do
    if due < pump.due or busy ~= pump.busy then
      pump.due, pump.busy = due, busy
      adapter.kick()
    end
  end
  local used = pumps.used
  if used and not pump_of[used] and (busy or due < NEVER) then pumps.join(used) end
end

return pumps
