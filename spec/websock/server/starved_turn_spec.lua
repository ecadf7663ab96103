-- A turn that finds no memory: nothing that has arrived in it is forgotten. Each of the
-- connections gets its echo once there is memory again, or is closed.

local allocator = require "support.allocator"
local ends = require "support.ends"
local raw = require "support.raw"
local websock = require "websock"

allocator.limit()

local PEERS = 4

-- The ways in which an application receives.
local ways = {}

function ways.handler()
  return {handler = function(ws)
    for message in ws:messages() do ws:send(message) end
  end}
end

ways["handler with a timeout"] = function()
  return {handler = function(ws)
    repeat
      local message, err = ws:receive(1000)
      if message then ws:send(message) end
    until err
  end}
end

ways["handler that waits elsewhere"] = function()
  local done = false
  ends.at_end(function() done = true end)
  return {handler = function(ws)
    repeat
      websock.sleep(0)
      local message, err = ws:receive(0)
      if message then ws:send(message) end
    until done or err == "closed"
  end}
end

function ways.callbacks()
  return {on_message = function(ws, message) ws:send(message) end}
end

ways["callback that waits"] = function()
  return {on_message = function(ws, message)
    websock.sleep(0)
    ws:send(message)
  end}
end

-- What a peer gets: its echo, a Close with 1011, or the end of the connection.
local function outcome(peer, i)
  local frame, err = peer:frame()
  if not frame then
    assert.equal("closed", err)
    return "ended"
  end
  if frame.opcode == 1 then
    assert.equal("message " .. i, frame.payload)
    return "echo"
  end
  assert.same({8, 1011}, {frame.opcode, (string.unpack(">I2", frame.payload))})
  return "ended"
end

-- Sends to all, and takes two turns in which only so many bytes of memory are left.
-- Returns the number of peers that got their echo.
local function starve(server, left)
  local peers, echoes = {}, 0
  for i = 1, PEERS do peers[i] = raw.open(ends.port(server)) end
  ends.turn_until(function() return server:count() == PEERS end)
  for i, peer in ipairs(peers) do assert(peer:masked(1, "message " .. i)) end
  collectgarbage()
  allocator.cap(allocator.used() + left)
  for turn = 1, 2 do pcall(websock.step, turn == 1 and 1 or 0) end
  allocator.cap()
  for i, peer in ipairs(peers) do
    if outcome(peer, i) == "echo" then echoes = echoes + 1 end
    peer:close()
  end
  ends.turn_until(function() return server:count() == 0 end)
  return echoes
end

-- Not with a collector that works all the time: the test itself has no memory then.
describe("a turn without memory #slow", function()
  for name, way in pairs(ways) do
    it("forgets no message: " .. name, function()
      local options = way()
      options.port, options.ping_interval, options.on_error = 0, false, function() end
      local on_error = websock.on_error
      websock.on_error = function() end
      finally(function() websock.on_error = on_error end)
      local server = ends.listen(options)
      for left = 0, 6000, 100 do starve(server, left) end
      assert.equal(PEERS, starve(server, 1 << 20))
    end)
  end
end)
