-- The pumps of the loop's hosts: see guests.lua.

local reactor = require "websock.io.reactor"
local scheduler = require "websock.io.scheduler"
local now = require("websock.core").now

local turn = reactor.turn

local pumps = {
  turn_once = nil, has_more = nil,  -- set by the loop
  used = nil,                       -- the adapter of `use`
}

local pump_of = setmetatable({}, {__mode = "k"})  -- adapter -> its pump

local NEVER, AT_ONCE = math.huge, -math.huge

-- When the next turn is due, a time of `now`.
local function next_due()
  if pumps.has_more() then return AT_ONCE end
  return reactor.first_due() or NEVER
end

local function note(pump)
  pump.due, pump.busy = next_due(), scheduler.has_work()
  return pump.due
end

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
  local due = note(pump)
  if due == NEVER then return nil end
  return due == AT_ONCE and 0 or math.max(0, due - now())
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
  local due, busy = next_due(), scheduler.has_work()
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
