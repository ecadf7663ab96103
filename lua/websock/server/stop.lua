-- How a server ends: nobody is accepted any more, everyone is closed with 1001 and
-- waited for, and what is left is aborted.

local core = require "websock.core"
local tracking = require "websock.server.tracking"

local stop = {}

local function close_everyone(server)
  for _, link in ipairs(tracking.list(server)) do
    if link.stage == "open" then
      link:begin_close(1001, "server stops")
      if link.conn:marked() then link:flush() end
    elseif link.stage == "handshake" then
      link:drop "aborted"
    end
  end
end

local function drop(link)
  if link.stage == "closed" then link:release() else link:drop "aborted" end
end

local function drop_everyone(server)
  for _, link in ipairs(tracking.list(server)) do drop(link) end
end

-- Connections that a forked child has of its parent are not its own to say good-bye
-- on: it only closes its descriptors.
local function drop_inherited(server)
  local process = core.process()
  for _, link in ipairs(tracking.list(server)) do
    if server.links[link] ~= process then drop(link) end
  end
end

local function stop_listening(server)
  server.stopped = true
  for _, listener in ipairs(server.listeners) do listener:close() end
end

-- Ends at once, without a word to anybody.
local function give_up(server)
  stop_listening(server)
  drop_everyone(server)
  server.ended = true
  if server.serving then server.serving(server) end
end

local function wait_for_links(server, timeout)
  local deadline = server.loop.now() + timeout
  table.insert(server.stopping, (coroutine.running()))
  local _, err
  while server.n_links > 0 and err ~= "timeout" do
    _, err = server.loop.park(deadline, server)
  end
  if server.n_links == 0 then server.stopping = {} end
  for _, link in ipairs(tracking.list(server)) do link:last_look() end
end

--- The last connection has gone: those that wait for it go on.
function stop.wake(server)
  for _, thread in ipairs(server.stopping) do server.loop.wake(server, thread) end
end

--- Stops, and waits for the connections at most `timeout` seconds. Idempotent.
function stop.within(server, timeout)
  if server.ended and server.n_links == 0 then return end
  if timeout > 0 then server.loop.must "stop" end
  stop_listening(server)
  drop_inherited(server)
  close_everyone(server)
  if timeout > 0 then wait_for_links(server, timeout) end
  give_up(server)
end

--- The same without waiting.
function stop.now(server)
  stop.within(server, 0)
end

return stop
