-- How a server ends: it stops accepting, closes all connections with 1001, waits for
-- them, and aborts those that are left.

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
  link.conn:mute()
  if link.stage == "closed" then link:release() else link:drop "aborted" end
end

local function drop_everyone(server)
  for _, link in ipairs(tracking.list(server)) do drop(link) end
end

-- In a forked child, drops the connections of its parent: it must not send Close frames
-- on them, only close its descriptors.
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

-- Ends at once, without Close frames.
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

--- Called when the last connection has gone: wakes those that wait for it.
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
