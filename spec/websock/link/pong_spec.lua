-- Every ping is answered (RFC 6455 section 5.5.2), in order and whatever the application
-- does, as long as at most 1 KiB of pongs is unsent. The limit itself is tested in
-- spec/csrc/core/test_ping.c.

local core = require "websock.core"
local websock = require "websock"
local ends = require "support.ends"
local frames = require "support.frames"
local pairs_of = require "support.pairs"

local each_way = pairs_of.each(it)

-- Pings numbered from..to, one after the other.
local function pings(way, from, to)
  local all = {}
  for i = from, to do
    all[#all + 1] = pairs_of.build(way, {opcode = "ping", payload = "ping " .. i})
  end
  return table.concat(all)
end

-- Raises unless the next frames are the pongs from..to.
local function expect_pongs(peer, from, to)
  for i = from, to do
    local frame = assert(peer:frame())
    assert.same({frames.opcode.pong, "ping " .. i}, {frame.opcode, frame.payload})
  end
end

local function receive_all(ws)
  for message, kind in ws:messages() do ws:send(message, kind) end
end

local function receive_silently(ws)
  for _ in ws:messages() do end
end

local function be_away_after_one(ws)
  ws:receive()
  repeat websock.sleep(0.01) until ws:state() ~= "open"
end

local function be_away(ws)
  repeat websock.sleep(0.01) until ws:state() ~= "open"
end

describe("pongs", function()
  after_each(function() ends.finish() end)

  for name, handler in pairs {["an application that receives"] = receive_all,
      ["one that is away"] = be_away} do
    each_way("ten for ten pings in one segment, " .. name, function(way)
      local peer = pairs_of.open(way, nil, handler)
      assert(peer:send(pings(way, 1, 10)))
      expect_pongs(peer, 1, 10)
    end)

    each_way("behind the handshake, " .. name, function(way)
      local peer = pairs_of.open(way, nil, handler, pings(way, 1, 10))
      expect_pongs(peer, 1, 10)
    end)

    each_way("one by one and many at once, " .. name, function(way)
      local peer = pairs_of.open(way, nil, handler)
      for i = 1, 100, 10 do
        assert(peer:send(pings(way, i, i)))
        expect_pongs(peer, i, i)
        assert(peer:send(pings(way, i + 1, i + 9)))
        expect_pongs(peer, i + 1, i + 9)
      end
    end)
  end

  for name, handler in pairs {["that receives it, and says nothing"] = receive_silently,
      ["that is away then"] = be_away_after_one} do
    each_way("behind a message, to an application " .. name, function(way)
      local peer = pairs_of.open(way, nil, handler)
      local message = pairs_of.build(way, {payload = "a"})
      assert(peer:send(message .. pings(way, 1, 5) .. message .. pings(way, 6, 9)))
      expect_pongs(peer, 1, 9)
    end)
  end

  each_way("between the fragments of a message, and before a Close", function(way)
    local peer = pairs_of.open(way, nil, receive_all)
    assert(peer:send(pairs_of.build(way, {payload = "a", fin = false}) .. pings(way, 1, 9)
      .. pairs_of.build(way, {opcode = "continuation", payload = "b"}) .. pings(way, 10, 20)))
    expect_pongs(peer, 1, 20)
    local echo = assert(peer:frame())
    assert.same({frames.opcode.text, "ab"}, {echo.opcode, echo.payload})
    assert(peer:send(pings(way, 21, 30)
      .. pairs_of.build(way, {opcode = "close", payload = frames.close_payload(1000)})))
    expect_pongs(peer, 21, 30)
    assert.same({1000, ""}, {peer:closed()})
  end)

  each_way("before the end, after the peer has shut down its side", function(way)
    if way.tls then return end  -- close_notify ends both sides
    local peer = pairs_of.open(way, nil, receive_all)
    assert(peer:send(pings(way, 1, 10)))
    peer:shutdown()
    expect_pongs(peer, 1, 10)
  end)

  it("do not count against max_queue", function()
    local conn = core.conn(core.config "server")
    conn:feed(frames.request())
    conn:handshake()
    conn:accept()
    conn:sent(conn:queued())
    conn:feed(pings({role = "server"}, 1, 1000))
    assert.is_true(conn:queued() > 1000 and conn:queued() <= 1024 + 131)
    assert.equal(0, conn:backlog())
    assert.is_truthy(conn:send("a", "text", 0))
    assert.equal(3, conn:backlog())
    assert.same({nil, "queue full"}, {conn:send("b", "text", 0)})
  end)
end)
