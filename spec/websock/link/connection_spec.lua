-- The connection's contract, method by method, in both roles against wire-level
-- peers: what is on the wire is built and read without the library's encoder.

local websock = require "websock"
local descriptors = require "support.descriptors"
local ends = require "support.ends"
local frames = require "support.frames"

local ROLES = {
  client = {make = ends.client, say = "plain"},
  server = {make = ends.server, say = "masked"},
}

-- Runs body(ws, peer, say) in a coroutine, once for each role; say(opcode,
-- payload, fin) has the peer send a frame.
local function both(name, options, body)
  if not body then options, body = nil, options end
  for role, how in pairs(ROLES) do
    it(name .. " (" .. role .. ")", function()
      local ws, peer = how.make(options)
      ends.inside(body, ws, peer, function(...) return peer[how.say](peer, ...) end)
    end)
  end
end

local function packed(...) return table.pack(...) end

-- error_matches takes the position off.
local function raises_here(f, pattern)
  local ok, err = pcall(f)
  assert.is_false(ok)
  assert.matches("^spec/websock/link/connection_spec.lua:%d+: .*" .. pattern, err)
end

-- The four values of a connection that has ended.
local function closed_with(code, reason) return {n = 4, nil, "closed", code, reason} end

-- Has the kernel take few bytes, so that a queue fills.
local function narrow(ws)
  ws:socket():setoption("send-buffer-size", 4096)
end

local BIG = ("x"):rep(1024 * 1024)

-- Reads a message that is one frame.
local function read_message(peer) return assert(peer:frame()).payload end

describe("connection", function()
  after_each(function() ends.finish() end)

  describe("receive", function()
    both("gives messages and their kinds", function(ws, _, say)
      say("text", "häh")
      say("binary", "\0\255")
      say("text", "")
      assert.same({n = 2, "häh", "text"}, packed(ws:receive()))
      assert.same({n = 2, "\0\255", "binary"}, packed(ws:receive(1)))
      assert.same({n = 2, "", "text"}, packed(ws:receive()))
    end)

    both("puts fragments together, control frames between them", function(ws, peer, say)
      say("text", "on", false)
      say("ping", "p")
      say("continuation", "", false)
      say("pong", "unasked")
      say("continuation", "e", true)
      assert.same({"one", "text"}, {ws:receive()})
      assert.same({10, "p"}, {(function(f) return f.opcode, f.payload end)(peer:frame())})
    end)

    both("times out, and loses nothing by it", function(ws, _, say)
      assert.same({nil, "timeout"}, {ws:receive(0.005)})
      assert.same({nil, "timeout"}, {ws:receive(0)})
      say("text", "wh", false)
      assert.same({nil, "timeout"}, {ws:receive(0.005)})
      assert.same({nil, "timeout"}, {ws:receive(0)})
      say("continuation", "ole")
      assert.equal("whole", ws:receive())
    end)

    both("with 0 takes what is there", function(ws, _, say)
      say("text", "one")
      say("text", "two")
      websock.wait(ws:getfd(), "r", 0)
      websock.sleep(0)
      local got = {}
      repeat got[#got + 1] = ws:receive(0) until #got == 2
      assert.same({"one", "two"}, got)
    end)

    both("is for one coroutine at a time", function(ws, _, say)
      local first
      websock.spawn(function() first = ws:receive() end)
      coroutine.yield()
      assert.same({n = 2, nil, "busy"}, packed(ws:receive()))
      assert.same({n = 2, nil, "busy"}, packed(ws:receive(0)))
      assert.same({n = 2, nil, "busy"}, packed(ws:receive_part()))
      raises_here(function()
        for _ in ws:messages() do error "unreachable" end
      end, "messages: another coroutine")
      say("text", "first")
      say("text", "second")
      assert.equal("second", (function()
        repeat coroutine.yield() until first
        return ws:receive()
      end)())
      assert.equal("first", first)
    end)

    for _, how in ipairs {"receive", "receive_part"} do
      for _, timeout in ipairs {false, 1000} do
        local name = ("%s(%s)"):format(how, timeout or "")
        both("is free again when a coroutine is closed in " .. name, function(ws, _, say)
          for _, rests in ipairs {false, true} do
            local left = rests and 200 or 0  -- so many that it lets others go first
            for _ = 1, left do say("text", "x") end
            local thread = websock.spawn(function()
              repeat
                local _, _, last = ws[how](ws, timeout or nil)
                if last ~= false then left = left - 1 end
              until false
            end)
            coroutine.yield()
            if rests then
              repeat coroutine.yield() until left < 200
            end
            coroutine.close(thread)
            thread = nil  -- luacheck: ignore 311
            collectgarbage()
            while left > 0 do
              local _, _, last = ws:receive_part()
              if last then left = left - 1 end
            end
            say("text", "mine")
            assert.equal("mine", ws[how](ws, timeout or nil))
          end
        end)
      end
    end

    both("is free again when the coroutine raises in a wait that it began", function(ws, _, say)
      websock.on_error = function() end
      websock.spawn(function()
        ws:receive(0.001)
        error "on purpose"
      end)
      websock.spawn(function()
        assert.same({nil, "busy"}, {ws:receive()})
      end)
      websock.sleep(0.01)
      websock.on_error = nil
      say("text", "mine")
      assert.equal("mine", ws:receive())
    end)

    -- Ways to take one message that is here.
    local WAYS = {
      receive = function(ws) return ws:receive() end,
      ["receive with a timeout"] = function(ws) return ws:receive(1000) end,
      receive_part = function(ws) return (ws:receive_part()) end,
      ["receive_part with a timeout"] = function(ws) return (ws:receive_part(1000)) end,
      messages = function(ws)
        local next_message, state = ws:messages()
        return (next_message(state))
      end,
    }

    -- Takes 300 messages that are all here, one way and the other in turn: others
    -- have their turn after 64 (and one that was waited for).
    local function takes_turns(one, other)
      both(("gives others a turn at least every 64 messages: %s, %s"):format(one, other),
        function(ws, _, say)
          local count, seen = 0, {}
          say("text", "first")
          ws:receive()
          for _ = 1, 300 do say("text", "x") end
          local watcher = websock.spawn(function()
            while count < 300 do
              seen[#seen + 1] = count
              coroutine.yield()
            end
          end)
          while count < 300 do
            assert.equal("x", WAYS[count % 2 == 0 and one or other](ws))
            count = count + 1
          end
          coroutine.close(watcher)
          seen[#seen + 1] = 300
          for i = 2, #seen do
            assert.is_true(seen[i] - seen[i - 1] <= 65, seen[i - 1] .. " to " .. seen[i])
          end
        end)
    end

    for one in pairs(WAYS) do
      for other in pairs(WAYS) do
        if one <= other then takes_turns(one, other) end
      end
    end
  end)

  describe("messages", function()
    both("goes through them until the connection ends", function(ws, _, say)
      say("text", "one")
      say("binary", "two")
      say("close", frames.close_payload(4000, "enough"))
      local got = {}
      for message, kind in ws:messages() do got[#got + 1] = message .. " " .. kind end
      assert.same({"one text", "two binary"}, got)
      assert.same({4000, "enough", true}, {ws.close_code, ws.close_reason, ws.close_clean})
    end)
  end)

  describe("receive_part", function()
    both("gives pieces as they arrive", function(ws, _, say)
      say("text", "one", false)
      assert.same({n = 3, "one", "text", false}, packed(ws:receive_part()))
      assert.same({nil, "timeout"}, {ws:receive_part(0.005)})
      say("continuation", "two", false)
      assert.same({"two", "text", false}, {ws:receive_part()})
      say("continuation", "")
      assert.same({"", "text", true}, {ws:receive_part()})
      say("binary", "whole")
      assert.same({"whole", "binary", true}, {ws:receive_part()})
    end)

    both("may be followed by receive, but not in mid-message", function(ws, _, say)
      say("text", "a", false)
      ws:receive_part()
      raises_here(function() ws:receive() end, "receive: .*in parts")
      assert.error_matches(function() ws:receive(0) end, "in parts")
      say("continuation", "b")
      assert.same({"b", "text", true}, {ws:receive_part()})
      say("text", "next")
      assert.equal("next", ws:receive())
    end)

    both("may take over what receive has begun", function(ws, _, say)
      say("text", "a", false)
      assert.same({nil, "timeout"}, {ws:receive(0.01)})
      say("continuation", "b")
      local text = ""
      while true do
        local chunk, _, last = ws:receive_part()
        text = text .. chunk
        if last then break end
      end
      assert.equal("ab", text)
    end)

    both("is bound by neither limit, its chunks are at most 64 KiB",
      {max_message = 10, max_fragments = 2}, function(ws, _, say)
        local payload = ("0123456789"):rep(30000)
        websock.spawn(function()
          say("binary", payload, false)
          for i = 1, 5 do say("continuation", "x", i == 5) end
        end)
        local chunks, largest = {}, 0
        while true do
          local chunk, kind, last = ws:receive_part()
          assert.equal("binary", kind)
          largest = math.max(largest, #chunk)
          chunks[#chunks + 1] = chunk
          if last then break end
        end
        assert.is_true(largest <= 65536)
        assert.equal(payload .. "xxxxx", table.concat(chunks))
      end)

    both("may split a character, but finds text that is none", function(ws, peer, say)
      say("text", "\xC3", false)
      say("continuation", "\xA4", false)
      local text = ""
      repeat text = text .. ws:receive_part() until #text == 2
      assert.equal("ä", text)
      say("continuation", "\xFF")
      local chunk, err, code = ws:receive_part()
      assert.same({nil, "closed", 1007}, {chunk, err, code})
      assert.equal(1007, (peer:closed()))
    end)
  end)

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

    it("masks as a client, with another key each time, and not as a server", function()
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

    both("raises on text that is not UTF-8, having sent nothing", function(ws, peer)
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

    both("lets one message exceed max_queue, then tells that the queue is full",
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

    both("serves blocked senders in their order, also when one goes away",
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

    both("goes on waiting behind who came before, though there is room",
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

    both("has others' messages queue behind it", function(ws, peer)
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

    both("gives 'busy' to whom it was handed", function(ws, peer)
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

    both("has pings, pongs and closes go between its pieces", function(ws, peer, say)
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

    for role, how in pairs(ROLES) do
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

    both("that is finished harms nothing when it is closed or collected", function(ws, peer)
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

  describe("ping", function()
    both("measures the round trip", function(ws, peer, say)
      websock.spawn(function() say("pong", assert(peer:frame()).payload) end)
      local seconds = ws:ping()
      assert.is_true(seconds >= 0 and seconds < 20)
      websock.spawn(function() say("pong", assert(peer:frame()).payload) end)
      assert.is_number(ws:ping "hello")
    end)

    both("sends the payload it is given", function(ws, peer)
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

    both("waits for ping_timeout unless told otherwise", {ping_timeout = 0.01}, function(ws)
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

    both("attack 16: takes no other type for a payload or reason", function(ws)
      for _, value in ipairs {1, true, {}, print} do
        assert.error_matches(function() ws:ping(value) end, "ping: string expected")
        assert.error_matches(function() ws:close(1000, value) end, "reason: string expected")
      end
      assert.equal("open", ws:state())
    end)

    both("of the peer's is answered while the application is away", function(_, peer, say)
      say("ping", "away")
      local frame = peer:frame()
      assert.same({10, "away"}, {frame.opcode, frame.payload})
    end)
  end)

  describe("close", function()
    -- Has the peer answer the Close frame with its own.
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

    both("sends 1000 unless told otherwise, and is idempotent", function(ws, peer, say)
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

    both("may be waited for twice at once, and once more after a timeout", function(ws, peer, say)
      local result
      assert.same({nil, "timeout"}, {ws:close(1000, nil, 0.005)})
      websock.spawn(function() result = ws:close() end)
      answer(peer, say)
      assert.is_true(ws:close())
      coroutine.yield()
      assert.is_true(result)
    end)

    it("leaves it to the server to end TCP first (RFC 6455 7.1.1)", function()
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

    it("has the server end TCP first", function()
      local ws, peer = ends.server()
      ends.inside(function()
        websock.spawn(function() ws:close(1000, "bye") end)
        assert.same({1000, "bye"}, {peer:closed()})
        peer:masked("close", frames.close_payload(1000))
        assert.same({"", "closed"}, {peer:rest()})
      end)
    end)

    both("discards later data, but not what was here", function(ws, peer, say)
      say("text", "early")
      assert.equal("open", ws:state())
      repeat
        say("ping", "sync")  -- answered when it has been read
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

    both("attack 25: ends at close_timeout when the peer never answers",
      {close_timeout = 0.03}, function(ws, peer)
        local begun = websock.now()
        assert.same({n = 2, nil, "timeout"}, packed(ws:close()))
        assert.is_true(websock.now() - begun >= 0.03)
        assert.same({"closed", 1006, false}, {ws:state(), ws.close_code, ws.close_clean})
        assert.is_nil(ws:getfd())
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
        assert.is_nil(ws:getfd())
        sending = false
        peer:close()
      end)

    both("wakes who waits to receive", function(ws, peer, say)
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

    both("takes codes at the borders", function(ws, peer)
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

    both("in mid-message loses that message only", function(ws, peer, say)
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

    both("by abort leaves whole messages that were here", function(ws, peer, say)
      say("text", "here")
      say("ping", "sync")
      peer:frame()
      ws:abort()
      assert.equal("here", ws:receive())
      assert.same(closed_with(1006, "aborted"), packed(ws:receive()))
    end)

    -- What the peer sends, the code that it is closed with, what the reason has
    -- to speak of.
    local faults = {
      {"a reserved bit", {rsv = 4, payload = "x"}, 1002, "reserved"},
      {"a reserved opcode", {opcode = 3, payload = "x"}, 1002, "opcode"},
      {"a long ping", {opcode = "ping", payload = ("x"):rep(126)}, 1002, "control"},
      {"a fragmented ping", {opcode = "ping", fin = false}, 1002, "control"},
      {"a continuation of nothing", {opcode = "continuation"}, 1002, "continuation"},
      {"a length too long in form", {payload = "x", form = 16}, 1002, "length"},
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

  describe("reading ahead", function()
    both("stops, loses nothing and goes on", {max_message = false}, function(ws, peer, say)
      peer.sock:setoption("send-buffer-size", 4096)
      local n, sent = 2000, 0
      websock.spawn(function()
        for i = 1, n do
          say("text", ("%06d"):format(i) .. ("x"):rep(994))
          sent = i
        end
      end)
      local before
      repeat
        before = sent
        websock.sleep(0.05)
      until before == sent
      assert.is_true(sent < n, "it has read everything")
      assert.is_true(sent > 60)
      for i = 1, n do
        local message = ws:receive()
        if tonumber(message:sub(1, 6)) ~= i then error("message " .. i .. " is lost") end
      end
      assert.same({nil, "timeout"}, {ws:receive(0)})
    end)

    both("stops also when who received was closed", {max_message = false}, function(ws, peer, say)
      local reader = websock.spawn(function() ws:receive() end)
      coroutine.yield()
      coroutine.close(reader)
      peer.sock:setoption("send-buffer-size", 4096)
      local n, sent = 5000, 0
      local sender = websock.spawn(function()
        for i = 1, n do
          say("text", ("x"):rep(1000))
          sent = i
        end
      end)
      local before
      repeat
        before = sent
        websock.sleep(0.05)
      until before == sent
      coroutine.close(sender)
      assert.is_true(sent < n, "it has read everything")
    end)

    both("finds the end while the application is away", function(ws, _, say)
      say("text", "unread")
      say("close", frames.close_payload(1001))
      while ws:state() == "open" do websock.sleep(0.001) end
      assert.equal("unread", ws:receive())
      assert.same(closed_with(1001, ""), packed(ws:receive()))
    end)
  end)

  describe("state and names", function()
    both("tell where it is", function(ws, peer)
      assert.equal("open", ws:state())
      assert.matches("^websock.connection %(open%): ", tostring(ws))
      assert.equal("websock.connection", getmetatable(ws).__name)
      local host, port = ws:getpeername()
      local own_host, own_port = ws:getsockname()
      local peer_host, peer_port = peer.sock:getsockname()
      local far_host, far_port = peer.sock:getpeername()
      assert.same({peer_host, math.tointeger(peer_port)}, {host, math.tointeger(port)})
      assert.same({far_host, math.tointeger(far_port)}, {own_host, math.tointeger(own_port)})
      assert.equal("integer", math.type(ws:getfd()))
    end)

    both("of a closed one are gone", function(ws)
      ws:abort()
      for _, name in ipairs {"getpeername", "getsockname", "getfd"} do
        assert.same({nil, "closed"}, {ws[name](ws)})
      end
      assert.equal(0, ws:buffered())
      assert.matches("%(closed%)", tostring(ws))
    end)

    both("socket is always the same LuaSocket object", function(ws, peer)
      local object = ws:socket()
      assert.equal(object, ws:socket())
      assert.matches("^tcp{", tostring(object))
      assert.equal((peer.sock:getpeername()), (object:getsockname()))
      assert.is_truthy(object:setoption("keepalive", true))
      ws:abort()
      assert.equal(object, ws:socket())
    end)

    both("fields of the library's cannot be set", function(ws)
      for _, name in ipairs {"protocol", "request", "response", "extensions", "latency", "server",
        "close_code", "close_reason", "close_clean", "send", "receive", "close", "subscribe"} do
        raises_here(function() ws[name] = 1 end,
          "'" .. name .. "' belongs to the connection")
      end
    end)

    both("fields of users' can", function(ws, _, say)
      ws.user = "alice"
      ws[1] = 2
      assert.same({"alice", 2}, {ws.user, ws[1]})
      assert.is_nil(ws.nothing)
      rawset(ws, "receive", 5)
      rawset(ws, "state", 5)
      rawset(ws, "close", 5)
      rawset(ws, "send", 5)
      say("text", "works")
      local next_message, state = ws:messages()
      assert.equal("works", next_message(state))
      assert.is_string(tostring(ws))
    end)

    both("close_code is nil as long as it is open", function(ws)
      assert.same({}, {ws.close_code, ws.close_reason, ws.close_clean})
    end)
  end)

  describe("__close", function()
    it("waits in the main chunk, with 1000", function()
      local ws, peer = ends.client()
      websock.spawn(function()
        peer:plain("close", frames.close_payload((peer:closed())))
        peer:close()
      end)
      do local _ <close> = ws end
      assert.same({"closed", 1000, true}, {ws:state(), ws.close_code, ws.close_clean})
    end)

    both("begins a close with 1000 in a coroutine", function(ws, peer)
      do local _ <close> = ws end
      assert.equal("closing", ws:state())
      assert.equal(1000, (peer:closed()))
    end)

    both("begins one with 1011 after an error", function(ws, peer)
      pcall(function()
        local _ <close> = ws
        error "oh no"
      end)
      assert.equal(1011, (peer:closed()))
    end)

    both("of one that is closed does nothing", function(ws)
      ws:abort()
      do local _ <close> = ws end
      assert.equal("aborted", ws.close_reason)
    end)
  end)

  describe("__gc", function()
    it("frees the descriptor of a client that nobody has any more", function()
      local before = descriptors.count()
      local raw = require "support.raw"
      local peer
      do
        local listener <close> = raw.server()
        websock.spawn(function()
          peer = assert(listener:accept())
          peer:welcome()
        end)
        assert(websock.connect("ws://127.0.0.1:" .. listener.port)):socket()
      end
      collectgarbage()
      collectgarbage()
      local bytes, why = peer:rest()
      assert.equal("", bytes)
      assert.is_string(why)
      peer:close()
      collectgarbage()
      assert.equal(before, descriptors.count())
    end)
  end)

  describe("server's connections outside a coroutine", function()
    it("never wait", function()
      local ws, peer = ends.server {max_queue = 1000}
      assert.same({nil, "timeout"}, {ws:receive()})
      peer:masked("text", "here")
      websock.wait(ws:getfd(), "r", 0)
      local message
      ends.turn_until(function()
        message = ws:receive()
        return message
      end)
      assert.equal("here", message)
      narrow(ws)
      assert.is_true(ws:send(BIG, "binary"))
      assert.same({nil, "queue full"}, {ws:send "x"})
      assert.same({nil, "timeout"}, {ws:ping()})
      assert.same({nil, "timeout"}, {ws:close()})
    end)

    it("offer what they send to the kernel at once", function()
      local ws, peer = ends.server()
      ws:send "now"
      assert.equal(0, ws:buffered())
      assert.equal("now", read_message(peer))
    end)
  end)

  describe("where nothing can wait", function()
    both("calls raise, having done nothing", function(ws, peer, say)
      local function inside(f) return coroutine.wrap(f) end
      raises_here(inside(function() ws:receive() end), "cannot wait here")
      assert.error_matches(inside(function() ws:receive_part() end), "cannot wait here")
      assert.error_matches(inside(function() ws:ping "no" end), "cannot wait here")
      assert.error_matches(inside(function() ws:close() end), "cannot wait here")
      assert.equal("open", ws:state())
      inside(function() assert.is_true(ws:send "yes") end)()
      assert.equal("yes", read_message(peer))
      say("text", "later")
      assert.equal("later", ws:receive())
    end)

    both("calls with a timeout of 0 work", function(ws)
      coroutine.wrap(function()
        assert.same({nil, "timeout"}, {ws:receive(0)})
        assert.same({nil, "timeout"}, {ws:ping("x", 0)})
        assert.same({nil, "timeout"}, {ws:close(1000, "", 0)})
      end)()
    end)
  end)
end)
