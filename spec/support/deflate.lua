-- Deflates and inflates by other code than ours: Python's zlib, in a process that the
-- spec starts once (spec/support/deflate.py). Calls block the loop.

local socket = require "socket"
local process = require "support.process"

local deflate = {}
local Helper = {}
Helper.__index = Helper

---Starts the process.
function deflate.start()
  local child = process.start {process.python, "spec/support/deflate.py"}
  local sock = assert(socket.connect("127.0.0.1", child:expect "port (%d+)\n"))
  sock:settimeout(60)
  sock:setoption("tcp-nodelay", true)
  return setmetatable({child = child, sock = sock}, Helper)
end

---Ends it. Idempotent.
function Helper:stop()
  self.sock:close()
  self.child:stop()
end

Helper.__close = Helper.stop

local function ask(self, line, bytes)
  assert(self.sock:send(string.pack(">s4", line .. "\n" .. (bytes or ""))))
  local size = string.unpack(">I4", assert(self.sock:receive(4)))
  local answer = assert(self.sock:receive(size))
  if answer:sub(1, 1) == "+" then return answer:sub(2) end
  error("zlib: " .. answer:sub(2), 3)
end

---Returns so many bytes, the same for the same seed.
---@param kind "zeros"|"random"|"json"|"mixed"
function Helper:bytes(kind, count, seed)
  return ask(self, ("bytes %s %d %d"):format(kind, count, seed or 1))
end

---The payload of a message of so many MiB of zeros.
function Helper:bomb(mib)
  return ask(self, "bomb " .. mib)
end

local Deflater = {}
Deflater.__index = Deflater

---A compressor.
---@param options? {bits: integer?, level: integer?, takeover: boolean?}
function Helper:deflater(options)
  options = options or {}
  -- zlib's raw deflate refuses 8; with 9 it looks back 250 bytes at most.
  local bits = math.max(options.bits or 15, 9)
  local number = ask(self, ("deflater %d %d"):format(options.level or 6, bits))
  return setmetatable({helper = self, number = number,
    takeover = options.takeover ~= false}, Deflater)
end

---The payload of a compressed message.
---@param how? "sync"|"finish"|"block"|"stream" # default "sync"; "finish": its block
--- has BFINAL set; "block", "stream": its blocks end so, and others must follow
function Deflater:message(text, how)
  local payload = ask(self.helper, ("deflate %s %s"):format(self.number, how or "sync"), text)
  if not self.takeover then self:reset() end
  return payload
end

---Forgets its history.
function Deflater:reset()
  ask(self.helper, "reset " .. self.number)
end

local Inflater = {}
Inflater.__index = Inflater

---A decompressor, which raises on a distance larger than the window.
---@param options? {bits: integer?, takeover: boolean?}
function Helper:inflater(options)
  options = options or {}
  local number = ask(self, ("inflater %d"):format(options.bits or 15))
  return setmetatable({helper = self, number = number,
    takeover = options.takeover ~= false}, Inflater)
end

---Returns the message of this payload.
function Inflater:message(payload)
  local text = ask(self.helper, "inflate " .. self.number, payload)
  if not self.takeover then ask(self.helper, "reset " .. self.number) end
  return text
end

return deflate
