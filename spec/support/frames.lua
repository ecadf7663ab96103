-- Builds and parses frames and handshakes by string.pack alone, never by the library's
-- own encoder: a round trip through the same code proves only symmetry. RFC 6455
-- section 5.2 for the frames, 4.1 and 4.2.2 for the handshakes.

local frames = {}

frames.opcode = {
  continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10,
}

-- The example of RFC 6455 section 1.3: a key and its answer.
frames.key = "dGhlIHNhbXBsZSBub25jZQ=="
frames.accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

---Masks or unmasks (section 5.3).
---@param payload string
---@param key string four bytes
function frames.mask (payload, key)
  local out = {}
  for from = 1, #payload, 4096 do
    local bytes = { payload:byte(from, math.min(from + 4095, #payload)) }
    for i = 1, #bytes do
      local at = (from + i - 2) % 4 + 1
      bytes[i] = string.char(bytes[i] ~ key:byte(at))
    end
    out[#out + 1] = table.concat(bytes)
  end
  return table.concat(out)
end

-- The 7 bits of length and what follows them; form (7, 16 or 64) forces one
-- that is longer than it needs to be.
local function length (n, form)
  form = form or (n < 126 and 7 or n < 65536 and 16 or 64)
  if form == 7 then return n, "" end
  if form == 16 then return 126, string.pack(">I2", n) end
  return 127, string.pack(">I8", n)
end

---One frame. `f` holds: opcode (a number or a name; text), payload (""), fin
---(true), rsv (0 to 7), mask (four bytes; nil: unmasked), form (of the length:
---7, 16, 64; the shortest), length (claimed; the payload's).
function frames.build (f)
  local opcode = frames.opcode[f.opcode or "text"] or f.opcode
  local payload = f.payload or ""
  local seven, more = length(f.length or #payload, f.form)
  local first = (f.fin == false and 0 or 0x80) | (f.rsv or 0) << 4 | opcode
  local head = string.char(first, (f.mask and 0x80 or 0) | seven) .. more
  if not f.mask then return head .. payload end
  return head .. f.mask .. frames.mask(payload, f.mask)
end

---A client's frame: masked, with a fixed key unless one is given.
function frames.masked (opcode, payload, fin, key)
  return frames.build { opcode = opcode, payload = payload, fin = fin,
    mask = key or "\x37\xfa\x21\x3d" }
end

---A server's frame, which is not masked.
function frames.plain (opcode, payload, fin)
  return frames.build { opcode = opcode, payload = payload, fin = fin }
end

frames.RSV1 = 4  -- as `rsv` counts: the highest of the three

---The first frame of a compressed message (RFC 7692 section 6); masked if there
---is a key.
function frames.compressed (opcode, payload, fin, key)
  return frames.build { opcode = opcode, payload = payload, fin = fin,
    rsv = frames.RSV1, mask = key }
end

---The payload of a Close frame (section 5.5.1).
function frames.close_payload (code, reason)
  return code and string.pack(">I2", code) .. (reason or "") or ""
end

-- The length that the header at `at` claims and where it ends, or nil.
local function read_length (bytes, at)
  local seven = bytes:byte(at + 1) & 0x7f
  if seven < 126 then return seven, at + 2 end
  local size = seven == 126 and 2 or 8
  if #bytes < at + 1 + size then return nil end
  return string.unpack(">I" .. size, bytes, at + 2)
end

---The frame at `at` (1): a table {fin, rsv, opcode, mask, payload} and where the
---next begins, or nil when it is not whole.
function frames.parse (bytes, at)
  at = at or 1
  if #bytes < at + 1 then return nil end
  local first, second = bytes:byte(at, at + 1)
  local n, from = read_length(bytes, at)
  if not n then return nil end
  local key = second & 0x80 ~= 0 and bytes:sub(from, from + 3) or nil
  if key then from = from + 4 end
  if #bytes < from + n - 1 then return nil end
  local payload = bytes:sub(from, from + n - 1)
  return {
    fin = first & 0x80 ~= 0, rsv = first >> 4 & 7, opcode = first & 15,
    mask = key, payload = key and frames.mask(payload, key) or payload,
  }, from + n
end

---All whole frames in `bytes`, and the rest.
function frames.parse_all (bytes)
  local list, at = {}, 1
  while true do
    local frame, next_at = frames.parse(bytes, at)
    if not frame then return list, bytes:sub(at) end
    list[#list + 1], at = frame, next_at
  end
end

-- ------------------------------------------------------------------ splitting

local function cut (bytes, size)
  local pieces, at = {}, 1
  while at <= #bytes do
    local n = size()
    pieces[#pieces + 1] = bytes:sub(at, at + n - 1)
    at = at + n
  end
  return pieces
end

-- Park and Miller's generator, so that the same seed gives the same splits on every
-- machine, and math.random is not affected.
local function random (seed)
  local state = seed % 2147483646 + 1
  return function (n)
    state = state * 48271 % 2147483647
    return state % n + 1
  end
end

---Iterates over ways to split bytes: a name and the pieces, whole, byte by byte, and
---cut at random places for each seed. Each must result in identical events.
function frames.splits (bytes, seeds)
  local ways = {
    { "whole", { bytes } },
    { "byte by byte", cut(bytes, function () return 1 end) },
  }
  for seed = 1, seeds or 5 do
    local draw = random(seed)
    local large = math.max(8, #bytes // 3)
    local function size () return draw(draw(2) == 1 and 4 or large) end
    ways[#ways + 1] = { "split with seed " .. seed, cut(bytes, size) }
  end
  local i = 0
  return function ()
    i = i + 1
    if ways[i] then return ways[i][1], ways[i][2] end
  end
end

-- ----------------------------------------------------------------- handshakes

-- Fields by name, in the order of `order`, then the others given; false leaves one out,
-- a list repeats it.
local function fields (defaults, order, given)
  local lines, known = {}, {}
  local function put (name, value)
    for _, one in ipairs(type(value) == "table" and value or { value }) do
      lines[#lines + 1] = name .. ": " .. one .. "\r\n"
    end
  end
  for _, name in ipairs(order) do
    known[name] = true
    local value = given[name]
    if value == nil then value = defaults[name] end
    if value then put(name, value) end
  end
  local rest = {}
  for name in pairs(given) do
    if not known[name] then rest[#rest + 1] = name end
  end
  table.sort(rest)
  for _, name in ipairs(rest) do put(name, given[name]) end
  return table.concat(lines)
end

---A client's opening handshake. `given` replaces, adds or (false) leaves out
---fields; `line` replaces the request line.
function frames.request (given, line)
  return (line or "GET / HTTP/1.1") .. "\r\n" .. fields({
    ["Host"] = "127.0.0.1", ["Upgrade"] = "websocket",
    ["Connection"] = "Upgrade", ["Sec-WebSocket-Key"] = frames.key,
    ["Sec-WebSocket-Version"] = "13",
  }, { "Host", "Upgrade", "Connection", "Sec-WebSocket-Key",
    "Sec-WebSocket-Version" }, given or {}) .. "\r\n"
end

---A server's answer to frames.key (or, with `accept`, to another).
function frames.response (given, accept, line)
  return (line or "HTTP/1.1 101 Switching Protocols") .. "\r\n" .. fields({
    ["Upgrade"] = "websocket", ["Connection"] = "Upgrade",
    ["Sec-WebSocket-Accept"] = accept or frames.accept,
  }, { "Upgrade", "Connection", "Sec-WebSocket-Accept" }, given or {}) .. "\r\n"
end

---A head's first line and its fields by lower-case name (repeats joined by
---", "), and where the body begins; nil when it is not whole.
function frames.parse_head (bytes)
  local last, after = bytes:find("\r\n\r\n", 1, true)
  if not last then return nil end
  local found, line = {}, bytes:match("^[^\r]*")
  for name, value in bytes:sub(1, last + 1):gmatch("\n([^:\r\n]+): *([^\r\n]*)") do
    name = name:lower()
    found[name] = found[name] and found[name] .. ", " .. value or value
  end
  return line, found, after + 1
end

return frames
