-- A queue whose service an error may interrupt anywhere (Ctrl-C, for example): values
-- that were not served stay in it.

local now = require("websock.core").now

local Queue = {}
Queue.__index = Queue

--- Returns a queue. One of the loop has its `turn` set by the reactor, which is told of
--- each value.
function Queue.new()
  return setmetatable({first = 1, last = 0, turn = nil}, Queue)
end

function Queue:add(value)
  local last, turn = self.last + 1, self.turn
  if turn then turn:busy() end
  self[last] = value  -- may raise for lack of memory
  self.last = last
end

-- In each turn the loop compares first and last itself, as this does: a call would
-- cost more than the comparison.
function Queue:is_empty()
  return self.first > self.last
end

--- Removes the values up to place `stop` (queue.last: all that are there now) and
--- calls f with each: with the first, if there is one, and others until the time `at`.
---@param at? number
function Queue:serve(stop, f, at)
  while self.first <= stop do
    local first = self.first
    local value = self[first]
    self[first] = nil
    self.first = first + 1
    f(value)
    if at and now() >= at then break end
  end
  if self.first > self.last then self.first, self.last = 1, 0 end
end

return Queue
