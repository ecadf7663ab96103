-- An audience: the links that a message goes to, all of a server's or those of a
-- topic. The lists have no gaps, so that one call into C reaches all links: the last
-- one takes the place of a link that leaves.

local core = require "websock.core"

local Audience = {}
Audience.__index = Audience

function Audience.new()
  -- links[i] belongs to conns[i], which is at[conns[i]]
  return setmetatable({n = 0, links = {}, conns = {}, at = {}}, Audience)
end

function Audience:add(link)
  local conn = link.conn
  if self.at[conn] then return end
  local n = self.n + 1
  self.n, self.links[n], self.conns[n], self.at[conn] = n, link, conn, n
end

function Audience:remove(link)
  local at, n = self.at, self.n
  local i, last = at[link.conn], self.conns[n]
  if not i then return end
  self.links[i], self.conns[i], at[last] = self.links[n], last, i
  self.links[n], self.conns[n], at[link.conn] = nil, nil, nil
  self.n = n - 1
end

-- Closes connections that are over max_queue with 1008.
local function close_slow(self, slow)
  for _, conn in ipairs(slow) do
    local link = self.links[self.at[conn]]
    if link then link:begin_close(1008, "too slow") end
  end
end

--- Queues a message, which has to be UTF-8 if it is text, on all links but `except`.
--- Never waits: queues are written at the end of the turn, together with what else was
--- queued.
---@param turn userdata # of the loop
---@param except? table # a link
---@param policy "close"|"drop" # for slow connections
---@return integer delivered, integer dropped
function Audience:tell(turn, message, kind, except, policy)
  if self.n == 0 then return 0, 0 end
  local delivered, slow = core.broadcast(self.conns, message, kind, turn,
    except and except.conn)
  if not slow then return delivered, 0 end
  if policy == "close" then close_slow(self, slow) end
  return delivered, #slow
end

return Audience
