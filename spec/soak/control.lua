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

---The same, once nobody else is connected and only `fds` descriptors are open; or after
---`patience` seconds (20).
function control:settled(fds, patience)
  local deadline = websock.now() + (patience or 20)
  while true do
    local report = self:report()
    if report.count == 0 and (not fds or report.fds <= fds)
        or websock.now() > deadline then
      return report
    end
    websock.sleep(0.05)
  end
end

return control
