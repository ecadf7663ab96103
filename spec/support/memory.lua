-- What this process holds in memory, as the kernel counts it.

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

---Calls f(...); by how many KiB the most that was resident meanwhile exceeds what
---was before.
function memory.growth(f, ...)
  collectgarbage()
  collectgarbage()
  local file <close> = assert(io.open("/proc/self/clear_refs", "w"))
  file:write "5"  -- the peak counts from now on
  file:flush()
  local before = status "VmHWM"
  f(...)
  return status "VmHWM" - before
end

---What it says when memory has grown by more than is allowed; nil: fine. With a
---sanitizer, which keeps what was freed, it always is.
function memory.too_much(kib, allowed)
  if os.getenv "SANITIZED" or kib <= allowed then return nil end
  return ("memory grew by %d KiB"):format(kib)
end

return memory
