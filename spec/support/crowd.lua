-- A server with several connections whose handlers do nothing until the test is
-- over, and the wire-level peer of each.

local websock = require "websock"
local ends = require "support.ends"

local crowd = {}

---Adds a connection to the server of crowd.open.
---@return {ws: table, peer: table, thread: thread}
function crowd.join(server, list)
  local before = #list
  local peer = ends.open(server)
  ends.turn_until(function() return #list > before end)
  list[#list].peer = peer
  return list[#list]
end

---A server and a list of `n` such connections.
---@param options? table # of websock.listen
---@return table server, table list
function crowd.open(n, options)
  local all, list = {port = 0}, {}
  for name, value in pairs(options or {}) do all[name] = value end
  function all.handler(ws)
    list[#list + 1] = {ws = ws, thread = coroutine.running()}
    websock.park()
  end
  local server = ends.listen(all)
  ends.at_end(function()
    for _, one in ipairs(list) do websock.wake(one.thread) end
  end)
  for _ = 1, n do crowd.join(server, list) end
  return server, list
end

---The broadcast and published payloads that each peer has received so far: a list of
---lists.
function crowd.heard(server, list)
  server:broadcast("the end of it", "text")
  local all = {}
  for i, one in ipairs(list) do
    all[i] = {}
    local payload = assert(one.peer:frame()).payload
    while payload ~= "the end of it" do
      table.insert(all[i], payload)
      payload = assert(one.peer:frame()).payload
    end
  end
  return all
end

return crowd
