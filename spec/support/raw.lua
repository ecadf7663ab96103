-- A peer at wire level: a LuaSocket socket that sends and receives bytes and frames,
-- valid or invalid. It waits by websock.wait, so that the library under test keeps
-- running in the same process, from the main chunk or from a coroutine of the loop.

local socket = require "socket"
local frames = require "support.frames"

local raw = {}
local Peer = {}
Peer.__index = Peer

-- Seconds to wait for a peer that should send something.
raw.patience = 240

-- Waits until a deadline of the system's clock: the loop's may have been put forward.
local function wait (sock, mode, deadline)
  local ready, err
  repeat
    local left = deadline - socket.gettime()
    if left <= 0 then return nil, "timeout" end
    ready, err = require("websock").wait(sock, mode, left)
  until err ~= "timeout"
  return ready, err
end

local function peer (sock)
  sock:settimeout(0)
  sock:setoption("tcp-nodelay", true)
  return setmetatable({ sock = sock, buffer = "", ended = nil }, Peer)
end

---Connects to a server on this machine.
function raw.client (port, host)
  local sock = assert(socket.tcp())
  sock:settimeout(raw.patience)
  assert(sock:connect(host or "127.0.0.1", port))
  return peer(sock)
end

---Connects and goes through the opening handshake; `given` as in
---frames.request. Returns the peer and the response's fields.
function raw.open (port, given, line)
  local self = raw.client(port)
  self:send(frames.request(given, line))
  local status, fields = self:head()
  if not status or not status:find("^HTTP/1%.1 101 ") then
    error("not accepted: " .. tostring(status), 2)
  end
  return self, fields
end

---A listener on a free port; :accept() gives a peer, .port is its port.
function raw.server ()
  local listener = assert(socket.bind("127.0.0.1", 0))
  listener:settimeout(0)
  local _, port = listener:getsockname()
  return setmetatable({ sock = listener, port = math.tointeger(tonumber(port)) }, {
    __index = {
      accept = function (self, seconds)
        local deadline = socket.gettime() + (seconds or raw.patience)
        while true do
          local sock, err = self.sock:accept()
          if sock then return peer(sock) end
          if err ~= "timeout" then return nil, err end
          local ready, why = wait(self.sock, "r", deadline)
          if not ready then return nil, why end
        end
      end,
      close = function (self) self.sock:close() end,
    },
    __close = function (self) self.sock:close() end,
  })
end

---Two connected sockets of LuaSocket's.
function raw.pair ()
  local listener = assert(socket.bind("127.0.0.1", 0))
  local host, port = listener:getsockname()
  local one = assert(socket.connect(host, port))
  local other = assert(listener:accept())
  listener:close()
  return one, other
end

---Whether a server answers a request there: then its loop turns, and its program has done
---everything before that.
function raw.answers (port)
  local probe = socket.connect("127.0.0.1", port)
  if not probe then return false end
  probe:settimeout(60)
  probe:send "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
  local answer = probe:receive(1)
  probe:close()
  return answer ~= nil
end

---A port of 127.0.0.1 that nobody else gets until this is closed: a bound socket that does
---not listen keeps it from all but those who ask for it by its number.
---@return {port: integer, close: fun(self)}
function raw.reserve ()
  local sock = assert(socket.tcp4())
  assert(sock:setoption("reuseaddr", true))
  assert(sock:bind("127.0.0.1", 0))
  local _, port = sock:getsockname()
  return setmetatable({ port = math.tointeger(tonumber(port)) }, {
    __index = { close = function () sock:close() end },
    __close = function () sock:close() end,
  })
end

---Sends all the bytes: true, or nil, err.
function Peer:send (bytes)
  local deadline, from = socket.gettime() + raw.patience, 1
  while from <= #bytes do
    local last, err, partial = self.sock:send(bytes, from)
    from = (last or partial or from - 1) + 1
    if not last then
      if err ~= "timeout" then return nil, err end
      local ready, why = wait(self.sock, "w", deadline)
      if not ready then return nil, why end
    end
  end
  return true
end

---Sends each piece in a write of its own.
function Peer:send_pieces (pieces)
  for _, piece in ipairs(pieces) do
    local ok, err = self:send(piece)
    if not ok then return nil, err end
  end
  return true
end

-- More bytes into the buffer: true, or nil and "closed" or "timeout".
local function fill (self, deadline)
  if self.ended then return nil, self.ended end
  local bytes, err, partial = self.sock:receive(65536)
  bytes = bytes or partial
  self.buffer = self.buffer .. bytes
  if #bytes > 0 then return true end
  if err == "timeout" then return wait(self.sock, "r", deadline) end
  self.ended = err
  return nil, err
end

-- Reads until take(buffer) returns something; its next result is where the rest of the
-- buffer begins.
local function read (self, seconds, take)
  local deadline = socket.gettime() + (seconds or raw.patience)
  while true do
    local result, after = take(self.buffer)
    if result then
      self.buffer = self.buffer:sub(after)
      return result
    end
    local more, err = fill(self, deadline)
    if not more then return nil, err end
  end
end

---Exactly n bytes.
function Peer:receive (n, seconds)
  return read(self, seconds, function (buffer)
    if #buffer >= n then return buffer:sub(1, n), n + 1 end
  end)
end

---The head of a request or response: its first line and its fields.
function Peer:head (seconds)
  local fields
  local line, err = read(self, seconds, function (buffer)
    local first, found, after = frames.parse_head(buffer)
    fields = found
    return first, after
  end)
  return line, line and fields or err
end

---The next frame, as frames.parse gives it.
function Peer:frame (seconds)
  return read(self, seconds, frames.parse)
end

---All bytes until the other side ends, and the reason for the end.
function Peer:rest (seconds)
  local deadline = socket.gettime() + (seconds or raw.patience)
  repeat
    local more, err = fill(self, deadline)
  until not more or err
  local bytes = self.buffer
  self.buffer = ""
  return bytes, self.ended or "timeout"
end

---Waits for a Close frame, and skips frames before it: code (1005 if it has none) and
---reason.
function Peer:closed (seconds)
  repeat
    local frame, err = self:frame(seconds)
    if not frame then return nil, err end
    if frame.opcode == 8 then
      if frame.payload == "" then return 1005, "" end
      return string.unpack(">I2", frame.payload), frame.payload:sub(3)
    end
  until false
end

---Sends a masked frame, as a client does.
function Peer:masked (...) return self:send(frames.masked(...)) end

---Sends an unmasked one, as a server does.
function Peer:plain (...) return self:send(frames.plain(...)) end

---Answers a client's handshake with 101; `given` as in frames.response. Does not use our
---code for the Accept field.
function Peer:welcome (given)
  local _, fields = assert(self:head())
  local key = fields["sec-websocket-key"]
  assert(self:send(frames.response(given, raw.accept_key(key))))
  return fields
end

---Sec-WebSocket-Accept by the system's openssl command, not by our code.
function raw.accept_key (key)
  assert(key:find("^[%w+/=]+$"), "not a key")
  local pipe = assert(io.popen(("printf %%s %s258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    .. " | openssl dgst -sha1 -binary | openssl base64"):format(key)))
  local line = pipe:read("l")
  pipe:close()
  return line
end

---Ends the sending side only.
function Peer:shutdown () self.sock:shutdown("send") end

---Closes so that the other side sees a reset.
function Peer:reset ()
  self.sock:setoption("linger", { on = true, timeout = 0 })
  self.sock:close()
end

function Peer:close () self.sock:close() end
Peer.__close = Peer.close

return raw
