-- Reads and writes a stream of the core, and waits by a deadline: the source of
-- proxy/stream.lua.

local Source = {}
Source.__index = Source

-- Calls a method of the stream until it is done.
local function repeated(self, name, ...)
  local stream = self.stream
  while true do
    local result, err, mode = stream[name](stream, ...)
    if result or err ~= "again" then return result, err end
    local ok, why = self.loop.wait(stream:fd(), mode, self.deadline)
    if not ok then return nil, why end
  end
end

--- Starts TLS, with the arguments of stream:secure, and waits for its handshake.
---@return true|nil, string? err # "tls: ...", "timeout"
function Source:secure(...)
  local ok, err = self.stream:secure(...)
  if not ok then return nil, err end
  return repeated(self, "shake")
end

function Source:read()
  return repeated(self, "read")
end

function Source:write(bytes)
  local from = 1
  while from <= #bytes do
    local sent, err = repeated(self, "write", bytes, from)
    if not sent then return nil, err end
    from = from + sent
  end
  return true
end

---@param stream userdata
---@param deadline number? # a time of loop.now
return function(loop, stream, deadline)
  return setmetatable({loop = loop, stream = stream, deadline = deadline}, Source)
end
