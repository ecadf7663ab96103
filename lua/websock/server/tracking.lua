-- The links of a server, counted in this place only: tracked from the first byte of
-- a connection to its last, admitted while it is open. Of those that are tracked,
-- some are above max_connections and only wait to be told so.

local Audience = require "websock.server.audience"

local tracking = {}

--- Gives a server what is counted here.
function tracking.start(server)
  server.links, server.n_links, server.n_refused = {}, 0, 0
  server.open = Audience.new()
end

--- Counts a link, from its first byte on. One whose `refuse` is set is to be refused.
function tracking.track(link)
  local server = link.server
  server.links[link] = true
  server.n_links = server.n_links + 1
  if link.refuse then server.n_refused = server.n_refused + 1 end
end

--- Its handshake is done: broadcasts reach it.
function tracking.admit(link)
  link.server.open:add(link)
  link:digest(link.conn:poll(0))  -- what came with the request
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
