-- Messages before an end can be answered before it: a Close, or a broken rule, behind
-- messages takes effect when the receiver calls `receive` again. The same if a socket
-- object is driven through its methods.

local websock = require "websock"
local connection = require "websock.link.connection"
local ends = require "support.ends"
local frames = require "support.frames"
local pairs_of = require "support.pairs"

local each_way = pairs_of.each(it, pairs_of.ways, pairs_of.by_methods)

local function hi(way) return pairs_of.plainly(way, "text", "hi") end

local function close(way)
  return pairs_of.plainly(way, "close", frames.close_payload(1000))
end

local function broken(way) return pairs_of.plainly(way, 3, "") end

local function echo(ws)
  for message, kind in ws:messages() do ws:send(message, kind) end
end

local function slow_echo(ws)
  for message, kind in ws:messages() do
    websock.sleep(0.02)
    assert.equal("open", ws:state())
    ws:send(message, kind)
  end
end

local function expect_echo(peer, text)
  local frame = assert(peer:frame())
  assert.same({frames.opcode.text, text}, {frame.opcode, frame.payload})
end

describe("an end behind messages", function()
  after_each(function() ends.finish() end)

  it("the input that showed the fault", function()
    ends.inside(function()
      local way = pairs_of.ways[1]
      local peer = pairs_of.open(way, nil, echo,
        "\x81\x82\0\0\0\0hi" .. "\x88\x82\0\0\0\0\x03\xe8")
      expect_echo(peer, "hi")
      assert.same({1000, ""}, {peer:closed()})
    end)
  end)

  for name, handler in pairs {["an echo"] = echo, ["a slow echo"] = slow_echo} do
    each_way("a Close right behind the handshake, " .. name, function(way)
      local peer = pairs_of.open(way, nil, handler, hi(way) .. hi(way) .. close(way))
      expect_echo(peer, "hi")
      expect_echo(peer, "hi")
      assert.same({1000, ""}, {peer:closed()})
    end)

    each_way("a broken rule, " .. name, function(way)
      local peer = pairs_of.open(way, nil, handler, hi(way) .. broken(way))
      expect_echo(peer, "hi")
      assert.equal(1002, (peer:closed()))
    end)

    each_way("later on, whole and byte by byte, " .. name, function(way)
      for size = 1, 30, 29 do
        local peer = pairs_of.open(way, nil, handler)
        local bytes = hi(way) .. close(way)
        for at = 1, #bytes, size do assert(peer:send(bytes:sub(at, at + size - 1))) end
        expect_echo(peer, "hi")
        assert.same({1000, ""}, {peer:closed()})
      end
    end)
  end

  each_way("more messages than one turn delivers", function(way)
    for _, finish in ipairs {close, broken} do
      local peer = pairs_of.open(way, nil, echo, hi(way):rep(200) .. finish(way))
      for _ = 1, 200 do expect_echo(peer, "hi") end
      assert.equal(finish == close and 1000 or 1002, (peer:closed()))
    end
  end)

  each_way("lets another coroutine send, ping and write meanwhile", function(way)
    local sent
    local peer = pairs_of.open(way, {close_timeout = 60}, function(ws)
      assert.equal("hi", (ws:receive()))
      websock.spawn(function()
        assert(ws:send "from another")
        local writer <close> = assert(ws:writer())
        assert(writer:write "in ")
        assert(writer:write "fragments")
        assert(writer:finish())
        sent = true
      end)
      ends.wait_until(function() return sent end)
      assert.equal("open", ws:state())
      assert.same({nil, "closed", 1000, "", n = 4}, table.pack(ws:receive()))
    end, hi(way) .. close(way))
    expect_echo(peer, "from another")
    local text = ""
    repeat
      local frame = assert(peer:frame())
      text = text .. frame.payload
    until frame.fin
    assert.equal("in fragments", text)
    assert.same({1000, ""}, {peer:closed()})
  end)

  each_way("waits for close_timeout at most", function(way)
    local code, state
    local peer = pairs_of.open(way, {close_timeout = 0.1}, function(ws)
      assert.equal("hi", (ws:receive()))
      repeat websock.sleep(0.01) until ws:state() ~= "open"
      code, state = ws.close_code, ws:state()
    end)
    assert(peer:send(hi(way) .. close(way)))
    assert.same({1000, ""}, {peer:closed()})
    ends.wait_until(function() return code end)
    assert.same({1000, "closed"}, {code, state})
  end)

  each_way("takes effect at once if nobody ever receives", function(way)
    local state
    local peer = pairs_of.open(way, {close_timeout = 60}, function(ws)
      repeat websock.sleep(0.01) until ws:state() ~= "open"
      state = ws:state()
    end, hi(way) .. close(way))
    assert.same({1000, ""}, {peer:closed()})
    ends.wait_until(function() return state end)
  end)

  each_way("is applied first by our own close, and by abort", function(way)
    for _, method in ipairs {"close", "abort"} do
      local ended
      local peer = pairs_of.open(way, {close_timeout = 60}, function(ws)
        assert.equal("hi", (ws:receive()))
        websock.sleep(0.05)
        assert.equal("open", ws:state())
        ws[method](ws, nil, nil, 0)
        ended = {ws.close_code, ws:state()}
      end)
      assert(peer:send(hi(way) .. close(way)))
      ends.wait_until(function() return ended end)
      assert.same({1000, "closed"}, ended)
    end
  end)

  each_way("is not replaced by the transport's end", function(way)
    local got
    local peer = pairs_of.open(way, {close_timeout = 60}, function(ws)
      assert.equal("hi", (ws:receive()))
      websock.sleep(0.1)
      got = table.pack(ws:receive())
    end)
    assert(peer:send(hi(way) .. close(way)))
    peer:close()
    ends.wait_until(function() return got end)
    assert.same({nil, "closed", 1000, "", n = 4}, got)
  end)

  each_way("at random splits, compressed", function(way)
    local field = {["Sec-WebSocket-Extensions"] = "permessage-deflate"}
    local options = {compress = {server_no_context_takeover = false, server_max_window_bits = 15,
      client_max_window_bits = 15}}
    local hello = frames.build {opcode = "text", payload = "\xf2\x48\xcd\xc9\xc9\x07\x00", rsv = frames.RSV1,
      mask = way.role == "server" and "\1\2\3\4" or nil}
    for seed = 1, 4 do
      local random = seed
      local peer = pairs_of.open(way, options, slow_echo, nil, field)
      local bytes, at = hello .. hi(way) .. close(way), 1
      while at <= #bytes do
        random = random * 1103515245 + 12345 & 0x7fffffff
        local n = 1 + (random >> 8) % 12
        assert(peer:send(bytes:sub(at, at + n - 1)))
        at = at + n
      end
      expect_echo(peer, "Hello")
      expect_echo(peer, "hi")
      assert.same({1000, ""}, {peer:closed()})
    end
  end)

  each_way("of ours comes with much unread, which is read to the peer's Close", function(way)
    local link
    local peer = pairs_of.open(way, {ping_interval = false, close_timeout = 100}, function(ws)
      link = connection.link(ws)
      ends.wait_until(function() return link.conn:is_behind() end)
      for _ = 1, 10 do websock.sleep(0) end  -- until the poller reports it no more
    end, hi(way) .. pairs_of.plainly(way, "text", ("x"):rep(100000)) .. close(way))
    assert.equal(1000, (peer:closed()))
    ends.wait_until(function() return link.stage == "closed" or link.stage == "gone" end)
    assert.is_true(link.ws.close_clean)
    peer:close()
  end)

  each_way("waits for parts of messages, and for a handler that returns", function(way)
    local peer = pairs_of.open(way, {close_timeout = 60}, function(ws)
      assert.equal("hi", (ws:receive_part()))
      websock.sleep(0.05)
      assert(ws:send("bye"))
    end)
    assert(peer:send(hi(way) .. close(way)))
    expect_echo(peer, "bye")
    assert.same({1000, ""}, {peer:closed()})
  end)
end)
