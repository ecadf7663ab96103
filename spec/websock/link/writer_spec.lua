-- A message in fragments, written by a writer, in both roles against wire-level peers.

local websock = require "websock"
local ends = require "support.ends"
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

  describe("writer", function()
    both("sends one message in fragments", function(ws, peer)
      local w = ws:writer()
      assert.is_true(w:write "one")
      assert.is_true(w:write "")
      assert.is_true(w:finish "two")
      local got = {}
      for i = 1, 3 do
        local frame = peer:frame()
        got[i] = ("%d %s %s"):format(frame.opcode, frame.fin, frame.payload)
      end
      assert.same({"1 false one", "0 false ", "0 true two"}, got)
    end)

    both("finishes without a last piece, and in another kind", function(ws, peer)
      local w = ws:writer "binary"
      w:write "\255"
      assert.is_true(w:finish())
      local one, two = peer:frame(), peer:frame()
      assert.same({2, false, "\255", 0, true, ""},
        {one.opcode, one.fin, one.payload, two.opcode, two.fin, two.payload})
      ws:send "next"
      assert.equal("next", read_message(peer))
    end)

    both("may split characters, and checks the text as a whole", function(ws, peer)
      local w = ws:writer()
      w:write "\xC3"
      assert.error_matches(function() w:finish() end, "UTF%-8")
      assert.error_matches(function() w:write "x" end, "UTF%-8")
      assert.is_true(w:finish "\xA4")
      assert.equal("ä", peer:frame().payload .. peer:frame().payload)
    end)

    both("makes messages of others wait", function(ws, peer)
      local w = ws:writer()
      w:write "a"
      local sent
      websock.spawn(function() sent = ws:send "other" end)
      websock.spawn(function()
        assert.same({nil, "queue full"}, {ws:send("other", "text", {timeout = 0})})
        assert.same({nil, "timeout"}, {ws:send("other", "text", {timeout = 0.001})})
      end)
      websock.sleep(0.005)
      assert.is_nil(sent)
      w:finish "b"
      assert.same({"a", "b", "other"},
        {read_message(peer), read_message(peer), read_message(peer)})
      assert.is_true(sent)
    end)

    both("gives its own coroutine 'busy'", function(ws)
      local w = ws:writer()
      assert.same({nil, "busy"}, {ws:send "x"})
      assert.same({nil, "busy"}, {ws:writer()})
      w:finish()
      assert.is_true(ws:send "x")
    end)

    for _, timeout in ipairs {false, 0, 0.001, 1000} do
      both("gives its own coroutine 'busy' while others queue, timeout " .. tostring(timeout),
        function(ws, peer)
          local w, sent = ws:writer(), {}
          for i = 1, 2 do
            websock.spawn(function() sent[i] = ws:send(tostring(i)) end)
          end
          coroutine.yield()
          assert.same({nil, "busy"}, {ws:send("x", "text", {timeout = timeout or nil})})
          assert.same({nil, "busy"}, {ws:send "x"})
          assert.same({nil, "busy"}, {ws:writer()})
          assert.is_true(w:finish "end")
          assert.same({"end", "1", "2"},
            {read_message(peer), read_message(peer), read_message(peer)})
          assert.same({true, true}, sent)
          assert.is_true(ws:send "x")
        end)
    end

    both("gives 'busy' to a coroutine that has taken it over", function(ws, peer)
      local w, results = ws:writer(), {}
      websock.spawn(function()
        w:write "a"
        results[1] = packed(ws:send "x")
        websock.park(0.001)
        results[2] = w:finish "b"
      end)
      coroutine.yield()
      assert.is_true(ws:send "c")
      assert.same({{n = 2, nil, "busy"}, true}, results)
      assert.same({"a", "b", "c"}, {read_message(peer), read_message(peer), read_message(peer)})
    end)

    both("gives 'busy' while another coroutine waits to write with it", {max_queue = 1000},
      function(ws, peer)
        narrow(ws)
        local w, written = ws:writer "binary", nil
        w:write(BIG)
        websock.spawn(function() written = packed(w:write "a") end)
        coroutine.yield()
        assert.same({nil, "busy"}, {w:write "b"})
        assert.same({nil, "busy"}, {w:write("b", 0)})
        assert.same({nil, "busy"}, {w:finish "b"})
        assert.is_true(read_message(peer) == BIG)
        assert.equal("a", read_message(peer))
        assert.same({n = 1, true}, written)
        assert.is_true(w:finish "b")
      end)

    both("lets pings, pongs and Close frames go between its pieces", function(ws, peer, say)
      local w = ws:writer()
      w:write "a"
      assert.equal("a", read_message(peer))
      say("ping", "now")
      assert.equal("now", read_message(peer))
      w:finish "b"
      assert.equal("b", read_message(peer))
    end)

    both("that is closed unfinished aborts the connection", function(ws, peer)
      do
        local w <close> = ws:writer()
        w:write "a"
      end
      assert.same({"closed", 1006, "aborted"}, {ws:state(), ws.close_code, ws.close_reason})
      peer:rest()
      assert.is_string(peer.ended)
    end)

    both("that is collected unfinished aborts the connection", function(ws)
      (function() ws:writer():write "a" end)()
      collectgarbage()
      collectgarbage()
      assert.same({"closed", 1006, "aborted"}, {ws:state(), ws.close_code, ws.close_reason})
    end)

    for role, how in pairs(roles.HOW) do
      it("whose coroutine is dropped aborts the connection (" .. role .. ")", function()
        local ws = how.make()
        coroutine.wrap(function()
          local w = ws:writer()
          w:write "a"
          coroutine.yield()
          w:finish()
        end)()
        collectgarbage()
        collectgarbage()
        assert.same({"closed", 1006, "aborted"}, {ws:state(), ws.close_code, ws.close_reason})
      end)
    end

    both("that is finished may be closed or collected", function(ws, peer)
      do
        local w <close> = ws:writer()
        w:finish "a"
      end
      collectgarbage()
      assert.equal("open", ws:state())
      assert.equal("a", read_message(peer))
    end)

    both("waits like send, and loses nothing at a timeout", {max_queue = 1000},
      function(ws, peer)
        narrow(ws)
        local w = ws:writer "binary"
        assert.is_true(w:write(BIG))
        assert.same({nil, "queue full"}, {w:write("x", 0)})
        assert.same({nil, "timeout"}, {w:write("x", 0.005)})
        assert.same({nil, "timeout"}, {w:finish("x", 0.005)})
        websock.spawn(function() assert(w:finish "end") end)
        assert.is_true(read_message(peer) == BIG)
        local frame = peer:frame()
        assert.same({0, true, "end"}, {frame.opcode, frame.fin, frame.payload})
      end)

    both("ends with the connection", function(ws)
      local w = ws:writer()
      ws:abort()
      assert.same(closed_with(1006, "aborted"), packed(w:write "a"))
      assert.same(closed_with(1006, "aborted"), packed(w:finish()))
      assert.same(closed_with(1006, "aborted"), packed(ws:writer()))
    end)

    both("raises on wrong arguments", function(ws)
      raises_here(function() ws:writer "frames" end, "writer: kind")
      assert.error_matches(function() ws:writer("text", {x = 1}) end, "unknown option 'x'")
      local w = ws:writer()
      assert.error_matches(function() w:write(1) end, "write: string expected, got number")
      assert.error_matches(function() w:write("a", -1) end, "seconds from 0 up")
      w:finish()
    end)
  end)
end)
