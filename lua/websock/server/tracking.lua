-- The links of a server, counted in this file only: tracked from the first byte of a
-- connection to its last, admitted while it is open. Tracked links above
-- max_connections only wait to be refused.

local Audience = require "websock.server.audience"
local core = require "websock.core"
local log = require "websock.base.log"

-- Connections above max_connections that may wait to be refused; more are closed at
-- once.
local MOST_REFUSED = 64

local tracking = {}

--- Sets the fields of a server that this file uses.
function tracking.start(server)
  server.links, server.n_links, server.n_refused = {}, 0, 0
  server.open = Audience.new()
end

--- Whether one more connection would be above max_connections.
---@return boolean is_full, boolean? is_silent # whether to close it without an answer, as
---   many are being refused already
function tracking.is_full(server)
  local most = server.options.max_connections
  if not most or server.n_links - server.n_refused < most then return false end
  return true, server.n_refused >= MOST_REFUSED
end

--- Logs a connection above max_connections.
function tracking.tell_full(server, remote)
  log.write("warn", "too many connections",
    {max_connections = server.options.max_connections, remote = log.place(remote)})
end

--- Counts a link of this server, from its first byte on. Its field `refuse` is set if it
--- is to be refused.
function tracking.track(server, link)
  server.links[link] = core.process()  -- its owner: see stop.lua
  server.n_links = server.n_links + 1
  if link.refuse then server.n_refused = server.n_refused + 1 end
end

--- Called when a link's handshake is done: broadcasts now reach it.
function tracking.join(link)
  link.server.open:add(link.conn)
end

--- The same when Lua has answered.
function tracking.admit(link)
  tracking.join(link)
  link:read_on()
  link:look_at_core()  -- frames may have arrived with the request
end

--- Called when a link is no longer open.
function tracking.dismiss(link)
  local server = link.server
  server.open:remove(link.conn)
  if link.topics then server.topics:leave(link) end
end

--- Called when the descriptor of a link of this server is closed.
function tracking.untrack(server, link)
  if not server.links[link] then return end
  server.links[link] = nil
  server.n_links = server.n_links - 1
  if link.refuse then server.n_refused = server.n_refused - 1 end
end

--- Returns a copy of the list of links, which may change while the caller iterates.
---@return table[]
function tracking.list(server)
  local list = {}
  for link in pairs(server.links) do list[#list + 1] = link end
  return list
end

return tracking
