-- --verbose: what the bytes of a connection mean, as lines of text. The bytes come from a
-- tap (csrc/binding/lua_tap.c), without TLS.

local printable = require "websock.base.printable"
local core = require "websock.core"

local MOST_HEAD = 65536  -- bytes in which a head has to end

local OPCODES = {[0] = "continuation", "text", "binary", [8] = "close", [9] = "ping", [10] = "pong"}

-- One direction of a connection: `bytes` that were not looked at, `skip` bytes of a
-- payload that are not shown, `frames` once the head is over.
local Stream = {}
Stream.__index = Stream

local function stream(mark, say)
  return setmetatable({mark = mark, say = say, bytes = "", skip = 0}, Stream)
end

function Stream:line(text)
  self.say(self.mark .. " " .. printable(text, "\t"))
end

-- Shows the head, once it is whole. Returns whether there is more to look at.
function Stream:head()
  local stop, after = self.bytes:find "\r?\n\r?\n"
  if not stop then
    if #self.bytes > MOST_HEAD then self.bytes = "" end
    return false
  end
  for line in self.bytes:sub(1, stop - 1):gmatch "[^\r\n]+" do self:line(line) end
  self.frames = not self.bytes:find "^HTTP/%S+ [^1]"
  self.bytes = self.frames and self.bytes:sub(after + 1) or ""
  return self.frames
end

-- Returns the sizes of a header (RFC 6455 section 5.2) and its payload, nil if the header
-- is not whole.
local function sizes(bytes)
  if #bytes < 2 then return nil end
  local short, masked = bytes:byte(2) & 0x7f, bytes:byte(2) >> 7
  local extended = short == 126 and 2 or short == 127 and 8 or 0
  local header = 2 + extended + 4 * masked
  if #bytes < header then return nil end
  if extended == 0 then return header, short end
  return header, ((">I%d"):format(extended):unpack(bytes, 3))
end

local function unmasked(bytes, key)
  local out = {}
  for i = 1, #bytes do out[i] = string.char(bytes:byte(i) ~ key:byte((i - 1) % 4 + 1)) end
  return table.concat(out)
end

-- Describes the payload of a control frame.
local function control(opcode, payload)
  if payload == "" then return "" end
  if opcode ~= 8 or #payload < 2 then return (' "%s"'):format(payload) end
  local reason = payload:sub(3)
  return (" %d"):format((">I2"):unpack(payload)) .. (reason ~= "" and " " .. reason or "")
end

local function describe(bytes, header, size)
  local first, opcode = bytes:byte(1), bytes:byte(1) & 0xf
  local text = ("%s, %d bytes"):format(OPCODES[opcode] or "opcode " .. opcode, size)
  if opcode < 8 and first & 0x80 == 0 then text = text .. ", more follows" end
  if first & 0x40 ~= 0 then text = text .. ", compressed" end
  if opcode < 8 then return text end
  local payload = bytes:sub(header + 1, header + size)
  if bytes:byte(2) & 0x80 ~= 0 then payload = unmasked(payload, bytes:sub(header - 3, header)) end
  return text .. control(opcode, payload)
end

-- Skips what is left of a payload. Returns whether all of it is here.
function Stream:pass()
  local n = math.min(self.skip, #self.bytes)
  self.skip, self.bytes = self.skip - n, self.bytes:sub(n + 1)
  return self.skip == 0
end

-- Shows the next frame: a control frame when it is whole, another with its header.
function Stream:frame()
  if not self:pass() then return false end
  local header, size = sizes(self.bytes)
  local is_control = header and self.bytes:byte(1) & 8 ~= 0
  if not header or is_control and #self.bytes < header + size then return false end
  self:line(describe(self.bytes, header, size))
  self.skip = header + size
  return true
end

function Stream:add(bytes)
  self.bytes = self.bytes .. bytes
  while self.bytes ~= "" do
    local more
    if self.frames then more = self:frame() else more = self:head() end
    if not more then return end
  end
end

local Trace = {}
Trace.__index = Trace

--- Returns a trace; its `tap` is for the option of websock.connect.
---@param say fun(line: string)
function Trace.new(say)
  return setmetatable({tap = core.tap(), say = say}, Trace)
end

--- Shows what has gone through the tap since the last call.
function Trace:drain()
  for what, bytes in self.tap.take, self.tap do
    if what == "new" then
      self.sent, self.received = stream("*>", self.say), stream("*<", self.say)
    else
      self[what]:add(bytes)
    end
  end
end

return Trace
