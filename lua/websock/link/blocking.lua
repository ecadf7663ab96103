-- What the methods of a connection that may wait share.

local blocking = {}

--- What a method returns once the connection has ended.
function blocking.closed(link)
  local code, reason = link.conn:ending()
  return nil, "closed", code, reason
end

--- Whether a method that is called outside the loop may wait. On a server's connections
--- none does so in the main chunk, because a host's tick must not stall.
---@return boolean
function blocking.may_turn(link)
  if link.role == "client" then return true end
  local _, is_main = link.loop.caller()
  return not is_main
end

--- Whether a method with this timeout, which was checked, may wait here.
---@param where string # the method called
---@return boolean
function blocking.may_wait(link, timeout, where)
  if timeout == 0 then return false end
  return link.loop.must(where) == "yield" or blocking.may_turn(link)
end

--- Drops trailing nils, so that print(ws:receive()) shows none.
function blocking.trim(a, b, c, d)
  if d ~= nil then return a, b, c, d end
  if c ~= nil then return a, b, c end
  if b ~= nil then return a, b end
  return a
end

function blocking.deadline_of(link, timeout)
  return timeout and link.loop.now() + timeout
end

return blocking
