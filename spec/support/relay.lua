-- A TCP relay between a client and a server, on the loop: it drips, stalls, cuts and
-- counts bytes, without parsing them.

local websock = require "websock"
local raw = require "support.raw"

local HOURS = 3600

local Relay = {}
Relay.__index = Relay

local function spawn(self, ...)
  table.insert(self.threads, (websock.spawn(...)))
end

-- Sends bytes as long as the other side takes them; if the relay drips, each in its own
-- write and turn.
local function pass(self, to, bytes)
  local size = self.drip and 1 or #bytes
  for from = 1, #bytes, size do
    if not to:send(bytes:sub(from, from + size - 1)) then return nil end
    if self.drip then websock.sleep(0) end
  end
  return true
end

-- Moves bytes from one side to the other until the first ends, then ends the other.
local function pump(self, from, to, way)
  while websock.wait(from.sock, "r") do
    local bytes, err, partial = from.sock:receive(8192)
    bytes = bytes or partial
    while self.stalled do websock.sleep(0.005) end
    self[way] = self[way] + #bytes
    if #bytes > 0 and not pass(self, to, bytes) then return end
    if err and err ~= "timeout" then return to:shutdown() end
  end
end

local function connect(self)
  while true do
    local near = assert(self.listener:accept(HOURS))
    near.sock:setoption("tcp-nodelay", true)
    local far = raw.client(self.target)
    table.move({near, far}, 1, 2, #self.sides + 1, self.sides)
    spawn(self, pump, self, near, far, "up")
    spawn(self, pump, self, far, near, "down")
  end
end

local relay = {}

---A relay to a port of this machine; `.port` is its own, `.up` and `.down` count
---what passed towards the server and back.
---@param options? {drip: boolean?, stalled: boolean?} # fields that may be set later too
function relay.open(target, options)
  local listener = raw.server()
  local self = setmetatable({target = target, listener = listener, port = listener.port,
    sides = {}, threads = {}, up = 0, down = 0}, Relay)
  for name, value in pairs(options or {}) do self[name] = value end
  spawn(self, connect, self)
  return self
end

---Ends every connection's streams, both ways: what was sent before arrives, but no
---closing handshake of TLS or WebSocket takes place.
function Relay:cut()
  for _, side in ipairs(self.sides) do side.sock:shutdown "both" end
end

---Moves bytes between two peers, both ways, until both have ended; in a coroutine.
function relay.join(one, other)
  local self = {up = 0, down = 0}
  local back = websock.spawn(pump, self, other, one, "down")
  local _ <close> = setmetatable({}, {__close = function() coroutine.close(back) end})
  pump(self, one, other, "up")
  while coroutine.status(back) ~= "dead" do websock.sleep(0.005) end
end

local function forget(self, end_side)
  for _, thread in ipairs(self.threads) do coroutine.close(thread) end
  for _, side in ipairs(self.sides) do end_side(side) end
  self.threads, self.sides = {}, {}
end

---Resets every connection, both ways, and takes no more.
function Relay:reset()
  forget(self, function(side) side:reset() end)
end

---Idempotent.
function Relay:close()
  forget(self, function(side) side:close() end)
  self.listener:close()
end

Relay.__close = Relay.close

return relay
