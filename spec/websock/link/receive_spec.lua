-- Receiving, in both roles against wire-level peers: messages whole and in parts, the
-- share of a turn, and reading ahead.

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

    both("times out, and loses nothing", function(ws, _, say)
      assert.same({nil, "timeout"}, {ws:receive(0.005)})
      assert.same({nil, "timeout"}, {ws:receive(0)})
      say("text", "wh", false)
      assert.same({nil, "timeout"}, {ws:receive(0.005)})
      assert.same({nil, "timeout"}, {ws:receive(0)})
      say("continuation", "ole")
      assert.equal("whole", ws:receive())
    end)

    both("with 0 takes a message that has arrived", function(ws, _, say)
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
            local left = rests and 200 or 0  -- so many that it lets others run
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

    both("is free again after the coroutine has raised in a wait", function(ws, _, say)
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

    -- Ways to take one message that has arrived.
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

    -- Takes 300 messages that have all arrived, alternately in one way and the other:
    -- others run after 64 (and one that was waited for).
    local function takes_turns(one, other)
      both(("gives others a turn at least every 64 messages: %s, %s"):format(one, other),
        function(ws, peer, say, frame)
          local count, seen = 0, {}
          say("text", "first")
          ws:receive()
          peer:send(frame("text", "x"):rep(300))  -- in one write, so that one read takes them all
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
    both("iterates until the connection ends", function(ws, _, say)
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

    both("may be followed by receive, but not in the middle of a message", function(ws, _, say)
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

    both("has no limit of size or fragments, its chunks are at most 64 KiB",
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

    both("may split a character, but rejects text that is not UTF-8", function(ws, peer, say)
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

    both("stops also if the receiving coroutine was closed", {max_message = false}, function(ws, peer, say)
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

    both("notices the end while the application is busy", function(ws, _, say)
      say("text", "unread")
      say("close", frames.close_payload(1001))
      while ws:state() == "open" do websock.sleep(0.001) end
      assert.equal("unread", ws:receive())
      assert.same(closed_with(1001, ""), packed(ws:receive()))
    end)
  end)
end)
