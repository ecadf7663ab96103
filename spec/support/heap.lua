-- A queue of values by time, from which any can be removed: a binary heap that knows
-- where each value is. A value is in it once at most.

local Heap = {}
Heap.__index = Heap

function Heap.new()
  return setmetatable({times = {}, places = {}, n = 0}, Heap)
end

local function put(self, i, value)
  self[i], self.places[value] = value, i
end

local function time(self, i) return self.times[self[i]] end

-- Moves the value at i to where its time belongs.
local function settle(self, i)
  local value, at = self[i], time(self, i)
  while i > 1 and at < time(self, i // 2) do
    put(self, i, self[i // 2])
    i = i // 2
  end
  while 2 * i <= self.n do
    local least = 2 * i
    if least < self.n and time(self, least + 1) < time(self, least) then least = least + 1 end
    if at <= time(self, least) then break end
    put(self, i, self[least])
    i = least
  end
  put(self, i, value)
end

function Heap:insert(at, value)
  assert(not self.places[value], "it is there already")
  self.n, self.times[value] = self.n + 1, at
  put(self, self.n, value)
  settle(self, self.n)
end

---Removes a value; returns nil if it is not there.
function Heap:remove(value)
  local i = self.places[value]
  if not i then return nil end
  local last = self[self.n]
  self[self.n], self.places[value], self.times[value] = nil, nil, nil
  self.n = self.n - 1
  if last == value then return value end
  put(self, i, last)
  settle(self, i)
  return value
end

---The earliest time, or nil.
function Heap:first()
  return self.n > 0 and time(self, 1) or nil
end

---Iterates over the values that are due at this time, earliest first, and removes them.
function Heap:due(at)
  return function()
    if self.n > 0 and time(self, 1) <= at then return self:remove(self[1]) end
  end
end

return Heap
