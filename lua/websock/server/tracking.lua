-- The links of a server, counted in this place only: tracked from the first byte of
-- a connection to its last, admitted while it is open. Of those that are tracked,
-- some are above max_connections and only wait to be told so.

local Audience = require "websock.server.audience"
local core = require "websock.core"
local log = require "websock.base.log"

-- Connections above max_connections that are told so at one time; more are just
-- closed.
local MOST_REFUSED = 64

local tracking = {}

--- Gives a server what is counted here.
function tracking.start(server)
  server.links, server.n_links, server.n_refused = {}, 0, 0
  server.open = Audience.new()
end

--- Whether one more connection would be above max_connections.
---@return boolean is_full, boolean? is_silent # whether so many are being told so
---   already that this one is just closed
function tracking.is_full(server)
  local most = server.options.max_connections
  if not most or server.n_links - server.n_refused < most then return false end
  return true, server.n_refused >= MOST_REFUSED
end

--- Tells the log of one that is.
function tracking.tell_full(server, remote)
  log.write("warn", "too many connections",
    {max_connections = server.options.max_connections, remote = log.place(remote)})
end

--- Counts a link, from its first byte on. One whose `refuse` is set is to be refused.
function tracking.track(link)
  local server = link.server
  server.links[link] = core.process()  -- whose it is: see stop.lua
  server.n_links = server.n_links + 1
  if link.refuse then server.n_refused = server.n_refused + 1 end
end

--- Its handshake is done: broadcasts reach it.
function tracking.admit(link)
  link.server.open:add(link)
  link:look_at_core()  -- what came with the request
end

--- It is no longer open.
function tracking.dismiss(link)
  local server = link.server
  server.open:remove(link)
  if link.topics then server.topics:leave(link) end
end

--- Its descriptor is gone.
function tracking.untrack(link)
  local server = link.server
  server.links[link] = nil
  server.n_links = server.n_links - 1
  if link.refuse then server.n_refused = server.n_refused - 1 end
end

--- The links, which may come and go while the list is gone through.
---@return table[]
function tracking.list(server)
  local list = {}
  for link in pairs(server.links) do list[#list + 1] = link end
  return list
end

return tracking
