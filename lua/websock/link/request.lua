-- The request of a connection: the same table for all hooks and for ws.request. A
-- server keeps it as one string until the application asks for it, as tables for ten
-- thousand idle connections would cost much memory.

local core = require "websock.core"
local headers = require "websock.base.headers"

local REMOTE = "<s1I2s1"  -- host (a path may hold anything), port, family

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

--- Keeps the request in its short form, before the connection opens.
function request.keep(link)
  if link.request then return end
  local remote = link.remote
  link.head = string.pack(REMOTE, remote.host, remote.port, remote.family or "")
    .. link.conn:head_text()
  link.remote = nil
end

-- Parses the kept head, which was valid when it arrived; it may be a little longer.
local function parse(text)
  local conn = core.conn(core.config("server", {max_header = #text + 1024}))
  conn:feed(text)
  conn:handshake()
  return headers.read(conn)
end

local function unfold(link)
  local host, port, family, from = string.unpack(REMOTE, link.head)
  local remote = {host = host, port = port, family = family ~= "" and family or nil}
  return new(parse(link.head:sub(from)), remote)
end

--- Returns the request of a link, at any time after its arrival.
function request.of(link)
  if not link.request then
    if link.head then
      link.request, link.head = unfold(link), nil
    elseif link.remote then
      link.request, link.remote = new(headers.read(link.conn), link.remote), nil
    end
  end
  return link.request
end

return request
