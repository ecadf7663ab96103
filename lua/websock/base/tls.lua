-- The settings of TLS: websock.tls, and the contexts of websock.core that the option
-- `tls` stands for. Defaults are safe: chain and host name are verified, against the
-- authorities of the system.

local core = require "websock.core"
local misuse = require "websock.base.misuse"
local options = require "websock.base.options"

local tls = {}

-- For clients and servers alike: `client` and, with a certificate, `server` are
-- contexts of the core.
local Context = options.Context
Context.__index = Context

function Context:__tostring()
  return ("websock.tls%s: %p"):format(self.server and " (with a certificate)" or "", self)
end

-- As browsers offer for wss, so that a server with several protocols on its port
-- chooses no other one.
local HTTP = {"http/1.1"}

-- Closing a context does nothing, as connections may still use it; it is collected.
local function do_nothing() end
Context.__close, Context.__gc = do_nothing, do_nothing

-- RFC 7301 section 3.1: each name is preceded by its length.
local function wire_form(names)
  local packed = {}
  for i, name in ipairs(names) do packed[i] = string.pack("s1", name) end
  return table.concat(packed)
end

-- Settings that have no effect without another one.
local NEEDS = {{"cert", "key"}, {"key", "cert"}, {"password", "key"}, {"client_ca", "cert"}}

local function check_needs(where, o)
  for _, pair in ipairs(NEEDS) do
    if o[pair[1]] and not o[pair[2]] then
      misuse("%s: option '%s' needs '%s'", where, pair[1], pair[2])
    end
  end
end

-- Creates a context of the core for one role: userdata | nil, "tls: ..."
local function build(o, role)
  local alpn = o.alpn or role == "client" and HTTP or {}
  local settings = {server = role == "server", alpn = wire_form(alpn)}
  for name, value in pairs(o) do settings[name] = settings[name] or value end
  return core.tls(settings)
end

-- Returns the contents of a PEM file, which `build` could read before.
local function content_of(pem)
  if not pem or pem:find("-----BEGIN", 1, true) then return pem end
  local file <close> = io.open(pem)
  return file and file:read "a"
end

-- Defers the context for clients. It reads the authorities of the system, which is
-- slow, and a context with a certificate is mostly used by servers.
local function defer(self, o)
  o.cert, o.key = content_of(o.cert), content_of(o.key)
  self.options = o
end

--- Creates a context that connections of both roles can share.
---@param o table # options that are checked
---@return table|nil context, string? err
local function new(o)
  local self = setmetatable({name = o.server_name}, Context)
  local err
  if o.cert then self.server, err = build(o, "server") end
  if err then return nil, err end
  if o.cert and not o.ca_file and not o.ca_path then
    defer(self, o)
  else
    self.client, err = build(o, "client")
  end
  if err then return nil, err end
  return self
end

-- Creates the context for clients that was deferred.
local function complete(self)
  local err
  self.client, err = build(self.options, "client")
  if not self.client then return nil, err end
  self.options = nil
  return self
end

-- The context of clients without the option `tls`.
local default

local function default_context()
  local err
  if not default then default, err = new(options.check "tls") end
  return default, err
end

-- Returns the context for a table of settings; without one, the default.
local function context_of(where, o)
  if not o then return default_context() end
  check_needs(where .. ": tls", o)
  return new(o)
end

local function check_server(where, o)
  if not o.cert or not o.key then
    misuse("%s: option 'tls': a server needs 'cert' and 'key'", where)
  end
end

--- Returns the context that the option `tls` stands for, for one role.
---@param where string # the function whose option it is
---@param given? table # checked options, or a context of websock.tls
---@param role "client"|"server"
---@return table|nil context, string? err # contexts of the core in `client` and `server`; `name`
---   is the server name to use instead of the URL's host
function tls.of(where, given, role)
  local context, err = given, nil
  if getmetatable(given) ~= Context then
    if role == "server" then check_server(where, given) end
    context, err = context_of(where, given)
  end
  if not context then return nil, err end
  if role == "client" and not context.client then return complete(context) end
  if not context[role] then check_server(where, {}) end
  return context
end

-- Settings that tell a server who a client is, or whom it expects.
local IDENTITY = {cert = true, key = true, password = true, server_name = true, client_ca = true}

local function without_identity(o)
  local rest = {}
  for name, value in pairs(o) do
    if not IDENTITY[name] then rest[name] = value end
  end
  return rest
end

-- The same, to build a context of later: files are read now.
local function keep_rest(o)
  if not o.cert and not o.server_name then return nil end
  local rest = without_identity(o)
  rest.ca_file = content_of(rest.ca_file)
  return rest
end

--- Returns the same settings without what belongs to one server: client certificate and
--- `server_name`.
---@param given table # as for tls.of
---@return table|nil, string? err
function tls.anonymous(given)
  if getmetatable(given) ~= Context then return without_identity(given) end
  if not given.rest then return given end
  local err
  if not given.other then given.other, err = new(given.rest) end
  return given.other, err
end

--- See docs/reference.md.
function tls.new(given)
  if given == nil then misuse("tls: table expected, got nil") end
  local o = options.check("tls", given)
  check_needs("tls", o)
  local rest = keep_rest(o)
  local context, err = new(o)
  if not context then return nil, err end
  context.rest = rest
  return context
end

return tls
