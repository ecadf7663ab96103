-- Wire-level peers (support.raw) inside TLS, by LuaSec: a second user of OpenSSL, which
-- shows what ours has agreed on.

local socket = require "socket"
local ssl = require "ssl"
local websock = require "websock"
local core = require "websock.core"
local certificates = require "support.certificates"
local ends = require "support.ends"
local frames = require "support.frames"
local raw = require "support.raw"

local secure = {}

-- A LuaSec object with the methods of a LuaSocket one: returns "timeout" for "not now".
-- `receive` returns what has arrived.
local Wrapped = {}
Wrapped.__index = Wrapped

local WAITS = {wantread = "r", wantwrite = "w", timeout = "r"}

local function plain(err) return WAITS[err] and "timeout" or err end

function Wrapped:send(...)
  local last, err, partial = self.ssl:send(...)
  return last, plain(err), partial
end

function Wrapped:receive(n)
  local data, err, partial = self.ssl:receive(n)
  return data, plain(err), partial
end

function Wrapped:getfd() return self.ssl:getfd() end

function Wrapped:dirty() return self.ssl:dirty() end

-- close_notify, then the descriptor.
function Wrapped:close() self.ssl:close() end

-- Ends our side without close_notify.
function Wrapped:shutdown() core.shutdown(self.ssl:getfd()) end

-- LuaSec has no setoption: a LuaSocket object borrows the descriptor.
function Wrapped:setoption(...)
  local object = socket.tcp()
  object:setfd(self.ssl:getfd())
  object:setoption(...)
  object:setfd(-1)
end

-- true | nil, err
local function shake_hands(conn)
  local deadline = websock.now() + raw.patience
  while true do
    local ok, err = conn:dohandshake()
    if ok then return true end
    if not WAITS[err] then return nil, err end
    local ready, why = websock.wait(conn, WAITS[err], deadline - websock.now())
    if not ready then return nil, why end
  end
end

---Puts a raw peer into TLS; `peer.tls` is LuaSec's object then.
---@param params table # of ssl.wrap; mode and protocol ("any") are optional
---@param name? string # the server name that a client asks for
---@return table|nil peer, string? err
function secure.wrap(peer, params, name)
  local all = {mode = "client", protocol = "any"}
  for key, value in pairs(params) do all[key] = value end
  local conn = assert(ssl.wrap(peer.sock, all))
  conn:settimeout(0)
  if name then conn:sni(name) end
  local ok, err = shake_hands(conn)
  if not ok then
    conn:close()
    return nil, err
  end
  peer.tls, peer.sock = conn, setmetatable({ssl = conn}, Wrapped)
  return peer
end

---A TLS client of a server of ours, before its opening handshake.
function secure.client(port, params, name)
  return secure.wrap(raw.client(port), params or {}, name)
end

---The same after it; ends with the test.
function secure.open(server, params)
  local peer = assert(secure.client(ends.port(server), params))
  ends.at_end(function() peer:close() end)
  peer:send(frames.request())
  assert(peer:head())
  return peer
end

---The parameters of a server with one of the certificates.
function secure.server_params(name, more)
  local made = certificates[name]
  local params = {mode = "server", certificate = made.chain, key = made.key,
    password = made.password}
  for key, value in pairs(more or {}) do params[key] = value end
  return params
end

---A LuaSec server for one connection: its port, and a function that returns its peer, or
---nil, err, after the handshake.
function secure.serve(params)
  local listener = raw.server()
  local peer, failure
  websock.spawn(function()
    local accepted = assert(listener:accept())
    listener:close()
    peer, failure = secure.wrap(accepted, params)
    if peer then ends.at_end(function() peer:close() end) end
  end)
  return listener.port, function()
    ends.turn_until(function() return peer or failure end)
    return peer, failure
  end
end

return secure
