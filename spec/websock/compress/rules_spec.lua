-- Compressed messages that fail a connection: RSV1 where it must not be, data that
-- does not inflate, text that is not UTF-8, limits (RFC 7692 sections 6 and 7.2.2).
-- Attacks are in spec/attacks_deflate_spec.lua.

local compressed = require "support.compressed"
local ends = require "support.ends"
local frames = require "support.frames"

local both, bytes, assert_same = compressed.both(it), compressed.bytes, compressed.same
local unhex, NO_TAKEOVER = compressed.unhex, compressed.NO_TAKEOVER
local RSV1 = frames.RSV1

-- The connection fails: receive and the peer get this code.
local function fails(pair, code)
  local message, err, got, reason = pair:receive()
  assert.same({nil, "closed", code}, {message, err, got})
  assert.matches("%S", reason)
  assert.equal(code, (pair.peer:closed()))
end

describe("compressed messages", function()
  teardown(compressed.stop)
  after_each(function() ends.finish() end)

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

    both("fail in the middle of a block: 1007", function(pair)
      pair:send {opcode = "binary", payload = unhex "001000efff4865", rsv = RSV1}
      fails(pair, 1007)
    end)

    both("fail after valid ones, which are received", function(pair)
      local text = bytes("json", 2000)
      pair:say(text)
      pair:send {opcode = "binary", payload = "\7", rsv = RSV1}
      assert.equal(text, (pair:receive()))
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

    both("may be binary that is not UTF-8, and text whose compressed payload is not", function(pair)
      pair:say("\xff\xfe", "binary")
      assert.same({"\xff\xfe", "binary"}, {pair:receive()})
      pair:say("\xe2\x82\xac", "text")
      assert.same({"\xe2\x82\xac", "text"}, {pair:receive()})
    end)

    both("fail when they use history that they may not: 1007", NO_TAKEOVER, function(pair)
      local keeps = compressed.zlib():deflater()
      local noise = bytes("random", 300)
      for i = 1, 2 do
        pair:send {opcode = "binary", payload = keeps:message(noise), rsv = RSV1}
        if i == 1 then assert_same(noise, (pair:receive())) end
      end
      fails(pair, 1007)
    end)

    both("never see another connection's history", NO_TAKEOVER, function(pair, role)
      local keeps = compressed.zlib():deflater()
      local secret = bytes("random", 300)
      pair:send {opcode = "binary", payload = keeps:message(secret), rsv = RSV1}
      assert_same(secret, (pair:receive()))
      local other = compressed.open(role, NO_TAKEOVER)
      other:send {opcode = "binary", payload = keeps:message(secret), rsv = RSV1}
      fails(other, 1007)
      pair.deflater:reset()
      pair:say(secret, "binary")
      assert_same(secret, (pair:receive()))
    end)
  end)

  describe("and max_message", function()
    local LIMIT = 5000

    for _, what in ipairs {"zeros", "json", "random"} do
      both("counts what is inflated: " .. what, {}, {max_message = LIMIT}, function(pair)
        for _, size in ipairs {LIMIT - 1, LIMIT} do
          local message = bytes(what, size)
          pair:say(message, "binary")
          assert_same(message, (pair:receive()))
        end
        pair:say(bytes(what, LIMIT + 1), "binary")
        fails(pair, 1009)
      end)
    end

    both("is checked over fragments", {}, {max_message = LIMIT}, function(pair)
      for _, size in ipairs {LIMIT, LIMIT + 1} do
        local payload = pair.deflater:message(bytes("json", size))
        pair.peer:send(table.concat(pair:fragments("text", payload, #payload // 3, #payload // 3)))
        if size == LIMIT then assert.equal(LIMIT, #pair:receive()) end
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
      assert.equal("", (pair:receive()))
      pair:say "x"
      fails(pair, 1009)
    end)

    both("false lets all through", {}, {max_message = false}, function(pair)
      local message = bytes("zeros", 8 << 20)
      pair:say(message, "binary")
      assert_same(message, (pair:receive()))
    end)

    both("max_fragments counts frames", {}, {max_fragments = 3}, function(pair)
      local text = bytes("json", 1000)
      pair.peer:send(table.concat(pair:fragments("text", pair.deflater:message(text), 1, 1)))
      assert.equal(text, (pair:receive()))
      pair.peer:send(table.concat(pair:fragments("text", pair.deflater:message(text), 1, 1, 1)))
      fails(pair, 1009)
    end)
  end)
end)
