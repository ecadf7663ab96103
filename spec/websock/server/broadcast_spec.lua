-- server:publish and server:broadcast: receivers, counts, slow receivers. The bytes are
-- tested in spec/csrc/core/test_share.c.

local websock = require "websock"
local core = require "websock.core"
local crowd = require "support.crowd"
local ends = require "support.ends"
local frames = require "support.frames"
local look_alike = require "support.look_alike"
local raw = require "support.raw"
local socket = require "socket"
local turn = require("websock.io.loop").turn

local function counts(...) return {...} end

-- Queues more than max_queue on a connection whose peer does not read.
local function clog(one)
  one.ws:socket():setoption("send-buffer-size", 4096)
  local big = ("x"):rep(256 * 1024)
  repeat until not one.ws:send(big, "binary", {timeout = 0})
  assert.is_true(one.ws:buffered() > 1000)
end

describe("broadcast", function()
  after_each(function() ends.finish() end)

  it("reaches all connections, in order, text and binary", function()
    local server, list = crowd.open(3)
    assert.same({3, 0}, counts(server:broadcast "grüße"))
    assert.same({3, 0}, counts(server:broadcast("\255\0", "binary")))
    assert.same({3, 0}, counts(server:broadcast("")))
    for _, one in ipairs(list) do
      local heard = {one.peer:frame(), one.peer:frame(), one.peer:frame()}
      assert.same({1, "grüße", 2, "\255\0", 1, ""}, {heard[1].opcode, heard[1].payload,
        heard[2].opcode, heard[2].payload, heard[3].opcode, heard[3].payload})
      assert.is_nil(heard[1].mask)
    end
  end)

  it("of every size is whole", function()
    local server, list = crowd.open(2)
    for _, n in ipairs {125, 126, 2043, 2044, 2045, 16384, 65535, 65536, 1024 * 1024} do
      local message = ("0123456789"):rep(n // 10 + 1):sub(1, n)
      server:broadcast(message, "binary")
      for _, one in ipairs(list) do
        if assert(one.peer:frame()).payload ~= message then error("broken at " .. n) end
      end
    end
  end)

  it("without connections returns 0, 0", function()
    local server = ends.listen {port = 0, handler = print}
    assert.same({0, 0}, counts(server:broadcast "x"))
    server:stop(0)
    assert.same({0, 0}, counts(server:broadcast "x"))
    assert.same({0, 0}, counts(server:publish("a", "x")))
  end)

  it("leaves out `except`", function()
    local server, list = crowd.open(3)
    for _, one in ipairs(list) do one.ws:subscribe "a" end
    assert.same({2, 0}, counts(server:broadcast("b", "text", {except = list[2].ws})))
    assert.same({2, 0}, counts(server:publish("a", "p", "text", {except = list[1].ws})))
    assert.same({{"b"}, {"p"}, {"b", "p"}}, crowd.heard(server, list))
    list[1].ws:abort()
    assert.same({2, 0}, counts(server:broadcast("c", "text", {except = list[1].ws})))
  end)

  it("keeps its place among other messages", function()
    local server, list = crowd.open(1)
    local ws = list[1].ws
    ws:send("1", "text", {timeout = 0})
    server:broadcast "2"
    server:broadcast(("3"):rep(5000))
    ws:send("4", "text", {timeout = 0})
    ws:send(("5"):rep(20000), "text", {timeout = 0})
    server:broadcast "6"
    local heard = crowd.heard(server, list)[1]
    for i, payload in ipairs(heard) do heard[i] = payload:sub(1, 1) end
    assert.same({"1", "2", "3", "4", "5", "6"}, heard)
  end)

  it("waits behind a writer's message, and lets the writer go on", function()
    local server, list = crowd.open(1, {max_queue = 1000})
    local writer = assert(list[1].ws:writer())
    assert(writer:write("a", 0))
    assert.same({1, 0}, counts(server:broadcast(("x"):rep(3000), "text", {slow = "drop"})))
    assert.is_true(list[1].ws:buffered() > 3000)
    assert.same({0, 1}, counts(server:broadcast("y", "text", {slow = "drop"})))
    assert.is_true(writer:write("b", 0))
    assert.is_true(writer:finish("c", 0))
    local opcodes = {}
    for i = 1, 4 do opcodes[i] = assert(list[1].peer:frame()).opcode end
    assert.same({1, 0, 0, 1}, opcodes)
  end)

  it("that waits for a writer is dropped when the connection ends", function()
    for _, finish in ipairs {
      function(one) one.ws:close(1000, "", 0) end, function(one) one.ws:abort() end,
      function(one) one.peer:close() end, function(one) one.peer:reset() end,
    } do
      local server, list = crowd.open(1, {close_timeout = 60})
      local writer = assert(list[1].ws:writer())
      assert(writer:write("a", 0))
      server:broadcast(("x"):rep(3000))
      finish(list[1])
      if list[1].ws:state() == "closing" then
        repeat until assert(list[1].peer:frame()).opcode == 8
        list[1].peer:masked("close", "\3\232")
      end
      ends.turn_until(function() return not list[1].ws:getfd() end)
      assert.equal(0, list[1].ws:buffered())
      websock.wake(list[1].thread)
    end
  end)

  it("works in a coroutine of the loop and in one of no scheduler", function()
    local server, list = crowd.open(1)
    ends.inside(function() server:broadcast "from a thread" end)
    coroutine.wrap(function() server:broadcast "from a coroutine" end)()
    assert.same({{"from a thread", "from a coroutine"}}, crowd.heard(server, list))
  end)

  it("in a hook reaches all open connections", function()
    local server, hooked
    server = ends.listen {port = 0, handler = function() websock.park(5) end,
      authorize = function()
        hooked = server and counts(server:broadcast "somebody comes")
        return true
      end}
    local first = ends.open(server)
    assert.same({0, 0}, hooked)
    local second = ends.open(server)
    assert.same({1, 0}, hooked)
    assert.equal("somebody comes", assert(first:frame()).payload)
    first:close()
    second:close()
    server:stop(0)
    ends.turn_until(function() return server:count() == 0 end)
  end)

  it("in a handler reaches the others", function()
    local server
    server = ends.listen {port = 0, handler = function(ws)
      for message in ws:messages() do
        local delivered = server:broadcast(message, "text", {except = ws})
        ws:send(tostring(delivered))
      end
    end}
    local one, other = ends.open(server), ends.open(server)
    one:masked("text", "hello")
    assert.equal("hello", assert(other:frame()).payload)
    assert.equal("1", assert(one:frame()).payload)
  end)

  it("closes connections over max_queue with 1008 by default", function()
    local server, list = crowd.open(3, {max_queue = 1000})
    clog(list[2])
    assert.same({2, 1}, counts(server:broadcast("dropped", "text", {slow = "drop"})))
    assert.equal("open", list[2].ws:state())
    assert.same({2, 1}, counts(server:broadcast "closed"))
    assert.equal("closing", list[2].ws:state())
    assert.equal(2, server:count())
    assert.same({2, 0}, counts(server:broadcast "after"))
    for i = 1, 3, 2 do
      for _, payload in ipairs {"dropped", "closed", "after"} do
        assert.equal(payload, assert(list[i].peer:frame()).payload)
      end
    end
    local peer = list[2].peer
    local code, reason = peer:closed()
    assert.same({1008, "too slow"}, {code, reason})
    peer:masked("close", "\3\240")
    ends.turn_until(function() return list[2].ws.close_code end)
    assert.same({1008, true}, {list[2].ws.close_code, list[2].ws.close_clean})
  end)

  it("closes slow connections of a topic, which leave it", function()
    local server, list = crowd.open(4, {max_queue = 1000, close_timeout = 0.05})
    for _, one in ipairs(list) do one.ws:subscribe "a" end
    for i = 1, 3 do clog(list[i]) end
    assert.same({0, 3}, counts(server:publish("a", "x", "text", {except = list[4].ws})))
    assert.same({1, 0}, counts(server:publish("a", "y")))
    assert.equal(1, server:count())
  end)

  it("counts exactly max_queue as room, one more as none", function()
    local server, list = crowd.open(1, {max_queue = 102})
    server:broadcast(("x"):rep(100))  -- 102 bytes with its header
    assert.equal(102, list[1].ws:buffered())
    assert.same({1, 0}, counts(server:broadcast("", "text", {slow = "drop"})))
    assert.equal(104, list[1].ws:buffered())
    assert.same({0, 1}, counts(server:broadcast("", "text", {slow = "drop"})))
    websock.step(0)
    assert.same({1, 0}, counts(server:broadcast "room again"))
  end)

  it("of a turn is written at its end", function()
    local server, list = crowd.open(2)
    for _ = 1, 4 do server:broadcast(("x"):rep(3000)) end
    for _ = 1, 50 do server:broadcast "small" end
    for _, one in ipairs(list) do
      assert.equal(4 * 3004 + 50 * 7, one.ws:buffered())
    end
    websock.step(0)
    for _, one in ipairs(list) do
      assert.equal(0, one.ws:buffered())
      for _ = 1, 54 do assert(one.peer:frame()) end
    end
  end)

  it("raises on wrong arguments, at the caller's line, also without connections", function()
    local server, list = crowd.open(1)
    local function raises(pattern, f, ...)
      local args = table.pack(...)
      local ok, err = pcall(function() f(server, table.unpack(args, 1, args.n)) end)
      assert.is_false(ok)
      assert.matches("^spec/websock/server/broadcast_spec.lua:%d+: .*" .. pattern, err)
    end
    raises("UTF%-8", server.broadcast, "\255")
    raises("UTF%-8", server.publish, "nobody", "\255")
    raises("string expected, got number", server.broadcast, 5)
    raises("string expected, got nil", server.publish, "a")
    raises("kind", server.broadcast, "x", "ping")
    raises("broadcast: unknown option 'slwo'", server.broadcast, "x", "text", {slwo = 1})
    raises("publish: unknown option 'timeout'", server.publish, "a", "x", "text", {timeout = 1})
    raises("option 'slow'", server.publish, "a", "x", "text", {slow = "wait"})
    raises("option 'except'", server.broadcast, "x", "text", {except = 1})
    raises("option 'except'", server.broadcast, "x", "text", {except = {}})
    raises("options: table expected", server.broadcast, "x", "text", 1)
    assert.same({{}}, crowd.heard(server, list))
  end)

  it("is written in one call with all that the turn has queued", function()
    local server = ends.listen {port = 0, handler = function() end}
    local listener = assert(socket.bind("127.0.0.1", 0))
    ends.at_end(function() listener:close() end)
    local peer = raw.client((select(2, listener:getsockname())))
    peer:send(frames.request())
    local sock = look_alike(assert(listener:accept()))
    local ws = assert(websock.accept(sock, {server = server}))
    peer:head()
    local before = sock.calls.send
    websock.spawn(function()
      for i = 1, 5 do
        server:broadcast("b" .. i)
        ws:send("s" .. i)
      end
    end)
    websock.step(0)
    assert.equal(before + 1, sock.calls.send)
    for i = 1, 5 do
      assert.equal("b" .. i, peer:frame().payload)
      assert.equal("s" .. i, peer:frame().payload)
    end
    peer:close()
  end)

  it("in C takes lists of anything, and skips what is no open connection", function()
    local config = core.config "server"
    local handshaking = core.conn(config)
    assert.same({n = 2, 0}, table.pack(core.broadcast({1, "x", {}, io.stdout, handshaking}, "m", "text", turn)))
    assert.same({0}, {core.broadcast({}, "m", "binary", turn)})
    assert.same({nil, "utf8"}, {core.broadcast({}, "\255", "text", turn)})
    assert.is_false(pcall(core.broadcast, {}, "m", "text", 1))
    assert.is_false(pcall(core.broadcast, nil, "m", "text", turn))
  end)
end)
