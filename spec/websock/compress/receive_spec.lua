-- Compressed messages that are received (RFC 7692 sections 6.2 and 7.2.2), whole and
-- in parts, in both roles: the peer's compressor is Python's. Broken rules and limits are
-- in compress/rules_spec.lua.

local websock = require "websock"
local compressed = require "support.compressed"
local ends = require "support.ends"
local frames = require "support.frames"

local both, bytes, assert_same = compressed.both(it), compressed.bytes, compressed.same
local unhex = compressed.unhex
local RSV1 = frames.RSV1

-- Payloads of "Hello" in RFC 7692 section 7.2.3, by their kind.
local HELLO = {
  ["one block"] = "f248cdc9c90700",
  ["no compression"] = "000500faff48656c6c6f00",
  ["BFINAL set"] = "f348cdc9c9070000",
  ["two blocks"] = "f2480500 0000ffff cac9c90700",
}

local function receives(pair, message, kind)
  local got, what = pair:receive()
  assert.equal(kind, what)
  assert_same(message, got)
end

describe("compressed messages", function()
  teardown(compressed.stop)
  after_each(function() ends.finish() end)

  describe("of RFC 7692 section 7.2.3", function()
    for name, hex in pairs(HELLO) do
      both("are received: " .. name, function(pair)
        pair:send {opcode = "text", payload = unhex(hex), rsv = RSV1}
        assert.same({"Hello", "text"}, {pair:receive()})
      end)
    end

    both("are received: fragments", function(pair)
      pair:send({opcode = "text", payload = unhex "f248cd", rsv = RSV1, fin = false},
        {opcode = "continuation", payload = unhex "c9c90700"})
      assert.same({"Hello", "text"}, {pair:receive()})
    end)

    both("are received: a window that is shared", function(pair)
      for _, hex in ipairs {"f248cdc9c90700", "f248cdc9c90700", "f200110000", "f200110000"} do
        pair:send {opcode = "text", payload = unhex(hex), rsv = RSV1}
        assert.equal("Hello", (pair:receive()))
      end
    end)

    both("are received: an empty one", function(pair)
      pair:send {opcode = "binary", payload = "\0", rsv = RSV1}
      assert.same({"", "binary"}, {pair:receive()})
    end)
  end)

  describe("are received", function()
    both("of every kind and size", function(pair)
      for i, kind in ipairs {"zeros", "json", "random", "mixed"} do
        for _, size in ipairs {0, 1, 1000, 65536, 1 << 20} do
          local message = bytes(kind, size, i)
          websock.spawn(function() pair:say(message, "binary") end)
          receives(pair, message, "binary")
        end
      end
    end)

    both("with every window, with history and without", function(_, role)
      local other = role == "client" and "server" or "client"
      for bits = 8, 15 do
        for _, no_takeover in ipairs {false, true} do
          local pair = compressed.open(role, {[other .. "_max_window_bits"] = bits,
            [other .. "_no_context_takeover"] = no_takeover})
          for seed = 1, 4 do
            local message = bytes(seed % 2 == 0 and "mixed" or "json", 20000, bits * 10 + seed % 3)
            pair:say(message, "binary")
            receives(pair, message, "binary")
          end
        end
      end
    end)

    both("from peers that may keep history and do not", function(pair)
      local text = bytes("json", 3000)
      for _ = 1, 3 do
        pair.deflater:reset()
        pair:say(text)
        receives(pair, text, "text")
      end
    end)

    both("between plain ones", function(pair)
      local text = bytes("json", 3000)
      for _ = 1, 3 do
        pair:say(text)
        pair:send {opcode = "text", payload = "plain"}
        receives(pair, text, "text")
        receives(pair, "plain", "text")
      end
    end)

    both("whole, byte by byte and split anywhere", function(pair, role)
      local text = "h\xc3\xa4h \xe2\x82\xac " .. bytes("json", 400)
      local expected
      for seed = 1, 3 do
        local first = compressed.zlib():deflater()
        local payload, again = first:message(text), first:message(text)
        local all = table.concat(pair:fragments("text", payload, 1, 0, 60))
          .. pair:build {opcode = "ping", payload = "p"} .. table.concat(pair:fragments("text", again, 2))
        for how, pieces in frames.splits(all, seed) do
          local one = compressed.open(role)
          websock.spawn(function() one.peer:send_pieces(pieces) end)
          local got = {one:receive()}
          got[3], got[4] = one:receive()
          expected = expected or {text, "text", text, "text"}
          assert.same(expected, got, how)
          one.ws:abort()
          one.peer:close()
        end
      end
    end)

    both("in fragments of any size, control frames between them", function(pair)
      local message = bytes("mixed", 30000)
      local payload = pair.deflater:message(message)
      for _, sizes in ipairs {{0}, {1, 1, 1}, {0, 0, 5, 0}, {#payload - 1}, {#payload}, {#payload, 0}} do
        local list = pair:fragments("binary", payload, table.unpack(sizes))
        for i = #list, 2, -1 do
          table.insert(list, i, pair:build {opcode = "ping", payload = "ping " .. i})
        end
        pair.peer:send(table.concat(list))
        receives(pair, message, "binary")
        -- it may answer only the newest (RFC 6455 section 5.5.3)
        local pong
        repeat
          pong = assert(pair.peer:frame())
          assert.same({10, 0}, {pong.opcode, pong.rsv})
        until pong.payload == "ping " .. (#list + 1) // 2
        payload = pair.deflater:message(message)
      end
    end)

    both("in a thousand fragments", function(pair)
      local message = bytes("json", 30000)
      local payload = pair.deflater:message(message)
      local sizes = {}
      for i = 1, 1000 do sizes[i] = 2 end
      websock.spawn(function()
        pair.peer:send(table.concat(pair:fragments("binary", payload, table.unpack(sizes))))
      end)
      receives(pair, message, "binary")
    end)

    both("with blocks that have BFINAL set", function(pair)
      local text = bytes("json", 1000)
      for _, how in ipairs {"finish", "finish", "sync", "finish", "sync", "sync"} do
        pair:say(text, "text", how)
        receives(pair, text, "text")
      end
    end)

    both("with blocks after one that has BFINAL set", function(pair)
      local text, deflater = bytes("json", 1000), pair.deflater
      for _, hows in ipairs {{"stream", "sync"}, {"stream", "finish"}, {"stream", "stream", "finish"},
        {"block", "stream", "block", "sync"}, {"block", "block", "finish"}} do
        local payload = ""
        for _, how in ipairs(hows) do payload = payload .. deflater:message(text, how) end
        pair:send {opcode = "text", payload = payload, rsv = RSV1}
        receives(pair, text:rep(#hows), "text")
        local pieces = pair:fragments("text", deflater:message(text, "stream") .. deflater:message(text), 1, 50, 1)
        pair.peer:send_pieces(pieces)
        receives(pair, text:rep(2), "text")
      end
    end)

    -- The sender may have kept its history or not.
    both("with history from before BFINAL", function(pair)
      for _, hex in ipairs {"f348cdc9c9070000", "f200110000", "f348cdc9c90700 f200110000"} do
        pair:send {opcode = "text", payload = unhex(hex), rsv = RSV1}
      end
      receives(pair, "Hello", "text")
      receives(pair, "Hello", "text")
      receives(pair, "HelloHello", "text")
    end)

    both("when nothing follows a block with BFINAL set, or nothing is there at all", function(pair)
      pair:send({opcode = "text", payload = unhex "f348cdc9c90700", rsv = RSV1},
        {opcode = "text", payload = "", rsv = RSV1},
        {opcode = "text", payload = unhex "0300", rsv = RSV1},
        {opcode = "text", payload = unhex "f248cdc9c90700", rsv = RSV1})
      for _, text in ipairs {"Hello", "", "", "Hello"} do receives(pair, text, "text") end
    end)

    both("after timeouts in the middle, which lose nothing", function(pair)
      local text = bytes("json", 50000)
      for _ = 1, 2 do
        for _, piece in ipairs(pair:fragments("text", pair.deflater:message(text), 100, 1000)) do
          assert.same({nil, "timeout"}, {pair.ws:receive(0)})
          pair.peer:send(piece:sub(1, -20))
          assert.same({nil, "timeout"}, {pair.ws:receive(0.005)})
          pair.peer:send(piece:sub(-19))
        end
        receives(pair, text, "text")
      end
    end)

    both("from a peer that sends one stored block after the other", function(pair)
      local stored = compressed.zlib():deflater {level = 0}
      for _, size in ipairs {0, 1, 1000, 200000} do
        local message = bytes("random", size)
        websock.spawn(function()
          pair:send {opcode = "binary", payload = stored:message(message), rsv = RSV1}
        end)
        receives(pair, message, "binary")
      end
    end)

    both("ahead, while other coroutines run", function(pair)
      local text = bytes("json", 500)
      for _ = 1, 10 do pair:say(text) end
      pair:send {opcode = "ping", payload = "ahead"}
      assert.equal("ahead", assert(pair.peer:frame()).payload)  -- nobody receives
      for _ = 1, 10 do receives(pair, text, "text") end
    end)

    both("whole before the end", function(pair)
      local text = bytes("json", 500)
      for _ = 1, 3 do pair:say(text) end
      pair:send {opcode = "close", payload = frames.close_payload(4000, "bye")}
      local got = {}
      for message in pair.ws:messages() do got[#got + 1] = message end
      assert.same({text, text, text}, got)
      assert.same({4000, "bye", true}, {pair.ws.close_code, pair.ws.close_reason, pair.ws.close_clean})
    end)

    both("not, if the connection ends in the middle", function(pair)
      local payload = pair.deflater:message(bytes("json", 5000))
      pair:send {opcode = "text", payload = payload:sub(1, -10), rsv = RSV1, fin = false}
      pair.peer:close()
      local message, err, code = pair:receive()
      assert.same({nil, "closed", 1006}, {message, err, code})
    end)
  end)

  describe("in parts", function()
    -- All of the next message, and its largest chunk.
    local function parts(ws)
      local chunks, largest = {}, 0
      while true do
        local chunk, kind, last = ws:receive_part()
        assert(chunk, kind)
        chunks[#chunks + 1] = chunk
        largest = math.max(largest, #chunk)
        if last then return table.concat(chunks), kind, largest, #chunks end
      end
    end

    both("are chunks of what is inflated", {}, {max_message = 10, max_fragments = 2}, function(pair)
      for _, size in ipairs {0, 1, 65535, 65536, 65537, 300000} do
        for _, what in ipairs {"zeros", "json", "random"} do
          local message = bytes(what, size)
          local payload = pair.deflater:message(message)
          websock.spawn(function()
            pair.peer:send(table.concat(pair:fragments("binary", payload, 0, 1, 2, #payload // 2)))
          end)
          local got, kind, largest, count = parts(pair.ws)
          assert.equal("binary", kind)
          assert_same(message, got)
          assert.is_true(largest <= 65536)
          assert.is_true(count >= size // 65536)
        end
      end
    end)

    both("come before the message is whole", function(pair)
      local text = bytes("json", 20000)
      local payload = pair.deflater:message(text)
      local list = pair:fragments("text", payload, #payload // 2)
      pair.peer:send(list[1])
      local first, _, last = pair.ws:receive_part()
      assert.is_true(#first > 0 and not last)
      pair.peer:send(list[2])
      assert_same(text, first .. parts(pair.ws))
      pair:say(text)
      assert_same(text, (pair:receive()))
      pair:send {opcode = "text", payload = "plain"}
      assert.equal("plain", (parts(pair.ws)))
    end)

    both("may take over what receive has begun", function(pair)
      local text = bytes("json", 50000)
      local list = pair:fragments("text", pair.deflater:message(text), 2000)
      pair.peer:send(list[1])
      assert.same({nil, "timeout"}, {pair.ws:receive(0.01)})
      pair.peer:send(list[2])
      assert_same(text, (parts(pair.ws)))
      pair:say(text)
      receives(pair, text, "text")
    end)

    both("fail on invalid deflated data", function(pair)
      local payload = pair.deflater:message(bytes("json", 200000))
      websock.spawn(function()
        pair:send({opcode = "text", payload = payload, rsv = RSV1, fin = false},
          {opcode = "continuation", payload = "\xff\xff\xff"})
      end)
      local chunk, err, code
      repeat
        chunk, err, code = pair.ws:receive_part()
      until not chunk
      assert.same({"closed", 1007}, {err, code})
    end)
  end)
end)
