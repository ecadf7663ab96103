-- What the calls on a connection that may wait have in common.


local call = {}

function call.closed(link)
  local code, reason = link.conn:ending()
  return nil, "closed", code, reason
end

-- Whether a call made outside the loop may wait: on a server's connections none
-- does in the main chunk, for a host's tick must not stall.
function call.may_turn(link)
  if link.role == "client" then return true end
  local _, is_main = link.loop.caller()
  return not is_main
end

-- Whether a call may wait here, having checked its timeout.
-- where: who was called.
function call.may_wait(link, timeout, where)
  if timeout == 0 then return false end
  return link.loop.must(where) == "yield" or call.may_turn(link)
end

-- Without the nils at the end: print(ws:receive()) shows what there is.
function call.trim(a, b, c, d)
  if d ~= nil then return a, b, c, d end
  if c ~= nil then return a, b, c end
  if b ~= nil then return a, b end
  return a
end

function call.deadline_of(link, timeout)
  return timeout and link.loop.now() + timeout
end

function call.remove(list, thread)
  for i = 1, #list do
    if list[i] == thread then return table.remove(list, i) end
  end
end

return call
