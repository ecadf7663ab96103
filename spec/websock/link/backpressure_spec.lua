-- Backpressure: a full queue delays messages but never control frames; waiting senders
-- are served in order, in bounded memory. The results of one send are tested in
-- send_spec.lua, reading ahead in receive_spec.lua.

local websock = require "websock"
local ends = require "support.ends"
local frames = require "support.frames"

-- A connection of a server whose queue is over its max_queue.
local function clogged(options)
  options.max_queue = 1000
  local ws, peer, server = ends.server(options)
  ws:socket():setoption("send-buffer-size", 4096)
  local big = ("x"):rep(256 * 1024)
  repeat until not ws:send(big, "binary", {timeout = 0})
  assert.is_true(ws:buffered() > 1000)
  return ws, peer, server
end

-- The payloads of all frames but the big ones.
local function small_frames(peer, n)
  local list = {}
  while #list < n do
    local frame = assert(peer:frame())
    if #frame.payload < 1000 then list[#list + 1] = frame end
  end
  return list
end

describe("backpressure", function()
  after_each(function() ends.finish() end)

  it("returns that the queue is full, or times out while it stays full", function()
    local ws = clogged {}
    assert.same({nil, "queue full"}, {ws:send("x", "text", {timeout = 0})})
    ends.inside(function()
      assert.same({nil, "queue full"}, {ws:send("x", "text", {timeout = 0})})
      assert.same({nil, "timeout"}, {ws:send("x", "text", {timeout = 0.01})})
    end)
  end)

  it("lets pings, pongs and a Close pass", function()
    local ws, peer = clogged {}
    local before = ws:buffered()
    assert.same({nil, "timeout"}, {ws:ping("ping", 0)})
    peer:masked("ping", "asked")
    for _ = 1, 5 do websock.step(0.01) end
    ws:close(1000, "bye", 0)
    assert.is_true(ws:buffered() <= before + 6 + 7 + 7)
    local list = small_frames(peer, 3)
    assert.same({9, "ping", 10, "asked", 8, "\3\232bye"}, {list[1].opcode, list[1].payload,
      list[2].opcode, list[2].payload, list[3].opcode, list[3].payload})
    peer:masked("close", "\3\232")
    ends.turn_until(function() return ws.close_code end)
    assert.is_true(ws.close_clean)
  end)

  it("makes senders wait, and serves them in order", function()
    local ws, peer = clogged {}
    local before, done = ws:buffered(), 0
    for i = 1, 100 do
      websock.spawn(function()
        assert(ws:send(("%03d"):format(i) .. ("y"):rep(600)))
        done = done + 1
      end)
    end
    for _ = 1, 10 do websock.step(0.005) end
    assert.equal(0, done)
    assert.is_true(ws:buffered() <= before)
    local list = ends.inside(small_frames, peer, 100)
    for i, frame in ipairs(list) do
      assert.equal(i, math.tointeger(tonumber(frame.payload:sub(1, 3))))
    end
    assert.equal(100, done)
  end)

  it("keeps the queue near max_queue, whatever is sent", function()
    local ws, peer = clogged {}
    local most, drained = 0, false
    for i = 1, 10 do
      websock.spawn(function()
        for _ = 1, 50 do
          assert(ws:send(("z"):rep(90 * i)))
          if drained then most = math.max(most, ws:buffered()) end
        end
      end)
    end
    ends.inside(function()
      for n = 1, 500 do
        small_frames(peer, 1)
        drained = n > 1
      end
    end)
    assert.is_true(most <= 1000 + 904, most .. " bytes queued")
  end)

  it("wakes senders when the connection ends", function()
    for _, finish in ipairs {
      function(ws) ws:abort() end, function(ws) ws:close(1000, "", 0) end,
      function(_, peer) peer:reset() end, function(_, _, server) server:stop(0) end,
    } do
      local ws, peer, server = clogged {}
      local results = {}
      for i = 1, 3 do
        websock.spawn(function() results[i] = {ws:send "x"} end)
      end
      websock.step(0)
      finish(ws, peer, server)
      ends.turn_until(function() return #results == 3 end)
      for _, result in ipairs(results) do assert.equal("closed", result[2]) end
    end
  end)

  it("of a handler that answers what it reads reaches the peer", function()
    local server = ends.listen {port = 0, max_queue = 1000, ping_interval = false, handler = function(ws)
      ws:socket():setoption("send-buffer-size", 4096)
      for message in ws:messages() do ws:send(message) end
    end}
    local peer = ends.open(server)
    peer.sock:setoption("send-buffer-size", 4096)
    peer.sock:settimeout(0)
    local message, sent, from = frames.masked("text", ("e"):rep(1000)), 0, 1
    local stalled = 0
    while stalled < 50 do  -- until the peer cannot send either
      local last, _, partial = peer.sock:send(message, from)
      from = (last or partial) + 1
      if from > #message then
        from, sent, stalled = 1, sent + 1, 0
      else
        stalled = stalled + 1
        websock.step(0.002)
      end
      if sent > 50000 then error "nothing stops the peer" end
    end
    peer:send(message:sub(from))
    for _ = 1, sent do assert.equal(1000, #assert(peer:frame()).payload) end
  end)
end)
