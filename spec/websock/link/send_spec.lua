-- Sending, in both roles against wire-level peers: frames, max_queue, and the line of
-- waiting senders.

local websock = require "websock"
local ends = require "support.ends"
local frames = require "support.frames"
local roles = require "support.roles"

local both = roles.both(it)
local packed = table.pack
local raises_here = roles.raises_here
local closed_with = roles.closed_with
local narrow = roles.narrow
local BIG = roles.BIG
local read_message = roles.read_message

describe("connection", function()
  after_each(function() ends.finish() end)

  describe("send", function()
    both("puts one frame on the wire", function(ws, peer)
      assert.same({n = 1, true}, packed(ws:send "häh"))
      assert.is_true(ws:send("\0\255", "binary"))
      assert.is_true(ws:send("", "text", {timeout = 1}))
      local got = {}
      for i = 1, 3 do
        local frame = peer:frame()
        got[i] = ("%d %s %s"):format(frame.opcode, frame.fin, frame.payload)
      end
      assert.same({"1 true häh", "2 true \0\255", "1 true "}, got)
    end)

    it("masks as a client, with a new key each time, and not as a server", function()
      local ws, peer = ends.client()
      ws:send "same"
      ws:send "same"
      local one, two = peer:frame(), peer:frame()
      assert.equal("same", one.payload)
      assert.not_equal(one.mask, two.mask)
      ws, peer = ends.server()
      ws:send "same"
      assert.is_nil(peer:frame().mask)
    end)

    both("raises on text that is not UTF-8, and sends nothing", function(ws, peer)
      raises_here(function() ws:send "\xFF" end, "send: .*UTF%-8")
      assert.error_matches(function() ws:send "\xC3" end, "UTF%-8")
      ws:send "good"
      assert.equal("good", read_message(peer))
    end)

    both("raises on wrong arguments", function(ws)
      for _, value in ipairs {1, true, {}} do
        assert.error_matches(function() ws:send(value) end, "send: string expected, got " .. type(value))
      end
      assert.error_matches(function() ws:send() end, "send: string expected, got nil")
      assert.error_matches(function() ws:send("a", "string") end, 'kind: "text" or "binary"')
      assert.error_matches(function() ws:send("a", "text", {time = 1}) end, "unknown option 'time'")
      assert.error_matches(function() ws:send("a", "text", {timeout = -1}) end, "option 'timeout'")
    end)

    both("lets one message exceed max_queue, then returns that the queue is full",
      {max_queue = 1000}, function(ws, peer)
        narrow(ws)
        assert.equal(0, ws:buffered())
        assert.is_true(ws:send(BIG, "binary", {timeout = 0}))
        assert.is_true(ws:buffered() > 1000)
        assert.same({n = 2, nil, "queue full"}, packed(ws:send("no", "text", {timeout = 0})))
        assert.same({n = 2, nil, "timeout"}, packed(ws:send("no", "text", {timeout = 0.01})))
        websock.spawn(function() assert(ws:send "after") end)
        assert.is_true(read_message(peer) == BIG)
        assert.equal("after", read_message(peer))
        assert.equal(0, ws:buffered())
      end)

    both("serves waiting senders in order, also if one is closed",
      {max_queue = 1000}, function(ws, peer)
        narrow(ws)
        ws:send(BIG, "binary")
        local threads = {}
        for i = 1, 5 do
          threads[i] = websock.spawn(function() assert(ws:send(("%d"):format(i):rep(2000))) end)
        end
        websock.spawn(function()
          assert.same({nil, "timeout"}, {ws:send("late", "text", {timeout = 0.001})})
        end)
        coroutine.yield()
        coroutine.yield()
        coroutine.close(threads[1])
        coroutine.close(threads[3])
        websock.sleep(0.005)
        assert.is_true(read_message(peer) == BIG)
        local order = {}
        for i = 1, 3 do order[i] = read_message(peer):sub(1, 1) end
        assert.same({"2", "4", "5"}, order)
      end)

    both("waits behind earlier senders, though there is room",
      {max_queue = 1000}, function(ws, peer)
        narrow(ws)
        ws:send(BIG, "binary")
        websock.spawn(function() ws:send "first" end)
        coroutine.yield()
        websock.spawn(function()
          repeat coroutine.yield() until ws:buffered() <= 1000
          ws:send "second"
        end)
        assert.is_true(read_message(peer) == BIG)
        assert.same({"first", "second"}, {read_message(peer), read_message(peer)})
      end)

    both("wakes when the connection ends", {max_queue = 1000}, function(ws)
      narrow(ws)
      ws:send(BIG, "binary")
      local results = {}
      for i = 1, 2 do
        websock.spawn(function() results[i] = packed(ws:send "never") end)
      end
      coroutine.yield()
      ws:abort()
      coroutine.yield()
      coroutine.yield()
      assert.same({closed_with(1006, "aborted"), closed_with(1006, "aborted")}, results)
    end)

    both("gives 'closed' at once after the end", function(ws, _, say)
      say("close", frames.close_payload(1001, "gone"))
      ws:receive()
      assert.same(closed_with(1001, "gone"), packed(ws:send "x"))
      assert.same(closed_with(1001, "gone"), packed(ws:send("x", "text", {timeout = 0})))
    end)

    both("of large messages arrives whole, both ways", {max_message = false},
      function(ws, peer, say)
        for _, n in ipairs {125, 126, 65535, 65536, 300000} do
          local payload = ("abcdefg"):rep(n // 7 + 1):sub(1, n)
          websock.spawn(function() say("binary", payload) end)
          assert.is_true(ws:receive() == payload)
          ws:send(payload, "binary")
          assert.is_true(read_message(peer) == payload)
        end
      end)
  end)
end)
