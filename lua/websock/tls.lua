-- The settings of TLS: websock.tls, and the contexts of websock.core made of what
-- the option `tls` says. What is not said is safe: chain and host name are
-- verified, against the authorities of the system.

local core = require "websock.core"
local misuse = require "websock.misuse"
local options = require "websock.options"

local tls = {}

-- For clients and servers alike: `client` and, with a certificate, `server` are
-- contexts of the core.
local Context = {__name = "websock.tls"}
Context.__index = Context

function Context:__tostring()
  return ("websock.tls%s: %p"):format(self.server and " (with a certificate)" or "", self)
end

-- What browsers offer for wss: it keeps the bytes of other protocols out.
local HTTP = {"http/1.1"}

-- RFC 7301 section 3.1: each name behind its length.
local function wire_form(names)
  local packed = {}
  for i, name in ipairs(names) do packed[i] = string.pack("s1", name) end
  return table.concat(packed)
end

local function check_pair(where, o)
  if (o.cert == nil) ~= (o.key == nil) then
    misuse("%s: 'cert' and 'key' come together", where)
  end
end

-- A context of the core for one role: userdata | nil, "tls: ..."
local function build(o, role)
  local settings = {server = role == "server", alpn = wire_form(o.alpn or HTTP),
    alpn_strict = o.alpn ~= nil}
  for name, value in pairs(o) do settings[name] = settings[name] or value end
  return core.tls(settings)
end

--- A context that connections can share, whichever end they are.
---@param o table # options that are checked
---@return table|nil context, string? err
local function new(o)
  local self = setmetatable({name = o.server_name}, Context)
  local err
  self.client, err = build(o, "client")
  if self.client and o.cert then self.server, err = build(o, "server") end
  if err then return nil, err end
  return self
end

--- See docs/reference.md.
function tls.new(given)
  local o = options.check("tls", given)
  check_pair("tls", o)
  return new(o)
end

-- For clients that say nothing.
local default

local function client(where, o)
  if o then
    check_pair(where .. ": option 'tls'", o)
    local context, err = build(o, "client")
    return context and {client = context, name = o.server_name}, err
  end
  local err
  if not default then default, err = new(options.check "tls") end
  return default, err
end

local function server(where, o)
  if not o.cert or not o.key then
    misuse("%s: option 'tls': a server needs 'cert' and 'key'", where)
  end
  local context, err = build(o, "server")
  return context and {server = context}, err
end

--- What the option `tls` means for one role: {client or server = a context of the
--- core, name = whom to ask for}.
---@param where string # whose option it is
---@param given? table # checked options, or a context of websock.tls
---@param role "client"|"server"
---@return table|nil, string? err
function tls.of(where, given, role)
  if getmetatable(given) ~= Context then
    if role == "server" then return server(where, given) end
    return client(where, given)
  elseif not given[role] then
    misuse("%s: option 'tls': a server needs 'cert' and 'key'", where)
  end
  return given
end

return tls
