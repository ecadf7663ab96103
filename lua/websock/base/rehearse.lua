-- Checks the fields and subprotocols that a program sets for its handshakes, before
-- there is one. The rules are the core's: this tries a handshake with one field or
-- subprotocol after the other, so that the error can name the one that breaks a rule.

local core = require "websock.core"
local misuse = require "websock.base.misuse"

local rehearse = {}

local REQUEST = table.concat({
  "GET / HTTP/1.1", "Host: a", "Upgrade: websocket", "Connection: Upgrade",
  "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "", "",
}, "\r\n")

local try = {}

function try.client(protocol, fields)
  local conn = core.conn(core.config "client")
  return conn:request("a", "/", {protocol}, fields)
end

local function asked()
  local conn = core.conn(core.config "server")
  conn:feed(REQUEST)
  conn:handshake()
  return conn
end

function try.server(_, fields)
  return asked():accept(nil, fields)
end

function try.answer(_, fields)
  return asked():reject(200, fields)
end

-- Returns text in the form for an error message.
local function printable(text)
  return (text:gsub("%c", "?"))
end

--- Returns which of these fields is not allowed in a client's request, a server's 101
--- or a server's other answers, and why; nil if all are.
---@param role "client"|"server"|"answer"
---@param flat string[] # name, value, name, value ...
---@return string? # "header 'a b': ..."
function rehearse.culprit(role, flat)
  if #flat == 0 or try[role](nil, flat) then return nil end
  for i = 1, #flat, 2 do
    local ok, rule = try[role](nil, {flat[i], flat[i + 1]})
    if not ok then return ("header '%s': %s"):format(printable(flat[i]), rule) end
  end
end

--- Raises about such a field.
---@param where string # the function called
function rehearse.fields(where, role, flat)
  local culprit = rehearse.culprit(role, flat)
  if culprit then misuse("%s: %s", where, culprit) end
end

--- Raises unless these subprotocols can be offered, or chosen.
function rehearse.protocols(where, list)
  local seen = {}
  for _, protocol in ipairs(list) do
    local ok, rule = try.client(protocol)
    if seen[protocol] then ok, rule = false, "given twice" end
    if not ok then misuse("%s: protocol '%s': %s", where, printable(protocol), rule) end
    seen[protocol] = true
  end
end

--- Raises unless this can be the Origin field of a request.
function rehearse.origin(where, value)
  local ok, rule = try.client(nil, {"Origin", value})
  if not ok then misuse("%s: option 'origin': '%s': %s", where, printable(value), rule) end
end

return rehearse
