-- The request of a connection: the same table for all hooks and for ws.request. A
-- server's conn keeps it as bytes until the application asks for it, as tables for ten
-- thousand idle connections would cost much memory.

local core = require "websock.core"
local headers = require "websock.base.headers"

local request = {}

-- A target's path, undecoded, and its query, raw or nil.
local function split_target(target)
  local rest = target:match "^%a[%w+.-]*://[^/?]*(.*)$" or target
  if rest == "" or rest:sub(1, 1) == "?" then rest = "/" .. rest end
  local path, query = rest:match "^([^?]*)%?(.*)$"
  return path or rest, query
end

local function new(head, remote)
  local path, query = split_target(head.target)
  return {
    method = head.method, target = head.target, path = path, query = query,
    headers = head.headers, fields = head.fields, remote = remote,
  }
end

--- Returns the address of a server's peer.
---@return {host: string, port: integer, family: string?}
function request.remote(link)
  if link.remote then return link.remote end  -- of a socket accepted elsewhere
  local host, port, family = link.conn:remote()
  return {host = host, port = port, family = family}
end

--- Keeps the request in its short form, before the connection opens.
function request.keep(link)
  if not link.request then link.conn:keep(true) end
end

-- Parses the kept head, which was valid when it arrived; it may be a little longer.
local function parse(text)
  local conn = core.conn(core.config("server", {max_header = #text + 1024}))
  conn:feed(text)
  conn:handshake()
  return headers.read(conn)
end

--- Returns the request of a server's link, at any time after its arrival.
function request.of(link)
  if link.request or link.role == "client" then return link.request end
  local text = link.conn:kept()
  local head = text and parse(text) or headers.read(link.conn)
  link.request = new(head, request.remote(link))
  link.conn:keep(false)
  return link.request
end

return request
