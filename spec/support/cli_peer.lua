-- The server for the specs of bin/websock, in a process of its own. Some messages are
-- commands, which it obeys; it echoes all others.
local websock = require "websock"

local answers = {}

function answers.header(ws, name)
  ws:send(tostring(ws.request.headers[name]))
end

function answers.close(ws, code, reason)
  ws:close(math.tointeger(tonumber(code)), reason)
end

function answers.abort(ws)
  ws:abort()
end

function answers.size(ws, bytes)
  ws:send(("x"):rep(math.tointeger(tonumber(bytes))))
end

function answers.binary(ws, bytes)
  ws:send(bytes, "binary")
end

local function from_hex(digits)
  return (digits:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

function answers.hex(ws, digits)
  ws:send(from_hex(digits))
end

function answers.closehex(ws, code, digits)
  ws:close(math.tointeger(tonumber(code)), from_hex(digits))
end

-- Answers so late that a client which only waits for pongs would have ended.
function answers.later(ws, words)
  websock.spawn(function()
    websock.sleep(0.2)
    ws:send(words)
    ws:close(1000, "that was it")
  end)
end

-- Text that a terminal would obey, and a line that looks like one of the command's own.
local HOSTILE = "\27[2J\27]0;title\7\u{9b}2J\nclosed 1000\r"

local REFUSALS = {
  ["/nowhere"] = {404},
  ["/hostile"] = {403, {["Content-Type"] = "text/plain"}, HOSTILE},
  ["/page"] = {403, {["Content-Type"] = "text/html"}, "<p>no</p>"},
  ["/moved"] = {302, {Location = "/there"}},
  ["/round"] = {302, {Location = "/round"}},
  ["/long"] = {403, nil, ("line\n"):rep(10000)},
}

-- Refuses with a reason phrase that a terminal would obey.
local function refuse_badly(listener)
  websock.wait(listener, "r")
  local sock = listener:accept()
  sock:settimeout(10)
  repeat local line = sock:receive "*l" until not line or line == ""
  sock:send "HTTP/1.1 403 \x9b2J\u{9b}2J\r\nContent-Length: 0\r\n\r\n"
  sock:close()
end

local server = assert(websock.listen {
  port = 0,
  protocols = {"chat", "soap"},
  authorize = function(request)
    local refusal = REFUSALS[request.path]
    if not refusal then return true end
    return false, table.unpack(refusal, 1, 3)
  end,
  handler = function(ws)
    for message, kind in ws:messages() do
      local name, a, b = message:match("^do (%S+) ?(%S*) ?(.*)$")
      if name then answers[name](ws, a, b) else ws:send(message, kind) end
    end
  end,
})
local bad = assert(require "socket".bind("127.0.0.1", 0))
bad:settimeout(0)
websock.spawn(function() while true do refuse_badly(bad) end end)
print("port " .. select(2, server:getsockname()))
print("bad " .. select(2, bad:getsockname()))
io.stdout:flush()
websock.run()
