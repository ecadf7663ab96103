-- Compressed messages (RFC 7692 sections 6 and 7.2) as they are on the wire, in
-- both roles: the peer's compressor and decompressor are Python's. How it is
-- agreed on is compress_offers_spec.lua's, one frame for many receivers
-- compress_crowd_spec.lua's, attacks are ../attacks_deflate_spec.lua's.

local websock = require "websock"
local compressed = require "support.compressed"
local ends = require "support.ends"
local frames = require "support.frames"

local RSV1 = frames.RSV1
local NO_TAKEOVER = {server_no_context_takeover = true, client_no_context_takeover = true}

-- Runs body(pair) in a coroutine, once for each role.
local function both(name, agreed, options, body)
  if type(agreed) == "function" then agreed, body = nil, agreed end
  if type(options) == "function" then options, body = nil, options end
  for _, role in ipairs {"client", "server"} do
    it(name .. " (" .. role .. ")", function()
      local pair = compressed.open(role, agreed, options)
      ends.inside(body, pair, role)
    end)
  end
end

local function bytes(...) return compressed.zlib():bytes(...) end

-- Not assert.equal: a failure would print both.
local function assert_same(expected, got)
  assert.equal(#expected, #got)
  assert.is_true(expected == got, "other bytes")
end

-- The connection fails: receive and the peer get this code.
local function fails(pair, code, pattern)
  local message, err, got, reason = pair.ws:receive()
  assert.same({nil, "closed", code}, {message, err, got})
  assert.matches(pattern or ".", reason)
  assert.equal(code, (pair.peer:closed()))
end

local function unhex(hex)
  return (hex:gsub("%s+", ""):gsub("%x%x", function(h) return string.char(tonumber(h, 16)) end))
end

-- Payloads of "Hello" in RFC 7692 section 7.2.3, by how they are made.
local HELLO = {
  ["one block"] = "f248cdc9c90700",
  ["no compression"] = "000500faff48656c6c6f00",
  ["BFINAL set"] = "f348cdc9c9070000",
  ["two blocks"] = "f2480500 0000ffff cac9c90700",
}

describe("compressed messages", function()
  teardown(compressed.stop)
  after_each(function() ends.finish() end)

  describe("of RFC 7692 section 7.2.3", function()
    for name, hex in pairs(HELLO) do
      both("are received: " .. name, function(pair)
        pair:send {opcode = "text", payload = unhex(hex), rsv = RSV1}
        assert.same({"Hello", "text"}, {pair.ws:receive()})
      end)
    end

    both("are received: fragments", function(pair)
      pair:send({opcode = "text", payload = unhex "f248cd", rsv = RSV1, fin = false},
        {opcode = "continuation", payload = unhex "c9c90700"})
      assert.same({"Hello", "text"}, {pair.ws:receive()})
    end)

    both("are received: a window that is shared", function(pair)
      for _, hex in ipairs {"f248cdc9c90700", "f248cdc9c90700", "f200110000", "f200110000"} do
        pair:send {opcode = "text", payload = unhex(hex), rsv = RSV1}
        assert.equal("Hello", (pair.ws:receive()))
      end
    end)

    both("are received: an empty one", function(pair)
      pair:send {opcode = "binary", payload = "\0", rsv = RSV1}
      assert.same({"", "binary"}, {pair.ws:receive()})
    end)

    it("are the bytes that are sent", function()
      local pair = compressed.open("server", {threshold = 0})
      ends.inside(function() pair.ws:send("Hello", "text", {compress = true}) end)
      assert.equal(unhex "c107f248cdc9c90700", pair.peer:receive(9))
      local masked = compressed.open("client", {threshold = 0})
      ends.inside(function() masked.ws:send("Hello", "text", {compress = true}) end)
      local frame = assert(masked.peer:frame())
      assert.same({1, RSV1, true, unhex "f248cdc9c90700"},
        {frame.opcode, frame.rsv, frame.fin, frame.payload})
      assert.equal(4, #frame.mask)
    end)
  end)

  describe("are sent", function()
    both("from the threshold up", {threshold = 256}, function(pair)
      local text = bytes("json", 300)
      for _, size in ipairs {0, 1, 255, 256, 257} do
        for _, kind in ipairs {"text", "binary"} do
          assert.is_true(pair.ws:send(text:sub(1, size), kind))
          local heard = pair:hear()
          assert.same({text:sub(1, size), kind, size >= 256, 1},
            {heard.text, heard.kind, heard.compressed, heard.frames})
        end
      end
    end)

    it("from 256 bytes up by default", function()
      local ws, peer = ends.server({compress = true}, compressed.field())
      local pair = compressed.pair("server", ws, peer, NO_TAKEOVER)
      ends.inside(function()
        ws:send(("x"):rep(255))
        ws:send(("x"):rep(256))
      end)
      assert.is_false(pair:hear().compressed)
      assert.is_true(pair:hear().compressed)
    end)

    both("or not, as each send says", {threshold = 100}, function(pair)
      local text, ws = bytes("json", 200), pair.ws
      local function sent(message, options)
        assert.is_true(ws:send(message, "text", options))
        local heard = pair:hear()
        assert.equal(message, heard.text)
        return heard.compressed
      end
      assert.is_true(sent(text))
      assert.is_false(sent(text, {compress = false}))
      assert.is_true(sent(text, {compress = true}))
      assert.is_true(sent("short", {compress = true}))
      assert.is_true(sent("", {compress = true}))
      assert.is_false(sent("short", {compress = false}))
      assert.is_false(sent("short", {}))
      assert.is_true(sent(text, {timeout = 5}))
    end)

    for role, how in pairs {client = "client", server = "server"} do
      it("plainly where nothing is agreed (" .. role .. ")", function()
        local ws, peer = ends[how] {compress = true}
        ends.inside(function()
          assert.is_true(ws:send(("x"):rep(5000), "text", {compress = true}))
          local w = assert(ws:writer("binary", {compress = true}))
          assert.is_true(w:finish(("y"):rep(5000)))
        end)
        local first, second = assert(peer:frame()), assert(peer:frame())
        assert.same({0, ("x"):rep(5000)}, {first.rsv, first.payload})
        assert.same({0, ("y"):rep(5000)}, {second.rsv, second.payload})
      end)
    end

    both("of every kind and size", {threshold = 0}, {max_queue = 4 << 20}, function(pair)
      for i, kind in ipairs {"zeros", "json", "random", "mixed"} do
        for _, size in ipairs {1, 1000, 65535, 65536, 1 << 20} do
          local message = bytes(kind, size, i)
          websock.spawn(function() assert.is_true(pair.ws:send(message, "binary")) end)
          local heard = pair:hear()
          assert_same(message, heard.text)
          assert.is_true(#heard.payload <= size, "larger than the message")
          if kind ~= "random" and size >= 1000 then
            assert.is_true(heard.compressed)
            assert.is_true(#heard.payload < size * 0.9)
          end
        end
      end
    end)

    both("within the window that is agreed", function(_, role)
      for bits = 8, 15 do
        for _, no_takeover in ipairs {false, true} do
          local pair = compressed.open(role, {threshold = 0, [role .. "_max_window_bits"] = bits,
            [role .. "_no_context_takeover"] = no_takeover})
          for seed = 1, 4 do
            local message = bytes(seed % 2 == 0 and "mixed" or "json", 20000, bits * 10 + seed % 3)
            assert.is_true(pair.ws:send(message, "binary"))
            assert_same(message, pair:hear().text)
          end
        end
      end
    end)

    both("by every level and with any memory", function(_, role)
      for level = 0, 9 do
        local pair = compressed.open(role, {level = level, mem_level = math.max(level, 1), threshold = 0})
        for i, kind in ipairs {"random", "json", "mixed", "zeros"} do
          local message = bytes(kind, 40000 + level, i)
          pair.ws:send(message, "binary", {compress = true})
          local heard = pair:hear()
          assert_same(message, heard.text)
          if kind == "zeros" then assert.equal(level > 0, #heard.payload < 1000) end
        end
      end
    end)

    both("with the history of earlier ones", {threshold = 0}, function(pair)
      local noise = bytes("random", 5000)
      local sizes = {}
      for i = 1, 3 do
        pair.ws:send(noise, "binary", {compress = true})
        local heard = pair:hear()
        assert_same(noise, heard.text)
        sizes[i] = #heard.payload
      end
      assert.is_true(sizes[1] >= 5000)
      assert.is_true(sizes[2] < 500 and sizes[3] < 500, table.concat(sizes, " "))
    end)

    both("without, where that is agreed", {threshold = 0, server_no_context_takeover = true,
      client_no_context_takeover = true}, function(pair)
      local noise = bytes("random", 5000)
      for _ = 1, 3 do
        pair.ws:send(noise, "binary", {compress = true})
        local heard = pair:hear()
        assert_same(noise, heard.text)
        assert.is_true(#heard.payload >= 5000)
      end
    end)

    -- What is compressed and then sent as it was has not happened.
    both("around ones that are not compressed", {threshold = 0}, function(pair)
      local messages = {bytes("random", 2000), bytes("random", 2000, 2), bytes("json", 2000), bytes("zeros", 2000)}
      for i = 1, 60 do
        local message = messages[i * i % 7 % 4 + 1]
        local choice = ({true, false})[i % 5]
        pair.ws:send(message, "binary", {compress = choice})
        local heard = pair:hear()
        if choice ~= nil then assert.equal(choice, heard.compressed) end
        assert_same(message, heard.text)
      end
    end)

    it("within what a client has hinted at, whatever is answered", function()
      local ws, peer = ends.client({
        compress = {client_max_window_bits = 9, server_no_context_takeover = false, threshold = 0},
      }, compressed.field {server_max_window_bits = 12})
      local pair = compressed.pair("client", ws, peer, {client_max_window_bits = 9})
      ends.inside(function()
        local noise = bytes("random", 2000)
        for _ = 1, 2 do
          ws:send(noise .. noise, "binary", {compress = true})
          local heard = pair:hear()
          assert_same(noise .. noise, heard.text)
          assert.is_true(#heard.payload >= 4000, "a larger window, or history")
        end
      end)
    end)

    both("not, when they raise, and history is as before", {threshold = 0}, function(pair)
      local text = bytes("json", 2000)
      pair.ws:send(text)
      local ok, err = pcall(function() pair.ws:send(text .. "\255" .. text) end)
      assert.is_false(ok)
      assert.matches("^spec/websock/compress_spec.lua:%d+: .*UTF%-8", err)
      assert.is_false((pcall(pair.ws.send, pair.ws, "\xc3", "text")))
      pair.ws:send(text)
      assert.same({text, text}, {pair:hear().text, pair:hear().text})
    end)

    both("not, when the queue is full, and history is as before", {threshold = 0}, {max_queue = 1000},
      function(pair)
        local ws, sent = pair.ws, {}
        ws:socket():setoption("send-buffer-size", 4096)
        for i = 1, 1000 do
          local message = bytes("random", 30000, i)
          local ok, err = ws:send(message, "binary", {timeout = 0})
          if not ok then
            assert.equal("queue full", err)
            break
          end
          sent[i] = message
        end
        assert.same({nil, "queue full"}, {ws:send(bytes("random", 30000, 6000), "binary", {timeout = 0})})
        assert.same({nil, "timeout"}, {ws:send(bytes("random", 30000, 6000), "binary", {timeout = 0.01})})
        for _, message in ipairs(sent) do assert_same(message, pair:hear().text) end
        for _ = 1, 2 do
          local last = bytes("random", 3000, 7000)
          assert.is_true(ws:send(last, "binary"))
          assert_same(last, pair:hear().text)
        end
      end)

    both("with control frames between, which are not compressed", {threshold = 0}, function(pair)
      local text = bytes("json", 1000)
      pair.ws:send(text)
      websock.spawn(function() pair.ws:ping("hello", 20) end)
      coroutine.yield()
      pair.ws:send(text)
      pair.ws:close(4000, "enough", 0)
      assert.same({text, text}, {pair:hear().text, pair:hear().text})
      assert.same({9, "hello"}, {pair.control[1].opcode, pair.control[1].payload})
      local frame = assert(pair.peer:frame())
      assert.same({8, 0, "\x0f\xa0enough"}, {frame.opcode, frame.rsv, frame.payload})
    end)
  end)

  describe("by a writer", function()
    both("are one compressed message of fragments", {threshold = 0}, function(pair)
      local text = bytes("json", 90000)
      for round = 1, 2 do
        local w = assert(pair.ws:writer("text", {compress = true}))
        for at = 1, #text, 10000 do assert.is_true(w:write(text:sub(at, at + 9999))) end
        assert.is_true(w:finish())
        local heard = pair:hear()
        assert.same({"text", true}, {heard.kind, heard.compressed})
        assert_same(text, heard.text)
        assert.is_true(#heard.payload < #text / 2, "round " .. round)
      end
    end)

    both("may split characters, and have empty pieces", {threshold = 0}, function(pair)
      for _, pieces in ipairs {{"w\xc3", "\xb6r", "", "ld"}, {""}, {"", ""}, {"", "\xe2", "\x82", "\xac"}} do
        local w = assert(pair.ws:writer("text", {compress = true}))
        for i = 1, #pieces - 1 do assert.is_true(w:write(pieces[i])) end
        assert.is_true(w:finish(pieces[#pieces]))
        assert.equal(table.concat(pieces), pair:hear().text)
      end
    end)

    both("may be plain", {threshold = 0}, function(pair)
      local w = assert(pair.ws:writer("binary", {compress = false}))
      w:write(("x"):rep(1000))
      w:finish "y"
      pair.ws:send(("x"):rep(1000))
      local heard = pair:hear()
      assert.same({false, ("x"):rep(1000) .. "y"}, {heard.compressed, heard.text})
      assert.is_true(pair:hear().compressed)
    end)

    for _, agreed in ipairs {{}, NO_TAKEOVER} do
      both("let others' messages queue behind" .. (agreed == NO_TAKEOVER and "" or ", history in order"),
        agreed, function(pair)
          local text, late = bytes("json", 3000), bytes("json", 3000, 2)
          pair.ws:send(text)
          local w = assert(pair.ws:writer("text", {compress = true}))
          w:write(text)
          websock.spawn(function() assert.is_true(pair.ws:send(late)) end)
          coroutine.yield()
          w:write(late)
          w:finish(text)
          local got = {}
          for i = 1, 3 do got[i] = pair:hear().text end
          assert.same({text, text .. late .. text, late}, got)
        end)
    end

    both("hold what they need until they are finished, others' compressors beside", NO_TAKEOVER,
      function(pair, role)
        local text, writers = bytes("json", 5000), {}
        local pairs_ = {pair}
        for i = 2, 5 do pairs_[i] = compressed.open(role, NO_TAKEOVER) end
        for i, one in ipairs(pairs_) do
          writers[i] = assert(one.ws:writer("text", {compress = true}))
          writers[i]:write(i .. text:sub(1, 2500))
        end
        for i, one in ipairs(pairs_) do
          writers[i]:finish(text:sub(2501))
          one.ws:send(text .. i)
        end
        for i, one in ipairs(pairs_) do
          assert_same(i .. text, one:hear().text)
          assert_same(text .. i, one:hear().text)
        end
      end)

    both("abort the connection when forgotten; others' go on", NO_TAKEOVER, function(pair, role)
      local text = bytes("json", 5000)
      local w = assert(pair.ws:writer("text", {compress = true}))
      w:write(text)
      getmetatable(w).__close(w)
      assert.equal("closed", pair.ws:state())
      local other = compressed.open(role, NO_TAKEOVER)
      other.ws:send(text)
      assert_same(text, other:hear().text)
    end)
  end)

  describe("are received", function()
    local function receives(pair, message, kind)
      local got, what = pair.ws:receive()
      assert.equal(kind, what)
      assert_same(message, got)
    end

    both("of every kind and size", function(pair)
      for i, kind in ipairs {"zeros", "json", "random", "mixed"} do
        for _, size in ipairs {0, 1, 1000, 65536, 1 << 20} do
          local message = bytes(kind, size, i)
          websock.spawn(function() pair:say(message, "binary") end)
          receives(pair, message, "binary")
        end
      end
    end)

    both("within every window, with history and without", function(_, role)
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
          local got = {one.ws:receive()}
          got[3], got[4] = one.ws:receive()
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
        -- it may answer the newest only (RFC 6455 section 5.5.3)
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

    both("by the other coroutines' turns, read ahead", function(pair)
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

    both("not, when the connection ends in their midst", function(pair)
      local payload = pair.deflater:message(bytes("json", 5000))
      pair:send {opcode = "text", payload = payload:sub(1, -10), rsv = RSV1, fin = false}
      pair.peer:close()
      local message, err, code = pair.ws:receive()
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

    both("come while the message does", function(pair)
      local text = bytes("json", 20000)
      local payload = pair.deflater:message(text)
      local list = pair:fragments("text", payload, #payload // 2)
      pair.peer:send(list[1])
      local first, _, last = pair.ws:receive_part()
      assert.is_true(#first > 0 and not last)
      pair.peer:send(list[2])
      assert_same(text, first .. parts(pair.ws))
      pair:say(text)
      assert_same(text, (pair.ws:receive()))
      pair:send {opcode = "text", payload = "plain"}
      assert.equal("plain", (parts(pair.ws)))
    end)

    both("fail on what is no deflated data", function(pair)
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

  describe("and RSV1:", function()
    local function breaks(name, ...)
      local list = {...}
      both(name .. ": 1002", function(pair)
        pair:send(table.unpack(list))
        fails(pair, 1002)
      end)
    end

    local HALF = {opcode = "text", payload = unhex "f248cd", rsv = RSV1, fin = false}

    breaks("on a continuation", HALF, {opcode = "continuation", payload = unhex "c9c90700", rsv = RSV1})
    breaks("on a continuation of a plain message", {opcode = "text", payload = "x", fin = false},
      {opcode = "continuation", payload = unhex "c9c90700", rsv = RSV1})
    for _, name in ipairs {"ping", "pong", "close"} do
      breaks("on a " .. name, {opcode = name, rsv = RSV1})
      breaks("on a " .. name .. " between fragments", HALF, {opcode = name, rsv = RSV1})
    end
    for _, rsv in ipairs {1, 2, 3, 5, 6, 7} do
      breaks("with RSV " .. rsv, {opcode = "text", payload = unhex "f248cdc9c90700", rsv = rsv})
    end

    for role, how in pairs {client = "plain", server = "masked"} do
      for name, options in pairs {["no offer"] = {}, ["an offer declined"] = {compress = role == "client"}} do
        it("with " .. name .. ": 1002 (" .. role .. ")", function()
          local ws, peer = ends[role](options, role == "server" and compressed.field() or nil)
          peer:send(frames.compressed("text", unhex "f248cdc9c90700", true, how == "masked" and "abcd" or nil))
          ends.inside(function()
            local _, err, code = ws:receive()
            assert.same({"closed", 1002}, {err, code})
          end)
          assert.equal(1002, (peer:closed()))
        end)
      end
    end
  end)

  describe("that are wrong", function()
    local BAD = {
      ["a reserved type of block"] = "07",
      ["a distance before the beginning"] = "f200110000",
      ["a stored block whose lengths differ"] = "000500fafe48656c6c6f00",
      ["Huffman codes that are too many"] = "fcffffffffffffffffff",
      ["bytes at random"] = "deadbeefdeadbeefdeadbeef",
    }
    for name, hex in pairs(BAD) do
      both("fail: " .. name .. ": 1007", function(pair)
        pair:send {opcode = "binary", payload = unhex(hex), rsv = RSV1}
        fails(pair, 1007)
      end)

      both("fail before they are whole: " .. name .. ": 1007", function(pair)
        pair:send {opcode = "binary", payload = unhex(hex), rsv = RSV1, fin = false}
        fails(pair, 1007)
      end)
    end

    both("fail in mid-block: 1007", function(pair)
      pair:send {opcode = "binary", payload = unhex "001000efff4865", rsv = RSV1}
      fails(pair, 1007)
    end)

    both("fail after good ones, which are received", function(pair)
      local text = bytes("json", 2000)
      pair:say(text)
      pair:send {opcode = "binary", payload = "\7", rsv = RSV1}
      assert.equal(text, (pair.ws:receive()))
      fails(pair, 1007)
    end)

    both("fail when text is not UTF-8: 1007", function(pair)
      pair:say("good \xc3\xa4 bad \xc3", "text")
      fails(pair, 1007)
    end)

    both("fail when text cannot become UTF-8, before it is whole", function(pair)
      local payload = pair.deflater:message(("x"):rep(1000) .. "\xc0\x80" .. bytes("random", 1000), "block")
      pair:send {opcode = "text", payload = payload, rsv = RSV1, fin = false}
      fails(pair, 1007)
    end)

    both("may be binary that is not UTF-8, and text whose payload is not", function(pair)
      pair:say("\xff\xfe", "binary")
      assert.same({"\xff\xfe", "binary"}, {pair.ws:receive()})
      pair:say("\xe2\x82\xac", "text")
      assert.same({"\xe2\x82\xac", "text"}, {pair.ws:receive()})
    end)

    both("fail when they use history that they may not: 1007", NO_TAKEOVER, function(pair)
      local keeps = compressed.zlib():deflater()
      local noise = bytes("random", 300)
      for i = 1, 2 do
        pair:send {opcode = "binary", payload = keeps:message(noise), rsv = RSV1}
        if i == 1 then assert_same(noise, (pair.ws:receive())) end
      end
      fails(pair, 1007)
    end)

    both("never see another connection's history", NO_TAKEOVER, function(pair, role)
      local keeps = compressed.zlib():deflater()
      local secret = bytes("random", 300)
      pair:send {opcode = "binary", payload = keeps:message(secret), rsv = RSV1}
      assert_same(secret, (pair.ws:receive()))
      local other = compressed.open(role, NO_TAKEOVER)
      other:send {opcode = "binary", payload = keeps:message(secret), rsv = RSV1}
      fails(other, 1007)
      pair.deflater:reset()
      pair:say(secret, "binary")
      assert_same(secret, (pair.ws:receive()))
    end)
  end)

  describe("and max_message", function()
    local LIMIT = 5000

    for _, what in ipairs {"zeros", "json", "random"} do
      both("counts what is inflated: " .. what, {}, {max_message = LIMIT}, function(pair)
        for _, size in ipairs {LIMIT - 1, LIMIT} do
          local message = bytes(what, size)
          pair:say(message, "binary")
          assert_same(message, (pair.ws:receive()))
        end
        pair:say(bytes(what, LIMIT + 1), "binary")
        fails(pair, 1009)
      end)
    end

    both("is checked over fragments", {}, {max_message = LIMIT}, function(pair)
      for _, size in ipairs {LIMIT, LIMIT + 1} do
        local payload = pair.deflater:message(bytes("json", size))
        pair.peer:send(table.concat(pair:fragments("text", payload, #payload // 3, #payload // 3)))
        if size == LIMIT then assert.equal(LIMIT, #pair.ws:receive()) end
      end
      fails(pair, 1009)
    end)

    both("is checked while inflating", {}, {max_message = LIMIT}, function(pair)
      local payload = pair.deflater:message(bytes("zeros", LIMIT + 1), "block")
      pair:send {opcode = "binary", payload = payload, rsv = RSV1, fin = false}
      fails(pair, 1009)
    end)

    both("0 lets empty ones through", {}, {max_message = 0}, function(pair)
      pair:send {opcode = "text", payload = "\0", rsv = RSV1}
      assert.equal("", (pair.ws:receive()))
      pair:say "x"
      fails(pair, 1009)
    end)

    both("false lets all through", {}, {max_message = false}, function(pair)
      local message = bytes("zeros", 8 << 20)
      pair:say(message, "binary")
      assert_same(message, (pair.ws:receive()))
    end)

    both("max_fragments counts frames", {}, {max_fragments = 3}, function(pair)
      local text = bytes("json", 1000)
      pair.peer:send(table.concat(pair:fragments("text", pair.deflater:message(text), 1, 1)))
      assert.equal(text, (pair.ws:receive()))
      pair.peer:send(table.concat(pair:fragments("text", pair.deflater:message(text), 1, 1, 1)))
      fails(pair, 1009)
    end)
  end)

  it("pass between the library's own ends", function()
    local got = {}
    local server = ends.listen {port = 0, compress = true, handler = function(ws)
      for message, kind in ws:messages() do ws:send(message, kind) end
    end}
    ends.inside(function()
      for _, compress in ipairs {true, {server_no_context_takeover = false, client_no_context_takeover = false},
        {server_max_window_bits = 8, client_max_window_bits = 8}, false} do
        local ws = assert(websock.connect("ws://127.0.0.1:" .. ends.port(server), {compress = compress}))
        assert.equal(not not compress, ws.extensions ~= nil)
        for i, kind in ipairs {"json", "zeros", "random", "json"} do
          local message = bytes(kind, 100000, i)
          assert.is_true(ws:send(message, "binary"))
          assert_same(message, (ws:receive()))
          got[#got + 1] = kind
        end
        ws:close()
      end
    end)
    assert.equal(16, #got)
  end)
end)
