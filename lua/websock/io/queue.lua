-- A queue that may be broken off anywhere (by Ctrl-C, say): what was not served
-- stays in it.

local Queue = {}
Queue.__index = Queue

function Queue.new()
  return setmetatable({first = 1, last = 0}, Queue)
end

function Queue:add(value)
  local last = self.last + 1
  self[last] = value  -- may raise for lack of memory
  self.last = last
end

-- The loop compares first and last itself, as this does, where it asks in each turn:
-- a call costs more there than all that is asked.
function Queue:is_empty()
  return self.first > self.last
end

--- Takes those out that are not behind place `stop` (queue.last: those that are
--- there now) and calls f with each.
function Queue:serve(stop, f)
  while self.first <= stop do
    local first = self.first
    local value = self[first]
    self[first] = nil
    self.first = first + 1
    f(value)
  end
  if self.first > self.last then self.first, self.last = 1, 0 end
end

return Queue
