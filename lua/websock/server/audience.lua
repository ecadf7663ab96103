-- An audience: the links that a message goes to, all of a server's or those of a
-- topic. The lists have no gaps, so that one call into C reaches all links: the last
-- one takes the place of a link that leaves.

local core = require "websock.core"

local Audience = {}
Audience.__index = Audience

function Audience.new()
  return setmetatable({n = 0, conns = {}, at = {}}, Audience)  -- conns[at[conn]] is conn
end

function Audience:add(link)
  local conn = link.conn
  if self.at[conn] then return end
  local n = self.n + 1
  self.n, self.conns[n], self.at[conn] = n, conn, n
end

function Audience:remove(link)
  local conn, at, conns, n = link.conn, self.at, self.conns, self.n
  local i, last = at[conn], conns[n]
  if not i then return end
  conns[i], at[last] = last, i
  conns[n], at[conn] = nil, nil
  self.n = n - 1
end

--- Returns a list of what its connections' users have for them.
---@return table[]
function Audience:list()
  local list = {}
  for i, conn in ipairs(self.conns) do list[i] = core.link(conn).ws end
  return list
end

-- Closes connections that are over max_queue with 1008.
local function close_slow(self, slow)
  for _, conn in ipairs(slow) do
    if self.at[conn] then core.link(conn):begin_close(1008, "too slow") end
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
