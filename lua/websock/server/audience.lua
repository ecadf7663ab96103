-- An audience: the conns that a message goes to, all open ones of a server or the
-- subscribers of a topic. It is a list without gaps, so that one call into C reaches all:
-- see lua_audience.c, which also keeps each conn's place in it.

local core = require "websock.core"

local Audience = {
  --- add(self, conn) adds a conn, once.
  add = core.join,
  --- remove(self, conn) removes it, if it is there.
  remove = core.leave,
}
Audience.__index = Audience

function Audience.new()
  return setmetatable({}, Audience)
end

--- Returns a list of what its connections' users have for them.
---@return table[]
function Audience:list()
  local list = {}
  for i, conn in ipairs(self) do list[i] = core.link(conn).ws end
  return list
end

-- Closes connections that are over max_queue with 1008.
local function close_slow(self, slow)
  for _, conn in ipairs(slow) do
    if self[conn] then core.link(conn):begin_close(1008, "too slow") end
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
  if #self == 0 then return 0, 0 end
  local delivered, slow = core.broadcast(self, message, kind, turn,
    except and except.conn)
  if not slow then return delivered, 0 end
  if policy == "close" then close_slow(self, slow) end
  return delivered, #slow
end

return Audience
