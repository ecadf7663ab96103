-- The loop as a guest in Copas 4: see guests.lua. Its pump is two threads of Copas: one
-- waits until the loop's descriptor is readable, the other one for time.
--
-- Copas cannot tell a coroutine of its own from one that runs nested in it.

local LONG = 3600   -- seconds of a pause that is to be ended: Copas keeps a thread that
                    -- pauses for a time alive, but not one that pauses for ever
local LOOK = 0.1    -- seconds after which a pump without work looks whether to end: Copas
                    -- itself waits for up to 0.1 s more
local BLIND = 0.01  -- seconds between turns where the poller has no descriptor

-- The waiting half of a pump. Copas takes it for a socket that is being read: it has the
-- loop's descriptor, and reading it is a turn, after which it has to be waited for again.
local Bell = {}
Bell.__index = Bell

function Bell:getfd() return self.pump.pollfd() end

-- LuaSocket's select asks for this too, and does not wait if it is true.
function Bell:dirty() return self.stops or self.pump.is_over end

function Bell:receive()
  if self:dirty() then return "" end
  self.turn()
  return nil, "timeout"
end

-- Rings until `stop`.
local function ring(copas, bell)
  repeat copas.receive(bell, 1) until bell:dirty()
  bell.stopped = true
end

local function start(copas, pump, turn)
  local bell = setmetatable({pump = pump, turn = turn, stops = false}, Bell)
  if pump.pollfd() then copas.addthread(ring, copas, bell) else bell.stopped = true end
  return bell
end

local function stop(copas, bell)
  bell.stops = true
  while not bell.stopped do copas.pause() end
end

-- The other half: turns the loop when time is over.
local Sleeper = {}
Sleeper.__index = Sleeper

function Sleeper:kick() self.copas.wakeup(self.thread) end

-- A turn because the bell has rung.
function Sleeper:turn()
  self.pump.turn()
  if self.pump.due < self.due or self.pump.busy ~= self.busy then self:kick() end
end

function Sleeper:sleep(seconds)
  local pump = self.pump
  local longest = pump.pollfd() and (pump.busy and LONG or LOOK) or BLIND
  self.due, self.busy = pump.due, pump.busy
  self.copas.pause(math.min(seconds or LONG, longest))
end

-- Whether Copas has nothing else to do: neither half counts at that moment.
function Sleeper:is_left()
  if self.pump.busy then return false end
  stop(self.copas, self.bell)
  if self.copas.finished() then return true end
  self.bell = self:new_bell()
  return false
end

function Sleeper:new_bell()
  return start(self.copas, self.pump, function() self:turn() end)
end

local function run(self)
  self.thread = coroutine.running()
  self.bell = self:new_bell()
  repeat self:sleep(self.pump.turn()) until self:is_left()
  self.pump.ended()
end

-- Returns the adapter for a Copas.
local function new(copas)
  local adapter, sleeper = {name = "copas"}, nil

  function adapter.owns()
    if not copas.running then return nil end
    local _, is_main = coroutine.running()
    return not is_main and coroutine.isyieldable()
  end

  function adapter.park() copas.pause(LONG) end

  function adapter.wake(thread) copas.wakeup(thread) end

  function adapter.pause() copas.pause() end

  function adapter.spawn(f, ...) copas.addthread(f, ...) end

  function adapter.begin(pump)
    sleeper = setmetatable({copas = copas, pump = pump, due = -math.huge}, Sleeper)
    sleeper.thread = copas.addthread(run, sleeper)
  end

  function adapter.kick() sleeper:kick() end

  return adapter
end

--- Returns owns, adapter_for: see guests.lua.
return function(copas)
  if not copas.pause or not copas.wakeup then
    return nil, function() return nil, "Copas 4 or later expected" end
  end
  local adapter = new(copas)
  return adapter.owns, function() return adapter end
end
