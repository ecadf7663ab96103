-- Compressed messages that are sent (RFC 7692 sections 6.1 and 7.2.1) as they are on
-- the wire, in both roles: the peer's decompressor is Python's. The handshake is in
-- compress/offers_spec.lua, receiving in compress/receive_spec.lua, one frame for many
-- receivers in compress/crowd_spec.lua.

local websock = require "websock"
local compressed = require "support.compressed"
local ends = require "support.ends"
local frames = require "support.frames"

local both, bytes, assert_same = compressed.both(it), compressed.bytes, compressed.same
local unhex, NO_TAKEOVER = compressed.unhex, compressed.NO_TAKEOVER

describe("compressed messages", function()
  teardown(compressed.stop)
  after_each(function() ends.finish() end)

  describe("are sent", function()
    it("as the bytes of RFC 7692 section 7.2.3", function()
      local pair = compressed.open("server", {threshold = 0})
      ends.inside(function() pair.ws:send("Hello", "text", {compress = true}) end)
      assert.equal(unhex "c107f248cdc9c90700", pair.peer:receive(9))
      local masked = compressed.open("client", {threshold = 0})
      ends.inside(function() masked.ws:send("Hello", "text", {compress = true}) end)
      local frame = assert(masked.peer:frame())
      assert.same({1, frames.RSV1, true, unhex "f248cdc9c90700"},
        {frame.opcode, frame.rsv, frame.fin, frame.payload})
      assert.equal(4, #frame.mask)
    end)

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
      it("uncompressed if nothing is agreed on (" .. role .. ")", function()
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

    both("within the window that is agreed on", function(_, role)
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

    both("with every level and memory level", function(_, role)
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

    both("without it, if that is agreed on", {threshold = 0, server_no_context_takeover = true,
      client_no_context_takeover = true}, function(pair)
      local noise = bytes("random", 5000)
      for _ = 1, 3 do
        pair.ws:send(noise, "binary", {compress = true})
        local heard = pair:hear()
        assert_same(noise, heard.text)
        assert.is_true(#heard.payload >= 5000)
      end
    end)

    -- A message that was compressed in vain, and sent as it was, leaves no history.
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

    it("within the window of the client's hint, whatever the answer", function()
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

    -- A server that knows no parameters keeps history and the largest window; what
    -- a client sends to it stays within the client's own settings.
    it("to a server that answers with the name alone", function()
      local ws, peer = ends.client({compress = {threshold = 0}}, compressed.field {})
      assert.equal("permessage-deflate", ws.extensions)
      local pair = compressed.pair("client", ws, peer,
        {client_max_window_bits = 12, client_no_context_takeover = true})
      local text = bytes("json", 20000)
      ends.inside(function()
        for _ = 1, 3 do
          pair:say(text)
          assert_same(text, (assert(pair:receive())))
          ws:send(text)
          local heard = pair:hear()
          assert.is_true(heard.compressed)
          assert_same(text, heard.text)
        end
        local noise = bytes("random", 2000)
        pair:say(noise .. text .. noise, "binary")  -- farther back than 12 bits reach
        assert_same(noise .. text .. noise, (assert(pair:receive())))
      end)
    end)

    both("not, if they raise; the history is as before", {threshold = 0}, function(pair)
      local text = bytes("json", 2000)
      pair.ws:send(text)
      local ok, err = pcall(function() pair.ws:send(text .. "\255" .. text) end)
      assert.is_false(ok)
      assert.matches("^spec/websock/compress/send_spec.lua:%d+: .*UTF%-8", err)
      assert.is_false((pcall(pair.ws.send, pair.ws, "\xc3", "text")))
      pair.ws:send(text)
      assert.same({text, text}, {pair:hear().text, pair:hear().text})
    end)

    both("not, if the queue is full; the history is as before", {threshold = 0}, {max_queue = 1000},
      function(pair)
        local ws, sent = pair.ws, {}
        ws:socket():setoption("send-buffer-size", 4096)
        local function fill(timeout)  -- the kernel may make room again later
          local message, ok, err
          repeat
            if ok then table.insert(sent, message) end
            message = bytes("random", 30000, #sent)
            ok, err = ws:send(message, "binary", {timeout = timeout})
          until not ok
          return err
        end
        assert.equal("queue full", fill(0))
        assert.equal("timeout", fill(0.01))
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

    both("keep their compressor until they are finished, while others have their own", NO_TAKEOVER,
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

    both("abort the connection if they are forgotten; others go on", NO_TAKEOVER, function(pair, role)
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
