-- Pings and pongs of a connection, in both roles against wire-level peers.

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

  describe("ping", function()
    both("measures the round trip", function(ws, peer, say)
      websock.spawn(function() say("pong", assert(peer:frame()).payload) end)
      local seconds = ws:ping()
      assert.is_true(seconds >= 0 and seconds < 20)
      websock.spawn(function() say("pong", assert(peer:frame()).payload) end)
      assert.is_number(ws:ping "hello")
    end)

    both("sends the given payload", function(ws, peer)
      assert.same({nil, "timeout"}, {ws:ping(("p"):rep(125), 0)})
      local frame = peer:frame()
      assert.same({9, ("p"):rep(125)}, {frame.opcode, frame.payload})
    end)

    both("is answered by a pong to a later one (RFC 6455 5.5.3)", function(ws, peer, say)
      local done = 0
      for i = 1, 3 do
        websock.spawn(function()
          assert(ws:ping("ping " .. i))
          done = done + 1
        end)
      end
      for _ = 1, 3 do peer:frame() end
      say("pong", "ping 2")
      while done < 2 do websock.sleep(0.001) end
      websock.sleep(0.005)
      assert.equal(2, done)
      say("pong", "ping 3")
      while done < 3 do websock.sleep(0.001) end
    end)

    both("is answered by nothing else", function(ws, peer, say)
      say("pong", "unasked")
      websock.spawn(function()
        peer:frame()
        say("pong", "other")
        say("text", "still here")
      end)
      assert.same({n = 2, nil, "timeout"}, packed(ws:ping("mine", 0.02)))
      assert.equal("still here", ws:receive())
    end)

    both("waits for ping_timeout by default", {ping_timeout = 0.01}, function(ws)
      assert.same({nil, "timeout"}, {ws:ping()})
      assert.equal("open", ws:state())
    end)

    both("ends with the connection", function(ws, peer, say)
      websock.spawn(function()
        peer:frame()
        say("close", frames.close_payload(1001))
      end)
      assert.same(closed_with(1001, ""), packed(ws:ping()))
      assert.same(closed_with(1001, ""), packed(ws:ping()))
    end)

    both("raises on wrong arguments", function(ws)
      raises_here(function() ws:ping(("x"):rep(126)) end,
        "ping: at most 125 bytes")
      assert.error_matches(function() ws:ping("x", -1) end, "seconds from 0 up")
    end)

    both("attack 16: accepts no other type for a payload or reason", function(ws)
      for _, value in ipairs {1, true, {}, print} do
        assert.error_matches(function() ws:ping(value) end, "ping: string expected")
        assert.error_matches(function() ws:close(1000, value) end, "reason: string expected")
      end
      assert.equal("open", ws:state())
    end)

    both("of the peer is answered while the application is busy", function(_, peer, say)
      say("ping", "away")
      local frame = peer:frame()
      assert.same({10, "away"}, {frame.opcode, frame.payload})
    end)
  end)
end)
