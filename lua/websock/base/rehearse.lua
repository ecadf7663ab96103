-- What a program gives for its handshakes, held against the core's rules before
-- there is one. The core has the rules: a handshake is tried with one field or
-- subprotocol after the other, so that the error can name the one that breaks them.

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

-- As an error message may show it.
local function printable(text)
  return (text:gsub("%c", "?"))
end

--- Which of these fields may not be in a client's request, a server's 101 or another
--- answer of its, and why; nil if all may.
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

--- Raises if there is one.
---@param where string # who was called
function rehearse.fields(where, role, flat)
  local culprit = rehearse.culprit(role, flat)
  if culprit then misuse("%s: %s", where, culprit) end
end

--- Raises unless these are subprotocols that can be offered, or chosen from.
function rehearse.protocols(where, list)
  local seen = {}
  for _, protocol in ipairs(list) do
    local ok, rule = try.client(protocol)
    if seen[protocol] then ok, rule = false, "given twice" end
    if not ok then misuse("%s: protocol '%s': %s", where, printable(protocol), rule) end
    seen[protocol] = true
  end
end

--- Raises unless this may be the Origin field of a request.
function rehearse.origin(where, value)
  local ok, rule = try.client(nil, {"Origin", value})
  if not ok then misuse("%s: option 'origin': '%s': %s", where, printable(value), rule) end
end

return rehearse
