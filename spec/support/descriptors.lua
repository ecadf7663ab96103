-- This process's descriptors, as the kernel lists them.

local descriptors = {}

---The id of this process.
function descriptors.pid()
  local file <close> = assert(io.open "/proc/self/stat")
  return math.tointeger(tonumber(file:read("a"):match "^%d+"))
end

---The set of open descriptors.
function descriptors.list()
  local path = os.tmpname()
  -- os.execute opens no pipe of ours, which would be among them
  assert(os.execute(("ls /proc/%d/fd >%s"):format(descriptors.pid(), path)))
  local set = {}
  for line in io.lines(path) do set[math.tointeger(tonumber(line))] = true end
  os.remove(path)
  return set
end

---How many are open.
function descriptors.count()
  local n = 0
  for _ in pairs(descriptors.list()) do n = n + 1 end
  return n
end

---Calls open(...), and returns its result and the descriptor that it opened.
function descriptors.of(open, ...)
  local before = descriptors.list()
  local object = assert(open(...))
  for fd in pairs(descriptors.list()) do
    if not before[fd] then return object, fd end
  end
  error("it has opened none", 2)
end

---Calls finish() after each test of a block, and raises if it has left a descriptor
---open.
---@param before_each function # busted's
---@param after_each function # busted's
function descriptors.watch(before_each, after_each, finish)
  local before
  before_each(function() before = descriptors.count() end)
  after_each(function()
    finish()
    collectgarbage()
    collectgarbage()
    -- the poller's own descriptors are created once
    assert(descriptors.count() <= before + 3, "a descriptor is left open")
  end)
end

return descriptors
