-- What a process holds: descriptors, Lua's memory and all its memory. For the server and
-- the clients of the scale spec and the soak.

local descriptors = require "support.descriptors"
local has_heap, heap = pcall(require, "soak.heap")  -- glibc, no sanitizer

local usage = {}

local function resident()
  for line in io.lines("/proc/self/status") do
    local kib = line:match "^RssAnon:%s+(%d+)"
    if kib then return math.tointeger(tonumber(kib)) end
  end
end

---Returns {fds, lua, heap, rss} after a full collection: descriptors, and the KiB that
---Lua counts, that malloc has given out (with Lua's; nil if unknown) and that are
---resident. trim: first returns free memory to the system.
function usage.now(trim)
  collectgarbage()
  collectgarbage()
  if has_heap and trim then heap.trim() end
  return {
    fds = descriptors.count(), rss = resident(), lua = collectgarbage "count",
    heap = has_heap and heap.used() / 1024 or nil,
  }
end

---Convert a table of numbers to a line of text, and back.
function usage.encode(numbers)
  local words = {}
  for name, value in pairs(numbers) do
    words[#words + 1] = ("%s=%.0f"):format(name, value)
  end
  table.sort(words)
  return table.concat(words, " ")
end

function usage.decode(line)
  local numbers = {}
  for name, value in line:gmatch "(%w+)=(%S+)" do numbers[name] = tonumber(value) end
  return numbers
end

return usage
