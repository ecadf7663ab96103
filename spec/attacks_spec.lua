-- Classes of attacks and accidents that need many connections, or a long time. Those
-- that concern one module are in its spec: "attack 10", "25", "26" and "32" also in
-- spec/websock/server/limits_spec.lua. Those by compression are in attacks_deflate_spec.lua.

local websock = require "websock"
local child = require "support.child"
local crowd = require "support.crowd"
local descriptors = require "support.descriptors"
local ends = require "support.ends"
local frames = require "support.frames"
local memory = require "support.memory"
local process = require "support.process"

local function echo(ws)
  for message, kind in ws:messages() do ws:send(message, kind) end
end

local function serves(server)
  local peer = ends.open(server)
  peer:masked("text", "alive?")
  assert.equal("alive?", assert(peer:frame()).payload)
  peer:close()
end

describe("attacks", function()
  after_each(function() ends.finish() end)

  it("attack 10: fifty handshakes that arrive byte by byte end in time, other clients are served", function()
    local server = ends.listen {port = 0, handshake_timeout = 0.5, handler = echo}
    local before, peers = descriptors.count(), {}
    for i = 1, 50 do
      peers[i] = ends.dial(server)
      peers[i]:send "GET / HTTP/1.1\r\n"
    end
    serves(server)
    local refused = 0
    local deadline = websock.now() + 20
    while refused < 50 and websock.now() < deadline do
      for _, peer in ipairs(peers) do  -- endless fields, a byte at a time
        if not peer.refused and not peer:send "x" then
          peer.refused = true
          refused = refused + 1
        end
      end
      websock.step(0.005)
    end
    assert.equal(50, refused)
    serves(server)
    for _, peer in ipairs(peers) do peer:close() end
    ends.turn_until(function() return descriptors.count() <= before end)
  end)

  it("attack 25: peers that ignore our close, silent or sending, are dropped in time", function()
    local server, list = crowd.open(20, {close_timeout = 0.1})
    local before = descriptors.count()
    for _, one in ipairs(list) do one.ws:close(1000, "", 0) end
    assert.equal(0, server:count())
    ends.turn_until(function()
      for i, one in ipairs(list) do
        if i % 2 == 0 then one.peer.sock:send(frames.masked("text", ("x"):rep(1000))) end
      end
      return descriptors.count() <= before - 20
    end)
    for _, one in ipairs(list) do assert.equal(1006, one.ws.close_code) end
  end)

  it("attack 26: a process without any hook survives garbage", function()
    local status, output = child.run [[
      local socket = require "socket"
      local server = assert(websock.listen {port = 0, handler = function(ws) ws:receive() end})
      local _, port = server:getsockname()
      local request = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        .. "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
      for _, bytes in ipairs {"\0", "\255\255", request .. "\255\255", request .. "\193\128abcd",
        request .. "\129\130abcd\255\255", request .. "\136\129abcdx", request, ""} do
        local sock = assert(socket.connect("127.0.0.1", port))
        sock:send(bytes)
        for _ = 1, 5 do websock.step(0.01) end
        sock:setoption("linger", {on = true, timeout = 0})
        sock:close()
        for _ = 1, 5 do websock.step(0.01) end
      end
      print(server:count())
      server:stop(0)]]
    assert.same({0, "0\n"}, {status, output})
  end)

  -- Pings, pongs and both, to a connection where nobody receives and whose peer
  -- does not read.
  for _, kinds in ipairs {{"ping"}, {"pong"}, {"ping", "pong"}} do
    it("attack 27: a flood of " .. table.concat(kinds, "s and ") .. "s", function()
      local server, list = crowd.open(2, {ping_interval = false})
      local ws, peer, flood = list[1].ws, list[1].peer, {}
      ws:socket():setoption("send-buffer-size", 4096)
      for i = 1, 5000 do
        flood[i] = frames.masked(kinds[i % #kinds + 1], ("%05d"):format(i) .. ("x"):rep(120))
      end
      flood = table.concat(flood)
      collectgarbage()
      local before = memory.resident()
      for _ = 1, 10 do assert(peer:send(flood)) end  -- 6 MiB: reading does not stop
      assert.is_true(os.getenv "SANITIZED" ~= nil or memory.resident() - before < 4096, "memory grows")
      assert.is_true(ws:buffered() <= 2 * 127)
      assert.equal("open", ws:state())
      server:broadcast "others are served"
      assert.equal("others are served", assert(list[2].peer:frame()).payload)
      local frame
      repeat frame = assert(peer:frame()) until frame.opcode == 1
      assert.equal("others are served", frame.payload)
      assert.same({nil, "timeout"}, {ws:receive(0)})
    end)
  end

  describe("attack 28: publishing while the set changes", function()
    local N = 12

    -- Changes that may be made to connection i of a list in the middle of a publish.
    local ACTS = {
      function(one) one.ws:subscribe "a" end,
      function(one) one.ws:unsubscribe "a" end,
      function(one) one.ws:close(1000, "", 0) end,
      function(one) one.ws:abort() end,
      function(one) one.ws:subscribe "b" end,
      function(_, server) server:publish("b", "nested", "text", {slow = "drop"}) end,
      function(_, server) server:publish("a", "nested") end,
      function() collectgarbage() end,
    }

    -- All subscribers are open, and the counts agree.
    local function assert_consistent(server, list)
      local open = 0
      for _, one in ipairs(list) do
        if one.ws:state() == "open" then open = open + 1 end
      end
      assert.equal(open, server:count())
      assert.same({open, 0}, {server:broadcast "all"})
      local delivered, dropped = server:publish("a", "some")
      assert.is_true(delivered <= open)
      assert.equal(0, dropped)
    end

    it("from finalizers that run at any allocation", function()
      for round = 1, 8 do
        local server, list = crowd.open(N, {max_queue = 1000})
        for _, one in ipairs(list) do one.ws:subscribe "a" end
        local turn, armed = round, true
        local function arm()
          setmetatable({}, {__gc = function()
            if not armed then return end
            turn = turn * 7 % 1009 + 1
            local one = list[turn % N + 1]
            -- few are closed, so that the set lasts long
            local act = turn % 11 == 0 and turn % #ACTS + 1 or ({1, 2, 5, 6, 7, 1})[turn % 6 + 1]
            ACTS[act](one, server)
            arm()
          end})
        end
        for _ = 1, 5 do arm() end
        collectgarbage("incremental", 1, 1000, 4)
        collectgarbage("setpause", 0)
        for i = 1, 200 do
          server:publish("a", ("message %d"):format(i), "text", {slow = i % 2 == 0 and "drop" or "close"})
          server:broadcast(("x"):rep(i % 50 * 100), "binary", {slow = "drop"})
          list[i % N + 1].ws:subscribe("t" .. i % 5)
          if i % 20 == 0 then websock.step(0) end
        end
        armed = false
        collectgarbage("incremental", 200, 100, 13)
        collectgarbage()
        for _ = 1, 3 do websock.step(0) end
        for _, one in ipairs(list) do one.peer.sock:settimeout(0) end
        ends.turn_until(function()
          local queued = 0
          for _, one in ipairs(list) do
            one.peer.sock:receive(65536)
            queued = queued + one.ws:buffered()
          end
          return queued == 0
        end)
        assert_consistent(server, list)
      end
    end)

    it("from handlers of clients that connect and leave", function()
      local server
      local joined, left = 0, 0
      server = ends.listen {port = 0, handler = function(ws)
        joined = joined + 1
        ws:subscribe "a"
        server:publish("a", "joined")
        for message in ws:messages() do
          server:publish("a", message)
          if message == "leave" then break end
          if message == "abort" then ws:abort() end
        end
        server:publish("a", "left")
        left = left + 1
      end}
      local peers = {}
      for i = 1, 40 do
        peers[i] = ends.open(server)
        peers[i]:masked("text", "hello")
        if i % 3 == 0 then peers[i - 1]:masked("text", i % 2 == 0 and "leave" or "abort") end
        if i % 4 == 0 then peers[i - 3]:reset() end
      end
      for _, peer in ipairs(peers) do pcall(peer.close, peer) end
      ends.turn_until(function() return server:count() == 0 and joined == 40 and left == 40 end)
      assert.same({0, 0}, {server:publish("a", "nobody")})
    end)
  end)

  -- 1 GB to three connections, one of whose peers stops reading.
  for _, policy in ipairs {"close", "drop"} do
    it("attack 31: a reader that stops while 1 GB is broadcast, " .. policy .. " #slow", function()
      local SIZE, COUNT = 1024 * 1024, 1024
      local readers = {}
      local server = ends.listen {port = 0, ping_interval = false, handler = function(ws)
        ws:receive()
      end}
      for i = 1, 2 do
        readers[i] = process.start(process.lua("-e", ([[
          local websock = require "websock"
          local ws = assert(websock.connect("ws://127.0.0.1:%d", {max_message = false}))
          local n = 0
          for message in ws:messages() do
            if message == "end" then break end
            n = n + 1
          end
          print("got " .. n)]]):format(ends.port(server))),
          {turn = websock.step, env = {LD_PRELOAD = os.getenv "SANITIZED"}})
        ends.at_end(function() readers[i]:stop() end)
      end
      ends.turn_until(function() return server:count() == 2 end)
      local good = {}
      for ws in server:connections() do good[#good + 1] = ws end
      local stopped = ends.open(server)
      ends.turn_until(function() return server:count() == 3 end)
      local message, dropped = ("x"):rep(SIZE), 0
      local before, peak = memory.resident(), 0
      local function readers_are_done()
        return good[1]:buffered() == 0 and good[2]:buffered() == 0
      end
      for i = 1, COUNT do
        ends.turn_until(readers_are_done)  -- at the speed of the peers that read
        local n, missed = server:broadcast(message, "binary", {slow = policy})
        if n + missed ~= server:count() + (policy == "close" and missed or 0) then
          error(("%d + %d at message %d"):format(n, missed, i))
        end
        dropped = dropped + missed
        if i % 16 == 0 then peak = math.max(peak, memory.resident()) end
      end
      ends.turn_until(readers_are_done)
      server:broadcast("end", "text", {slow = "drop"})
      for i = 1, 2 do readers[i]:expect("got " .. COUNT .. "\n") end
      -- a sanitizer keeps what was freed
      assert.is_true(os.getenv "SANITIZED" ~= nil or peak - before < 32 * 1024,
        ("memory grew by %d KiB"):format(peak - before))
      if policy == "close" then
        assert.equal(1, dropped)
      else
        assert.is_true(dropped > COUNT // 2)
        assert.is_true(server:count() >= 1)
      end
      stopped:close()
    end)
  end
end)
