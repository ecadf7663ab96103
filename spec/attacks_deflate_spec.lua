-- Classes of attacks by way of permessage-deflate: bombs, limits evaded by
-- fragments, offers that take long to read, magic names, bad window bits.

local allocator = require "support.allocator"
local core = require "websock.core"
local websock = require "websock"
local compressed = require "support.compressed"
local ends = require "support.ends"
local frames = require "support.frames"
local memory = require "support.memory"
local raw = require "support.raw"

local MiB = 1 << 20
local FIELD = "Sec-WebSocket-Extensions"
local ROLES = {"client", "server"}

local function echo(ws)
  for message, kind in ws:messages() do ws:send(message, kind) end
end

-- A frame with a long payload. Its masking key is zero, which leaves the payload as it is.
local function long_frame(role, frame)
  local payload = frame.payload
  frame.length, frame.payload = #payload, ""
  frame.mask = role == "server" and "\0\0\0\0" or nil
  return frames.build(frame) .. payload
end

-- Sends each of the list, as long as the peer takes it, while the loop turns.
local function pour(pair, list)
  local done = false
  websock.spawn(function()
    for _, bytes in ipairs(list) do
      if not pair.peer:send(bytes) then break end
    end
    done = true
  end)
  ends.at_end(function()
    pair.ws:abort()
    ends.turn_until(function() return done end)
  end)
end

-- The connection ends with 1009, and memory grows by at most `allowed` KiB.
local function ends_at_limit(pair, list, allowed)
  local err, code
  local grown = memory.growth(function()
    ends.inside(function()
      pour(pair, list)
      err, code = select(2, pair:receive())
    end)
  end)
  assert.same({"closed", 1009}, {err, code})
  assert.is_nil(memory.too_much(grown, allowed))
end

describe("attacks", function()
  teardown(compressed.stop)
  after_each(function() ends.finish() end)

  describe("1, bombs:", function()
    local bomb

    setup(function() bomb = compressed.zlib():bomb(256) end)

    for _, role in ipairs(ROLES) do
      it("attack 1: 256 MiB of zeros against a limit of 1 MiB, " .. role, function()
        local pair = compressed.open(role, {}, {max_message = MiB})
        ends_at_limit(pair, {long_frame(role, {opcode = "binary", payload = bomb, rsv = frames.RSV1})}, 4096)
      end)
    end

    it("attack 1: a bomb while nobody receives", function()
      local pair = compressed.open("server", {}, {max_message = MiB})
      local frame = long_frame("server", {opcode = "binary", payload = bomb, rsv = frames.RSV1})
      local ping = frames.masked("ping", "still there")
      local grown = memory.growth(function()
        pour(pair, {ping, frame})
        assert.equal("still there", assert(pair.peer:frame()).payload)
        for _ = 1, 20 do websock.step(0.001) end
      end)
      assert.is_nil(memory.too_much(grown, 2048))
      ends_at_limit(pair, {}, 4096)
    end)

    it("attack 1: a bomb that is received in parts", function()
      local pair = compressed.open("server", {}, {max_message = MiB})
      local frame = long_frame("server", {opcode = "binary", payload = bomb, rsv = frames.RSV1})
      local sum, largest = 0, 0
      local grown = memory.growth(function()
        ends.inside(function()
          pour(pair, {frame})
          repeat
            local chunk, _, last = assert(pair.ws:receive_part(raw.patience))
            sum, largest = sum + #chunk, math.max(largest, #chunk)
            if sum % (8 * MiB) < 65536 then collectgarbage() end
          until last
        end)
      end)
      assert.same({256 * MiB, 65536}, {sum, largest})
      assert.is_nil(memory.too_much(grown, 24 * 1024))
    end)

    it("attack 1: bombs at many connections leave no memory behind", function()
      local pairs_ = {}
      for i = 1, 20 do pairs_[i] = compressed.open("server", {}, {max_message = 4 * MiB}) end
      local frame = long_frame("server", {opcode = "binary", payload = bomb, rsv = frames.RSV1})
      local grown = memory.growth(function()
        for _, pair in ipairs(pairs_) do
          ends.inside(function()
            pour(pair, {frame})
            assert.equal(1009, (select(3, pair:receive())))
          end)
        end
      end)
      assert.is_nil(memory.too_much(grown, 20 * 1024))
    end)

    -- Five bytes that inflate to none, repeated.
    for _, role in ipairs(ROLES) do
      it("attack 1: many bytes that inflate to nothing, " .. role, function()
        local pair = compressed.open(role, {}, {max_message = MiB, max_fragments = false})
        local blocks = ("\0\0\0\xff\xff"):rep(MiB // 5)
        local list = {long_frame(role, {opcode = "binary", payload = blocks, rsv = frames.RSV1, fin = false})}
        for i = 2, 32 do
          list[i] = long_frame(role, {opcode = "continuation", payload = blocks, fin = false})
        end
        ends_at_limit(pair, list, 6144)
      end)
    end
  end)

  describe("2, fragments of a compressed message:", function()
    for _, role in ipairs(ROLES) do
      for _, size in ipairs {100, 10000, 300000} do
        it(("attack 2: of %d bytes each, %s"):format(size, role), function()
          local LIMIT = 600000
          local pair = compressed.open(role, {}, {max_message = LIMIT, max_fragments = false})
          local zeros = compressed.zlib():bytes("zeros", size)
          local list, count = {}, LIMIT // size
          for i = 1, count + 1 do
            list[i] = pair:build {opcode = i == 1 and "binary" or "continuation", fin = false,
              payload = pair.deflater:message(zeros, "block"), rsv = i == 1 and frames.RSV1 or 0}
          end
          local last = table.remove(list)
          ends.inside(function()
            pair.peer:send(table.concat(list))
            pair:send {opcode = "ping", payload = "so far"}
            -- the limit is not exceeded yet
            assert.same({nil, "timeout"}, {pair.ws:receive(0.01)})
            assert.equal("so far", assert(pair.peer:frame()).payload)
          end)
          ends_at_limit(pair, {last}, 4096)
        end)
      end
    end

    it("attack 2: the next message has the whole limit", function()
      local pair = compressed.open("server", {}, {max_message = 1000})
      ends.inside(function()
        for _ = 1, 3 do
          local payload = pair.deflater:message(("x"):rep(1000))
          pair.peer:send(table.concat(pair:fragments("text", payload, 1, 1)))
          assert.equal(1000, #pair:receive())
        end
        local payload = pair.deflater:message(("x"):rep(1001))
        pair.peer:send(table.concat(pair:fragments("text", payload, 1, 1)))
        assert.equal(1009, (select(3, pair:receive())))
      end)
    end)
  end)

  describe("12, offers that take long to read:", function()
    local SIZE = 65536

    -- Beginning, repeated part and end of each offer.
    local SLOW = {
      blanks = {"permessage-deflate", " ", ";"},
      ["blanks before a value"] = {"permessage-deflate; server_max_window_bits=", " ", "9"},
      tabs = {"a;", "\t", "b"},
      commas = {"", ",", ""},
      ["commas and blanks"] = {"", ", ", "a"},
      semicolons = {"permessage-deflate", ";", ""},
      ["an unclosed quote"] = {'permessage-deflate; a="', "x", ""},
      ["an unclosed quote, escaped"] = {'a; b="', "\\x", ""},
      quotes = {'a; b=', '""', ""},
      ["unclosed quotes"] = {'a', ';b="c', ""},
      ["one name"] = {"", "x", ""},
      ["one value"] = {"permessage-deflate; client_max_window_bits=", "1", ""},
      ["quoted values"] = {"a", ';b="c"', ""},
      ["equal signs"] = {"a;b", "=", ""},
      extensions = {"a", ", b", ""},
      offers = {"a", ", permessage-deflate; x", ""},
      parameters = {"permessage-deflate", "; client_max_window_bits", ""},
      ["unknown parameters"] = {"permessage-deflate", "; x=1", ""},
    }

    local function value(how, size)
      return how[1] .. how[2]:rep(size // #how[2]) .. how[3]
    end

    -- The least processor time of several readings of a head.
    local function server_time(field)
      local config = core.config("server", {max_header = 16 * SIZE, compress = true})
      local bytes, best = frames.request {[FIELD] = field}, math.huge
      for _ = 1, 7 do
        local conn = core.conn(config)
        local before = os.clock()
        conn:feed(bytes)
        local what = conn:handshake()
        best = math.min(best, os.clock() - before)
        assert.is_true(what == "request" or conn:output():find("^HTTP/1%.1 400 ") ~= nil)
        conn:close()
      end
      return best
    end

    local function client_time(field)
      local config = core.config("client", {max_header = 16 * SIZE, compress = true})
      local best = math.huge
      for _ = 1, 3 do
        local conn = core.conn(config)
        conn:request("a", "/")
        local key = conn:output():match "Sec%-WebSocket%-Key: (%S+)"
        local bytes = frames.response({[FIELD] = field}, raw.accept_key(key))
        local before = os.clock()
        conn:feed(bytes)
        conn:handshake()
        best = math.min(best, os.clock() - before)
        conn:close()
      end
      return best
    end

    -- Eight times as long takes eight times as much; quadratic: 64 times. What
    -- takes next to no time at all is not worth comparing.
    local function linear(time, how)
      local once, more = time(value(how, SIZE)), time(value(how, 8 * SIZE))
      assert.is_true(more < 24 * once or more < 0.005, ("%.6f and %.6f s"):format(once, more))
    end

    for name, how in pairs(SLOW) do
      it("attack 12: " .. name, function()
        linear(server_time, how)
        linear(client_time, how)
      end)
    end

    it("attack 12: other clients are served before and after", function()
      local server = ends.listen {port = 0, compress = true, max_header = 2 * SIZE, handler = echo}
      for _, how in pairs(SLOW) do
        local peer = ends.dial(server)
        peer:send(frames.request {[FIELD] = value(how, SIZE)})
        local line = assert(peer:head())
        assert.matches("^HTTP/1%.1 [14]0[01] ", line)
        peer:close()
      end
      local peer = ends.open(server, compressed.field())
      peer:masked("text", "alive?")
      assert.equal("alive?", assert(peer:frame()).payload)
    end)
  end)

  describe("13, magic names:", function()
    local NAMES = {"__index", "__newindex", "__gc", "__close", "__mode", "__name", "__metatable", "__call",
      "__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "nil", "true", "self", "n", "1", "_G"}

    it("attack 13: as extensions or parameters are unknown to a server", function()
      local seen
      local server = ends.listen {port = 0, compress = true, handler = function(ws)
        seen = {ws.extensions or "none", ws.request.headers[FIELD]}
        echo(ws)
      end}
      for _, name in ipairs(NAMES) do
        for _, offer in ipairs {name, name .. "; " .. name .. "=" .. name, "permessage-deflate; " .. name,
          "permessage-deflate; " .. name .. "=1", ("permessage-deflate; server_max_window_bits=%s"):format(name)} do
          seen = nil
          local peer, fields = ends.open(server, compressed.field(offer))
          assert.is_nil(fields[FIELD:lower()], offer)
          ends.turn_until(function() return seen end)
          assert.same({"none", offer}, seen)
          peer:close()
        end
        local peer, fields = ends.open(server, compressed.field(name .. ", permessage-deflate"))
        assert.matches("^permessage%-deflate;", fields[FIELD:lower()])
        peer:masked("text", name)
        assert.equal(name, assert(peer:frame()).payload)
        peer:close()
      end
    end)

    it("attack 13: as extensions or parameters fail a client", function()
      for _, name in ipairs(NAMES) do
        for _, answer in ipairs {name, "permessage-deflate; " .. name} do
          local ok, err = pcall(ends.client, {compress = true}, compressed.field(answer))
          assert.is_false(ok)
          assert.matches("handshake: ", err)
        end
      end
    end)

    it("attack 13: as options raise", function()
      for _, name in ipairs(NAMES) do
        local ok, err = pcall(websock.listen, {port = 0, handler = echo, compress = {[name] = true}})
        assert.is_false(ok)
        assert.matches("unknown option '" .. name .. "'", err, 1, true)
      end
    end)
  end)

  describe("15, bad window bits:", function()
    local BAD = {"7", "16", "999", "08", "", "0", "-9", "+9", "9x", "0x9", "9.0", "99999999999999999999", '""', '"7"',
      '"08"', '"999"', '" 9"'}
    local NAMES = {"server_max_window_bits", "client_max_window_bits"}

    it("attack 15: are refused by a server, which goes on", function()
      local server = ends.listen {port = 0, compress = true, handler = echo}
      for _, name in ipairs(NAMES) do
        for _, bad in ipairs(BAD) do
          local peer = ends.dial(server)
          peer:send(frames.request(compressed.field(("permessage-deflate; %s=%s"):format(name, bad))))
          local line, fields = assert(peer:head())
          assert.is_nil(fields[FIELD:lower()], bad)
          assert.matches("^HTTP/1%.1 [14]0[01] ", line)
          peer:close()
        end
      end
      local peer = ends.open(server, compressed.field {server_max_window_bits = 9})
      peer:masked("text", "alive?")
      assert.equal("alive?", assert(peer:frame()).payload)
    end)

    it("attack 15: are refused by a client, which does not raise", function()
      for _, name in ipairs(NAMES) do
        for _, bad in ipairs(BAD) do
          local listener <close> = raw.server()
          local peer
          websock.spawn(function()
            peer = assert(listener:accept())
            peer:welcome(compressed.field(("permessage-deflate; %s=%s"):format(name, bad)))
          end)
          local ws, err = websock.connect("ws://127.0.0.1:" .. listener.port, {
            compress = compressed.options {}, timeout = 20,
          })
          assert.is_nil(ws, bad)
          assert.matches("^handshake: ", err)
          peer:close()
        end
      end
    end)
  end)

  -- A part is inflated as far as there is memory; the whole message that is received
  -- next may be shorter than that.
  describe("35, limits below the size of a buffer in use:", function()
    after_each(function() allocator.limit() end)

    for _, role in ipairs(ROLES) do
      for _, max in ipairs {0, 999, 16382, 16383, 16384, 65535} do
        it(("attack 35: receive after receive_part, max_message %d, %s"):format(max, role), function()
          allocator.limit()
          local pair = compressed.open(role, {}, {max_message = max})
          ends.inside(function()
            pair:say(("x"):rep(70000))
            allocator.limit(20000)
            local ok, err = pcall(pair.ws.receive_part, pair.ws, raw.patience)
            allocator.limit()
            assert.is_false(ok)
            assert.matches("not enough memory", err)
            local _, what, code = pair:receive()
            assert.same({"closed", 1009}, {what, code})
          end)
        end)
      end

      it("attack 35: receive_part after one that ran out of memory, " .. role, function()
        allocator.limit()
        local pair = compressed.open(role, {}, {max_message = 100})
        ends.inside(function()
          local sent, got = ("x"):rep(70000), {}
          pair:say(sent)
          allocator.limit(20000)
          assert.is_false((pcall(pair.ws.receive_part, pair.ws, raw.patience)))
          allocator.limit()
          local part, last
          repeat
            part, _, last = assert(pair.ws:receive_part(raw.patience))
            got[#got + 1] = part
          until last
          compressed.same(sent, table.concat(got))
        end)
      end)
    end
  end)

  -- 1 MiB of one letter, compressed to about 1,033 bytes by another zlib.
  local function bomb()
    local pipe <close> = assert(io.popen([[python3 -c "
import sys, zlib
c = zlib.compressobj(9, zlib.DEFLATED, -15)
b = c.compress(b'a' * (1 << 20)) + c.flush(zlib.Z_SYNC_FLUSH)
sys.stdout.buffer.write(b[:-4])"]]))
    return pipe:read "a"
  end

  -- How the handlers receive: by the loop's quick path, or with a timeout.
  local ways = {
    messages = echo,
    ["receive(30)"] = function(ws)
      while true do
        local message = ws:receive(30)
        if not message or not ws:send(message) then return end
      end
    end,
  }

  for way, victim_too in pairs(ways) do
    for when, turns in pairs {["at once"] = 0, ["in their midst"] = 5} do
      it(("attack 34: twenty with messages of 63 MiB keep no other waiting: %s, %s"):format(way, when), function()
        local delivered = 0
        local server = ends.listen {port = 0, compress = true, handler = function(ws)
          if not ws.extensions then return victim_too(ws) end
          if way == "messages" then
            for message in ws:messages() do delivered = delivered + #message end
          else
            for message in function() return (ws:receive(30)) end do
              delivered = delivered + #message
            end
          end
        end}
        local frame = frames.compressed("text", bomb(), true, "\0\0\0\0")
        assert.is_true(#frame < 1100)
        local attackers = {}
        for i = 1, 20 do
          attackers[i] = ends.open(server, {[FIELD] = "permessage-deflate"})
        end
        local victim = ends.open(server)
        ends.turn_until(function() return server:count() == 21 end)
        for _, attacker in ipairs(attackers) do
          attacker.sock:settimeout(0)
          assert(attacker.sock:send(frame:rep(63)))
        end
        for _ = 1, turns do websock.step(0) end
        for i = 1, 10 do
          local before = delivered
          assert(victim.sock:send(frames.masked("text", "x" .. i)))
          local bytes, steps = "", 0
          repeat
            websock.step(0)
            steps = steps + 1
            local got, _, partial = victim.sock:receive(64)
            bytes = bytes .. (got or partial)
          until #bytes >= 3 or steps > 100
          assert.equal("x" .. i, frames.parse(bytes).payload)
          -- on a busy machine a message may arrive some turns later
          assert.is_true(delivered - before <= (steps + 1) * MiB, delivered - before .. " bytes before it")
        end
        assert.is_true(delivered > 0)
        for _, attacker in ipairs(attackers) do attacker:reset() end
      end)
    end
  end
end)
