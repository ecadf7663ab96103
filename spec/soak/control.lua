-- The connection by which clients ask spec/soak/server.lua what it holds.

local websock = require "websock"
local usage = require "soak.usage"

local control = {}
control.__index = control

function control.connect(port)
  local ws = assert(websock.connect("ws://127.0.0.1:" .. port, {protocols = {"control"}}))
  return setmetatable({ws = ws}, control)
end

---Returns what the server holds now.
function control:report()
  assert(self.ws:send "report")
  return usage.decode(assert(self.ws:receive()))
end

---The same, once nobody else is connected and only `fds` descriptors are open (or after
---`patience` seconds, 120), and the pools of large blocks are empty: the server's, which
---each report has it turn its loop for, and ours.
function control:settled(fds, patience)
  local deadline = websock.now() + (patience or 120)
  repeat
    websock.sleep(0.05)
    local report = self:report()
    local is_settled = report.count == 0 and (not fds or report.fds <= fds)
  until is_settled or websock.now() > deadline
  return self:empty_pools()
end

-- Once a second, a turn frees the blocks that were not used since. Returns what the
-- server holds then.
function control:empty_pools()
  local report
  for _ = 1, 3 do
    websock.sleep(1.1)
    report = self:report()
  end
  return report
end

return control
