-- What a connection of the soak may do from its beginning to its end, well behaved or
-- not. Each life takes the server's port, raises if the server does something wrong,
-- and returns how many messages it has sent.

local websock = require "websock"
local frames = require "support.frames"
local raw = require "support.raw"

local random = math.random

local lives = {}

local function connect(port, role)
  return assert(websock.connect("ws://127.0.0.1:" .. port, {protocols = {role}}))
end

local function open_raw(port, role)
  return raw.open(port, {["Sec-WebSocket-Protocol"] = role})
end

-- Mostly short, sometimes empty or long.
local function size()
  local dice = random(100)
  return dice <= 80 and random(0, 120) or dice <= 99 and random(2000) or random(40000)
end

local function message()
  local kind = random(2) == 1 and "text" or "binary"
  local piece = kind == "text" and "häh? €" or "\0\255" .. string.char(random(0, 255))
  return piece:rep(size() // #piece), kind
end

local function expect(ws, sent, kind)
  local got, got_kind, code, reason = ws:receive()
  if got == sent and got_kind == kind then return end
  error(("another reply: %s, %s, %s, %s"):format(got and #got, got_kind, code, reason))
end

-- Sends n messages in one go, then receives them.
local function batch(ws, n)
  local sent = {}
  for i = 1, n do
    local text, kind = message()
    assert(ws:send(text, kind))
    sent[i] = {text, kind}
  end
  for i = 1, n do expect(ws, sent[i][1], sent[i][2]) end
  return n
end

local CODES = {1000, 1001, 1003, 3000, 4999}

local function close(ws)
  local code = CODES[random(#CODES)]
  assert(ws:close(code, "had enough"))
  assert(ws.close_code == code and ws.close_clean, "another close code")
end

---Sends, receives, pings, closes.
function lives.talk(port)
  local ws, n = connect(port, "echo"), 0
  for _ = 1, random(20) do
    n = n + batch(ws, random(20))
    if random(10) == 1 then assert(ws:ping()) end
  end
  close(ws)
  return n
end

---Sends messages in pieces.
function lives.fragments(port)
  local ws, n = connect(port, "echo"), random(10)
  for _ = 1, n do
    local text, kind = message()
    local writer, from = assert(ws:writer(kind)), 1
    while from <= #text do
      local to = from + random(0, 3000)
      assert(writer:write(text:sub(from, to)))
      from = to + 1
    end
    assert(writer:finish())
    expect(ws, text, kind)
  end
  close(ws)
  return n
end

-- Sends without reading the echoes.
local function pour(ws)
  local n = random(40)
  for _ = 1, n do
    local text, kind = message()
    ws:send(text, kind, {timeout = 1})
  end
  return n
end

---Ends while it sends, in order or by a reset.
function lives.vanish(port)
  local ws = connect(port, "echo")
  local n = pour(ws)
  if random(2) == 1 then
    ws:socket():setoption("linger", {on = true, timeout = 0})
  end
  ws:abort()
  return n
end

---Is forgotten by its program: the collector aborts it.
function lives.forget(port)
  return pour(connect(port, "echo"))
end

-- Receives the others' messages for a while; the server may find it too slow.
local function gossip(port, role)
  local ws, n = connect(port, role), random(20)
  for _ = 1, n do
    local text, kind = message()
    assert(ws:send(text, kind) or ws:state() ~= "open")
    local got, err, code = ws:receive(0.01)
    if not got and err == "closed" then
      assert(code == 1008, "closed by " .. tostring(code))
      break
    end
  end
  ws:close(1000, nil, 0)
  return n
end

function lives.gossip(port) return gossip(port, "close") end
function lives.chatter(port) return gossip(port, "drop") end

---Subscribes to the others' messages and reads nothing, until it resets the connection
---or the server finds it too slow.
function lives.stall(port)
  local peer <close> = open_raw(port, random(2) == 1 and "close" or "drop")
  peer.sock:setoption("recv-buffer-size", 4096)
  local big, n = ("x"):rep(30000), random(40)
  for _ = 1, n do
    if not peer:masked("text", big) then break end
  end
  websock.sleep(random() * 2)
  if random(2) == 1 then peer:reset() end
  return n
end

local LONG = "\x82\xff\x80" .. ("\0"):rep(7)  -- a length with its top bit set

-- Broken rules, and the code that answers each (RFC 6455 section 7.4.1).
local function broken()
  local list = {
    {1002, frames.plain("text", "not masked")},
    {1002, frames.build {opcode = "text", rsv = 4, mask = "abcd"}},
    {1002, frames.build {opcode = 3, mask = "abcd"}},
    {1002, frames.masked("continuation", "of nothing")},
    {1002, frames.masked("ping", "in parts", false)},
    {1002, frames.masked("close", "\3")},
    {1002, frames.masked("close", string.pack(">I2", 1005))},
    {1002, LONG .. "abcd"},
    {1007, frames.masked("text", "\xc0\xaf")},
    {1007, frames.masked("close", string.pack(">I2", 1000) .. "\xff")},
    {1009, frames.build {opcode = "binary", length = 1 << 30, mask = "abcd"}},
  }
  return table.unpack(list[random(#list)])
end

---Breaks a rule after a few messages.
function lives.break_rule(port)
  local peer <close> = open_raw(port, "echo")
  local n, code, bytes = random(0, 5), broken()
  for _ = 1, n do assert(peer:masked("text", "hello")) end
  assert(peer:send(bytes))
  assert(peer:closed() == code, "another code")
  return n
end

---Sends many pings at once; the newest is answered.
function lives.flood(port)
  local peer <close> = open_raw(port, "echo")
  local pings, last = {}, random(500)
  for i = 1, last do pings[i] = frames.masked("ping", tostring(i)) end
  assert(peer:send(table.concat(pings)))
  repeat
    local frame = assert(peer:frame())
    assert(frame.opcode == frames.opcode.pong or frame.opcode == frames.opcode.ping)
  until frame.payload == tostring(last)
  return 0
end

---Does not finish the handshake.
function lives.mumble(port)
  local peer <close> = raw.client(port)
  local request = frames.request()
  if random(2) == 1 then
    peer:send(request:sub(1, random(#request - 1)))
    if random(8) == 1 then peer:rest() end  -- until the server ends it
    return 0
  end
  peer:send(frames.request {["Sec-WebSocket-Key"] = "short"})
  assert(peer:head():find " 400 ", "not refused")
  return 0
end

return lives
