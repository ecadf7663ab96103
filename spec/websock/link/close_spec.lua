-- The end of a connection, in both roles against wire-level peers: by its own close, by
-- the peer, by a broken rule.

local websock = require "websock"
local ends = require "support.ends"
local frames = require "support.frames"
local roles = require "support.roles"

local both = roles.both(it)
local packed = table.pack
local raises_here = roles.raises_here
local closed_with = roles.closed_with

describe("connection", function()
  after_each(function() ends.finish() end)

  describe("close", function()
    -- Makes the peer answer the Close frame.
    local function answer(peer, say)
      websock.spawn(function()
        local code, reason = peer:closed()
        say("close", frames.close_payload(code, reason))
        peer:rest(0.02)
        peer:close()
      end)
    end

    both("is a handshake", function(ws, peer, say)
      answer(peer, say)
      assert.same({n = 1, true}, packed(ws:close(4321, "häh")))
      assert.same({4321, "häh", true, "closed"},
        {ws.close_code, ws.close_reason, ws.close_clean, ws:state()})
      assert.same(closed_with(4321, "häh"), packed(ws:receive()))
    end)

    both("sends 1000 by default, and is idempotent", function(ws, peer, say)
      answer(peer, say)
      assert.is_true(ws:close())
      assert.is_true(ws:close())
      assert.is_true(ws:close(4000, "other"))
      assert.equal(1000, ws.close_code)
    end)

    both("with 0 begins it, and the loop finishes it", function(ws, peer, say)
      assert.same({n = 2, nil, "timeout"}, packed(ws:close(1000, "", 0)))
      assert.equal("closing", ws:state())
      assert.is_nil(ws.close_code)
      answer(peer, say)
      while ws:state() ~= "closed" do websock.sleep(0.001) end
      assert.is_true(ws.close_clean)
      assert.is_true(ws:close())
    end)

    both("may be called by two coroutines at once, and again after a timeout", function(ws, peer, say)
      local result
      assert.same({nil, "timeout"}, {ws:close(1000, nil, 0.005)})
      websock.spawn(function() result = ws:close() end)
      answer(peer, say)
      assert.is_true(ws:close())
      coroutine.yield()
      assert.is_true(result)
    end)

    it("lets the server end TCP first (RFC 6455 7.1.1)", function()
      local ws, peer = ends.client()
      ws:close(1000, nil, 0)
      peer:closed()
      peer:plain("close", frames.close_payload(1000))
      assert.same({"", "timeout"}, {peer:rest(0.03)})
      assert.is_number(ws:getfd())
      peer:close()
      assert.is_true(ws:close())
      assert.is_nil(ws:getfd())
    end)

    it("of a server ends TCP first", function()
      local ws, peer = ends.server()
      ends.inside(function()
        websock.spawn(function() ws:close(1000, "bye") end)
        assert.same({1000, "bye"}, {peer:closed()})
        peer:masked("close", frames.close_payload(1000))
        assert.same({"", "closed"}, {peer:rest()})
      end)
    end)

    both("discards later data, but no message that has arrived", function(ws, peer, say)
      say("text", "early")
      assert.equal("open", ws:state())
      repeat
        say("ping", "sync")  -- it is answered once it has been read
        local frame = peer:frame()
      until frame.payload == "sync"
      ws:close(1000, nil, 0)
      peer:closed()
      say("text", "late")
      say("close", frames.close_payload(1000))
      peer:rest(0.01)
      peer:close()
      assert.equal("early", ws:receive())
      assert.same(closed_with(1000, ""), packed(ws:receive()))
    end)

    -- The call returns at its own deadline; the deadline of the connection counts from
    -- the last byte that the peer has accepted.
    local function until_gone(ws)
      while ws:getfd() do coroutine.yield() end
    end

    both("attack 25: ends at close_timeout when the peer never answers",
      {close_timeout = 0.03}, function(ws, peer)
        local begun = websock.now()
        assert.same({n = 2, nil, "timeout"}, packed(ws:close()))
        assert.is_true(websock.now() - begun >= 0.03)
        until_gone(ws)
        assert.same({"closed", 1006, false}, {ws:state(), ws.close_code, ws.close_clean})
        assert.equal(1000, (peer:closed()))
      end)

    both("attack 25: ends at close_timeout when the peer keeps sending",
      {close_timeout = 0.03}, function(ws, peer, say)
        local sending = true
        websock.spawn(function()
          while sending do
            local ok = say("text", ("x"):rep(1000))
            if not ok then break end
            coroutine.yield()
          end
        end)
        websock.sleep(0.005)
        assert.same({nil, "timeout"}, {ws:close()})
        until_gone(ws)
        sending = false
        peer:close()
      end)

    both("wakes a coroutine that waits to receive", function(ws, peer, say)
      local result
      websock.spawn(function() result = packed(ws:receive()) end)
      coroutine.yield()
      answer(peer, say)
      ws:close(1000, "bye")
      coroutine.yield()
      coroutine.yield()
      assert.same(closed_with(1000, "bye"), result)
    end)

    both("raises on codes that may not be sent (RFC 6455 7.4)", function(ws)
      for _, code in ipairs {-1, 0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65536, 1 << 40} do
        raises_here(function() ws:close(code) end, "close: ")
      end
      assert.error_matches(function() ws:close "1000" end, "code: integer expected")
      assert.error_matches(function() ws:close(1000.5) end, "code: integer expected")
      assert.equal("open", ws:state())
    end)

    both("raises on reasons that may not be sent (RFC 6455 5.5)", function(ws)
      assert.error_matches(function() ws:close(1000, ("x"):rep(124)) end, "close: ")
      assert.error_matches(function() ws:close(1000, "\xC3") end, "close: ")
      assert.error_matches(function() ws:close(1000, "", -1) end, "seconds from 0 up")
      assert.equal("open", ws:state())
      ws:close(1000, ("x"):rep(123), 0)
    end)

    both("accepts the first and last codes of the ranges", function(ws, peer)
      ws:close(4999, nil, 0)
      assert.equal(4999, (peer:closed()))
    end)
  end)

  describe("the end", function()
    both("by the peer is answered with the same code", function(ws, peer, say)
      say("close", frames.close_payload(3000, "go"))
      assert.equal(3000, (peer:closed()))
      assert.same(closed_with(3000, "go"), packed(ws:receive()))
      assert.is_true(ws.close_clean)
    end)

    both("without a code is 1005", function(ws, peer, say)
      say("close", "")
      assert.equal(1005, (peer:closed()))
      assert.same(closed_with(1005, ""), packed(ws:receive()))
      assert.is_true(ws.close_clean)
    end)

    both("of TCP alone is 1006, eof", function(ws, peer)
      peer:close()
      assert.same(closed_with(1006, "eof"), packed(ws:receive()))
      assert.same({1006, "eof", false}, {ws.close_code, ws.close_reason, ws.close_clean})
    end)

    both("in the middle of a message loses only that message", function(ws, peer, say)
      say("text", "whole")
      say("text", "ha", false)
      peer:close()
      assert.equal("whole", ws:receive())
      assert.same(closed_with(1006, "eof"), packed(ws:receive()))
    end)

    both("by a reset is 1006, reset", function(ws, peer)
      peer:reset()
      assert.same(closed_with(1006, "reset"), packed(ws:receive()))
    end)

    both("by abort is 1006, aborted, at once", function(ws, peer)
      ws:abort()
      ws:abort()
      assert.same({"closed", 1006, "aborted", false},
        {ws:state(), ws.close_code, ws.close_reason, ws.close_clean})
      assert.same(closed_with(1006, "aborted"), packed(ws:receive()))
      assert.same(closed_with(1006, "aborted"), packed(ws:close()))
      assert.is_nil(ws:getfd())
      peer:rest()
      assert.is_string(peer.ended)
    end)

    both("by abort keeps whole messages that have arrived", function(ws, peer, say)
      say("text", "here")
      say("ping", "sync")
      peer:frame()
      ws:abort()
      assert.equal("here", ws:receive())
      assert.same(closed_with(1006, "aborted"), packed(ws:receive()))
    end)

    -- What the peer sends, the code that the connection is closed with, a word in the
    -- reason.
    local faults = {
      {"a reserved bit", {rsv = 4, payload = "x"}, 1002, "reserved"},
      {"a reserved opcode", {opcode = 3, payload = "x"}, 1002, "opcode"},
      {"a long ping", {opcode = "ping", payload = ("x"):rep(126)}, 1002, "control"},
      {"a fragmented ping", {opcode = "ping", fin = false}, 1002, "control"},
      {"a continuation without a message", {opcode = "continuation"}, 1002, "continuation"},
      {"a length in too long a form", {payload = "x", form = 16}, 1002, "length"},
      {"a Close frame of one byte", {opcode = "close", payload = "x"}, 1002, "[Cc]lose"},
      {"a Close frame with 1005", {opcode = "close", payload = "\3\xED"}, 1002, "code"},
      {"text that is not UTF-8", {payload = "\xC0\xAF"}, 1007, "UTF%-8"},
      {"a reason that is not UTF-8", {opcode = "close", payload = "\3\xE8\xFF"}, 1007, "UTF%-8"},
      {"a message above max_message", {payload = ("x"):rep(1025)}, 1009, "message"},
    }
    for _, fault in ipairs(faults) do
      local name, frame, code, rule = table.unpack(fault)
      both(("by %s is %d, with the rule"):format(name, code), {max_message = 1024},
        function(ws, peer, say)
          say("text", "before")
          local copy = {mask = ws.request and "abcd"}  -- a server's peer masks
          for key, value in pairs(frame) do copy[key] = value end
          peer:send(frames.build(copy))
          assert.equal("before", ws:receive())
          local message, err, got, reason = ws:receive()
          assert.same({nil, "closed", code}, {message, err, got})
          assert.matches(rule, reason)
          assert.same({code, false}, {ws.close_code, ws.close_clean})
          assert.equal(code, (peer:closed()))
        end)
    end

    it("by a frame masked wrongly is 1002 (RFC 6455 5.1)", function()
      local ws, peer = ends.client()
      peer:masked("text", "x")
      assert.equal(1002, (peer:closed()))
      assert.equal(1002, select(3, ws:receive()))
      ws, peer = ends.server()
      peer:plain("text", "x")
      assert.equal(1002, (peer:closed()))
      assert.equal(1002, select(3, ws:receive(0)))
    end)

    both("comes at exactly max_message + 1", {max_message = 1024}, function(ws, _, say)
      for _, n in ipairs {1023, 1024} do
        say("text", ("x"):rep(n))
        assert.equal(n, #ws:receive())
      end
      say("text", ("x"):rep(1000), false)
      say("continuation", ("x"):rep(25))
      assert.equal(1009, select(3, ws:receive()))
    end)

    both("comes at max_fragments + 1", {max_fragments = 3}, function(ws, _, say)
      for n = 2, 3 do
        for i = 1, n do say(i == 1 and "text" or "continuation", "x", i == n) end
        assert.equal(n, #ws:receive())
      end
      for i = 1, 4 do say(i == 1 and "text" or "continuation", "x", i == 4) end
      local _, err, code, reason = ws:receive()
      assert.same({"closed", 1009}, {err, code})
      assert.matches("fragments", reason)
    end)
  end)
end)
