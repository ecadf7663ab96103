-- Connections with permessage-deflate agreed, in both roles: the library at one
-- end, at the other a wire-level peer with a compressor and a decompressor of its
-- own (support.deflate). "ours" is what the library sends, "theirs" the peer.

local deflate = require "support.deflate"
local ends = require "support.ends"
local frames = require "support.frames"
local raw = require "support.raw"

local compressed = {}

local KEY = "\x37\xfa\x21\x3d"
local FIELD = "Sec-WebSocket-Extensions"
local PARAMETERS = {
  "server_no_context_takeover", "client_no_context_takeover",
  "server_max_window_bits", "client_max_window_bits",
}

---The value of a Sec-WebSocket-Extensions field; true: the name alone.
---@param parameters? table<string, boolean|integer|string>
function compressed.value(parameters)
  local words = {"permessage-deflate"}
  for _, name in ipairs(PARAMETERS) do
    local value = (parameters or {})[name]
    if value then words[#words + 1] = value == true and name or name .. "=" .. value end
  end
  return table.concat(words, "; ")
end

---The same as a handshake's fields.
function compressed.field(value)
  return {[FIELD] = type(value) == "string" and value or compressed.value(value)}
end

---Parses such a value of one extension, which must have no quotes: its name and its
---parameters.
---@return string name, table<string, true|integer|string> parameters
function compressed.parse(value)
  local name, parameters
  for word in value:gmatch "[^;]+" do
    word = word:match "^%s*(.-)%s*$"
    local key, given = word:match "^([%w_-]+)=?(%w*)$"
    assert(key and not (parameters and parameters[key]), "written oddly: " .. value)
    if name then
      parameters[key] = given == "" or math.tointeger(tonumber(given)) or given
    else
      name, parameters = key, {}
    end
  end
  return assert(name, "no extension: " .. value), parameters
end

local helper  -- one process for a spec

---The zlib of this spec, until compressed.stop().
function compressed.zlib()
  helper = helper or deflate.start()
  return helper
end

---For the spec's teardown.
function compressed.stop()
  if helper then helper:stop() end
  helper = nil
end

local Pair = {}
Pair.__index = Pair

---A connection and its peer.
---@param role "client"|"server" # the library's
---@param agreed? table # the parameters that are agreed, default none
---@param options? table # more options of listen or connect
function compressed.open(role, agreed, options)
  local all = {compress = compressed.options(agreed)}
  for name, value in pairs(options or {}) do all[name] = value end
  local ws, peer = ends[role](all, compressed.field(agreed or {}))
  return compressed.pair(role, ws, peer, agreed)
end

---The option `compress` that agrees on exactly these parameters.
function compressed.options(agreed)
  agreed = agreed or {}
  return {
    server_no_context_takeover = agreed.server_no_context_takeover or false,
    client_no_context_takeover = agreed.client_no_context_takeover or false,
    server_max_window_bits = agreed.server_max_window_bits or 15,
    client_max_window_bits = agreed.client_max_window_bits or 15,
    threshold = agreed.threshold, level = agreed.level, mem_level = agreed.mem_level,
  }
end

-- How one side compresses.
local function side(agreed, name)
  return {
    bits = agreed[name .. "_max_window_bits"],
    takeover = not agreed[name .. "_no_context_takeover"],
  }
end

---The same for an existing connection.
function compressed.pair(role, ws, peer, agreed)
  local other = role == "client" and "server" or "client"
  return setmetatable({
    role = role, ws = ws, peer = peer, key = role == "server" and KEY or nil,
    deflater = compressed.zlib():deflater(side(agreed or {}, other)),
    inflater = compressed.zlib():inflater(side(agreed or {}, role)),
  }, Pair)
end

---The bytes of a frame of this peer, from the fields of frames.build.
function Pair:build(frame)
  frame.mask = self.key
  return frames.build(frame)
end

---Sends frames in one write.
function Pair:send(...)
  local bytes = {}
  for i, frame in ipairs {...} do bytes[i] = self:build(frame) end
  assert(self.peer:send(table.concat(bytes)))
end

---The frames of a compressed payload, each of the sizes given and then the rest.
function Pair:fragments(kind, payload, ...)
  local sizes, bytes, at = {...}, {}, 1
  for i = 1, #sizes + 1 do
    local to = sizes[i] and at + sizes[i] - 1 or #payload
    bytes[i] = self:build {
      opcode = i == 1 and kind or "continuation", payload = payload:sub(at, to),
      rsv = i == 1 and frames.RSV1 or 0, fin = i == #sizes + 1,
    }
    at = to + 1
  end
  return bytes
end

---The message that the library receives, within raw.patience.
function Pair:receive()
  return self.ws:receive(raw.patience)
end

---Compresses a message and sends it as one frame.
---@param how? string # of Deflater:message
function Pair:say(text, kind, how)
  local payload = self.deflater:message(text, how)
  self:send {opcode = kind or "text", payload = payload, rsv = frames.RSV1}
end

-- The next data frame; control frames before it are collected.
local function data_frame(self)
  local frame
  repeat
    frame = assert(self.peer:frame())
    if frame.opcode >= 8 then
      assert(frame.rsv == 0, "RSV on a control frame")
      self.control = self.control or {}
      table.insert(self.control, frame)
    end
  until frame.opcode < 8
  return frame
end

---The next message from the library, inflated if it is compressed.
---@return {text: string, kind: string, compressed: boolean, frames: integer, payload: string}
function Pair:hear()
  local first = data_frame(self)
  local pieces, frame = {first.payload}, first
  assert(first.opcode ~= 0 and first.rsv & ~frames.RSV1 == 0, "no first frame")
  while not frame.fin do
    frame = data_frame(self)
    assert(frame.opcode == 0 and frame.rsv == 0, "no continuation")
    pieces[#pieces + 1] = frame.payload
  end
  local payload, is = table.concat(pieces), first.rsv ~= 0
  return {
    text = is and self.inflater:message(payload) or payload, payload = payload,
    kind = first.opcode == 1 and "text" or "binary", compressed = is, frames = #pieces,
  }
end

-- ------------------------------------------------------------- for the specs

compressed.NO_TAKEOVER = {server_no_context_takeover = true, client_no_context_takeover = true}

---Returns a function that makes two tests of one: body(pair, role) runs in a coroutine
---of the loop, once for each role, with such a connection.
---@param it function # busted's
function compressed.both(it)
  return function(name, agreed, options, body)
    if type(agreed) == "function" then agreed, body = nil, agreed end
    if type(options) == "function" then options, body = nil, options end
    for _, role in ipairs {"client", "server"} do
      it(name .. " (" .. role .. ")", function()
        ends.inside(body, compressed.open(role, agreed, options), role)
      end)
    end
  end
end

---See Helper:bytes.
function compressed.bytes(...) return compressed.zlib():bytes(...) end

---Raises unless both are equal, without printing them.
function compressed.same(expected, got)
  if expected == got then return end
  error(("other bytes: %d in place of %d"):format(#got, #expected), 2)
end

---Bytes of hexadecimal digits.
function compressed.unhex(hex)
  return (hex:gsub("%s+", ""):gsub("%x%x", function(h) return string.char(tonumber(h, 16)) end))
end

return compressed
