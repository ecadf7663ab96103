-- Servers whose errors are kept, and the answers that their peers get.

local ends = require "support.ends"
local frames = require "support.frames"

local host = {reports = {}}

function host.echo(ws)
  for message, kind in ws:messages() do ws:send(message, kind) end
end

---A server that echoes, and whose errors go to `reports`.
function host.listen(options)
  local all = {port = 0, handler = host.echo, on_error = function(...)
    host.reports[#host.reports + 1] = table.pack(...)
  end}
  for name, value in pairs(options or {}) do all[name] = value end
  return ends.listen(all)
end

local function status_of(line)
  return math.tointeger(tonumber(line:match "^HTTP/1%.1 (%d+)"))
end

---Sends bytes, and returns the answer's status, fields, body and first line.
function host.ask(server, bytes)
  local peer = ends.dial(server)
  peer:send(bytes)
  local line, fields = peer:head()
  assert(line, fields)
  local body = peer:rest()
  return status_of(line), fields, body, line
end

---The status of a handshake with these fields.
function host.knock(server, fields)
  local peer = ends.dial(server)
  peer:send(frames.request(fields))
  local line = assert(peer:head())
  peer:close()
  return status_of(line)
end

---Raises unless the server still serves.
function host.serves(server)
  local peer = ends.open(server)
  peer:masked("text", "alive?")
  if assert(peer:frame()).payload ~= "alive?" then error("no echo", 2) end
  peer:close()
end

return host
