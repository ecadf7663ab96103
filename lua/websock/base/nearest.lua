-- Finds the name that was probably meant by an unknown one.

-- Removes differences of style: pingInterval, PING-INTERVAL.
local function plain(name)
  return (name:lower():gsub("[^a-z0-9]", ""))
end

-- The edit distance of two words: letters added, dropped or replaced, neighbours
-- swapped.
local function distance(a, b)
  local before, last, this = {}, {}, {}
  for j = 0, #b do last[j] = j end
  for i = 1, #a do
    this[0] = i
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j)
      this[j] = math.min(last[j] + 1, this[j - 1] + 1, last[j - 1] + (same and 0 or 1))
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        this[j] = math.min(this[j], before[j - 2] + 1)
      end
    end
    before, last, this = last, this, before
  end
  return last[#b]
end

--- Returns the key of `all` that is most like `name`, nil if none is close to it.
---@param name string
---@param all table<string, any>
---@return string?
return function(name, all)
  local wanted = plain(name)
  local best, least = nil, math.max(1, #wanted // 3) + 1
  for other in pairs(all) do
    local d = distance(wanted, plain(other))
    if d < least or d == least and best and other < best then best, least = other, d end
  end
  return best
end
