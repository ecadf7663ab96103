-- Puts forward the monotonic clock that the library reads (clock.c), in this process
-- only, not in those that a spec starts.

local websock = require "websock"

local FILE = "build/support/clock.so"

local clock = {}

---Puts the clock forward at once. The loop notices in its next turn.
clock.skip = assert(package.loadlib(FILE, "skip"))

---interrupt(n): so many of the loop's next waits end as if a signal had come. Counts its
---waits from now on.
clock.interrupt = assert(package.loadlib(FILE, "interrupt"))

---break_waits(n): so many of the loop's next waits fail: "bad descriptor".
clock.break_waits = assert(package.loadlib(FILE, "break_waits"))

---Returns the number of waits since then, and the longest timeout in milliseconds.
clock.waited = assert(package.loadlib(FILE, "waited"))

---Returns the seconds of all waits for descriptors in this process, the loop's or not,
---since the last call, that only their timeouts ended.
clock.idled = assert(package.loadlib(FILE, "idled"))

---Puts the clock forward second by second, with a turn of the loop after each; works
---inside the loop and outside.
---@param seconds number
---@param each? fun() # called after each piece
function clock.pass(seconds, each)
  while seconds > 0 do
    clock.skip(math.min(seconds, 1))
    seconds = seconds - 1
    clock.turn()
    if each then each() end
  end
end

---The same until done() is true; raises after some hours. For events whose time does
---not matter.
function clock.pass_until(done)
  local left = 10000
  while not done() do
    if left == 0 then error("it does not come", 2) end
    left = left - 1
    clock.pass(1)
  end
end

---Turns the loop at least once.
function clock.turn()
  if coroutine.isyieldable() then websock.sleep(0) else websock.step(0) end
end

local before = websock.now()
clock.skip(1)
assert(websock.now() - before >= 1, "not preloaded: run specs by scripts/test")

return clock
