-- The memory of this process, as the kernel counts it.

local memory = {}

-- A field of /proc/self/status, in KiB.
local function status(name)
  for line in io.lines "/proc/self/status" do
    local kib = line:match("^" .. name .. ":%s*(%d+)")
    if kib then return math.tointeger(tonumber(kib)) end
  end
end

---Resident memory in KiB.
function memory.resident() return status "VmRSS" end

---Calls f(...). Returns by how many KiB the peak of resident memory meanwhile exceeds
---what was resident before.
function memory.growth(f, ...)
  collectgarbage()
  collectgarbage()
  local file <close> = assert(io.open("/proc/self/clear_refs", "w"))
  file:write "5"  -- resets the peak
  file:flush()
  local before = status "VmHWM"
  f(...)
  return status "VmHWM" - before
end

---Returns a message if memory has grown by more than is allowed, nil if not; always nil
---with a sanitizer, which keeps freed memory.
function memory.too_much(kib, allowed)
  if os.getenv "SANITIZED" or kib <= allowed then return nil end
  return ("memory grew by %d KiB"):format(kib)
end

return memory
