-- A line: threads that wait for a link, in order. It does not keep them alive: a thread
-- that its host drops while it waits leaves the line.

local Line = {__mode = "v"}
Line.__index = Line

function Line.new()
  return setmetatable({first = 1, last = 0}, Line)
end

--- Adds a thread at the end, or before all others.
function Line:join(thread, at_head)
  local place = at_head and self.first - 1 or self.last + 1
  self[place] = thread
  if at_head then self.first = place else self.last = place end
end

function Line:leave(thread)
  for i = self.first, self.last do
    if self[i] == thread then self[i] = nil end
  end
end

--- Whether no thread is before this one.
function Line:is_first(thread)
  local i = self.first
  while i < self.last and self[i] == nil do i = i + 1 end
  return self[i] == thread
end

--- Returns the first thread that still waits for the link, nil if there is none;
--- removes those before it.
function Line:head(link)
  while self.first <= self.last do
    local thread = self[self.first]
    if thread and link.loop.waits_for(link, thread) then return thread end
    self[self.first] = nil
    self.first = self.first + 1
  end
end

--- Wakes all threads that wait for the link.
function Line:wake(link)
  for i = self.first, self.last do
    if self[i] then link.loop.wake(link, self[i]) end
  end
end

return Line
