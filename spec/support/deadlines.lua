-- For the specs of deadlines: a loop that is not turned for some time, and tests whose
-- preparation must end before a deadline.

local assert = require "luassert"
local websock = require "websock"
local crowd = require "support.crowd"
local ends = require "support.ends"
local frames = require "support.frames"

local deadlines = {}

-- More connections than the poller hands out in one turn.
deadlines.MANY = 300

---Opens connections that delay others; the function returned makes them readable.
function deadlines.noise()
  local _, list = crowd.open(deadlines.MANY, {ping_interval = false})
  return function()
    for _, one in ipairs(list) do one.peer:masked("text", "x") end
  end
end

---Blocks the loop for so many seconds.
function deadlines.busy(seconds)
  local last = websock.now() + seconds
  repeat until websock.now() >= last
end

---Calls prepare(timeout) with longer and longer timeouts until it takes less than half
---of one. It returns the function to call next, and perhaps the time when it really
---began. It may fail if it takes longer.
function deadlines.in_time(prepare)
  for _, timeout in ipairs {0.3, 1, 4, 16, 60, 240} do
    local entered = websock.now()
    local ok, go_on, begun = pcall(prepare, timeout)
    local last = (begun or entered) + timeout / 2
    local is_early = websock.now() < last
    if is_early and not ok then error(go_on, 0) end
    if is_early and go_on() ~= "too late" then return end
    ends.finish()
  end
  error "this machine is too slow"
end

---Raises unless each peer gets this frame; skips pings before it.
function deadlines.all_get(peers, opcode, payload)
  for i, peer in ipairs(peers) do
    local frame, err
    repeat frame, err = peer:frame() until not frame or frame.opcode ~= frames.opcode.ping
    if not frame then error(("number %d: %s"):format(i, err)) end
    assert.same({opcode, payload}, {frame.opcode, frame.payload})
  end
end

return deadlines
