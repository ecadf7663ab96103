-- The heartbeat: pings, latency, peers that have vanished, peers and applications
-- that only look like it; idle_timeout. Intervals are short, and each test waits
-- for what has to come, whenever it comes.

local websock = require "websock"
local crowd = require "support.crowd"
local descriptors = require "support.descriptors"
local ends = require "support.ends"
local options = require "websock.options"
local process = require "support.process"

local QUICK = {ping_interval = 0.02, ping_timeout = 0.1}

local ROLES = {
  client = {make = ends.client, say = "plain"},
  server = {make = ends.server, say = "masked"},
}

-- Once for each role; say(opcode, payload, fin) has the peer send a frame.
local function both(name, given, body)
  for role, how in pairs(ROLES) do
    it(name .. " (" .. role .. ")", function()
      local ws, peer = how.make(given)
      ends.inside(body, ws, peer, function(...) return peer[how.say](peer, ...) end)
    end)
  end
end

-- The next ping's payload; other frames are passed over.
local function next_ping(peer)
  local frame
  repeat frame = assert(peer:frame()) until frame.opcode == 9
  return frame.payload
end

-- Turns the loop for at least this long.
local function turn_for(seconds)
  local last = websock.now() + seconds
  repeat websock.step(0.01) until websock.now() >= last
end

local function closed(ws)
  return function() return ws:state() == "closed" end
end

describe("heartbeat", function()
  after_each(function() ends.finish() end)

  it("is on by default, in both roles", function()
    for _, where in ipairs {"connect", "listen", "accept"} do
      local defaults = options.check(where, {})
      assert.equal(20, defaults.ping_interval)
      assert.equal(20, defaults.ping_timeout)
    end
  end)

  both("pings, and measures the round trip", QUICK, function(ws, peer, say)
    assert.is_nil(ws.latency)
    say("pong", next_ping(peer))
    while not ws.latency do websock.sleep(0.001) end
    assert.is_true(ws.latency >= 0 and ws.latency < 20)
    local first = next_ping(peer)
    say("pong", first)
    assert.not_equal(first, next_ping(peer))
  end)

  both("of a peer that answers goes on", QUICK, function(ws, peer, say)
    for _ = 1, 10 do say("pong", next_ping(peer)) end
    assert.equal("open", ws:state())
  end)

  both("notices a peer that has vanished: 1006, its descriptor is free", QUICK, function(ws, peer)
    assert.same({n = 4, nil, "closed", 1006, "ping timeout"}, table.pack(ws:receive()))
    assert.same({1006, "ping timeout", false}, {ws.close_code, ws.close_reason, ws.close_clean})
    assert.is_nil(ws:getfd())
    assert.not_equal("timeout", (select(2, peer:rest())))  -- the kernel has told it
  end)

  both("notices it also behind messages that nobody receives", QUICK, function(ws, _, say)
    say("text", "unread")
    while ws:state() ~= "closed" do websock.sleep(0.01) end
    assert.equal("ping timeout", ws.close_reason)
    assert.equal("unread", ws:receive())
    assert.equal("closed", (select(2, ws:receive())))
  end)

  both("notices it in the middle of a frame", QUICK, function(ws, peer, say)
    say("text", "begun", false)
    peer:send "\128"  -- half a header
    assert.equal("ping timeout", (select(4, ws:receive())))
  end)

  it("notices a process that was stopped", function()
    local ws
    local server = ends.listen {port = 0, ping_interval = 0.2, ping_timeout = 0.4,
      handler = function(connection)
        ws = connection
        ws:receive()
      end}
    local before = descriptors.count()
    local child <close> = process.start(process.lua("-e", ([[
      local websock = require "websock"
      websock.connect("ws://127.0.0.1:%d"):receive()]]):format(ends.port(server))),
      {turn = websock.step, env = {LD_PRELOAD = os.getenv "SANITIZED"}})
    ends.turn_until(function() return ws and ws.latency end)
    child:signal "STOP"
    ends.turn_until(closed(ws))
    assert.equal("ping timeout", ws.close_reason)
    ends.turn_until(function() return descriptors.count() <= before + 1 end)  -- its pipe
    child:signal "CONT"
  end)

  both("lets a peer live that sends data, and never pongs", QUICK, function(ws, _, say)
    local last = websock.now() + 0.5
    while websock.now() < last do
      assert(say("text", "alive"))
      assert.equal("alive", ws:receive())
      websock.sleep(0.01)
    end
    assert.equal("open", ws:state())
  end)

  both("takes an application that is behind for no dead peer", QUICK, function(ws, peer, say)
    peer.sock:setoption("send-buffer-size", 4096)
    local n, done = 3000, false
    websock.spawn(function()
      for i = 1, n do assert(say("text", ("%06d"):format(i) .. ("x"):rep(994))) end
      done = true
    end)
    websock.sleep(0.6)  -- interval and timeout, several times
    assert.is_false(done, "it has read everything")
    assert.equal("open", ws:state())
    for i = 1, n do
      local message = assert(ws:receive())
      if tonumber(message:sub(1, 6)) ~= i then error("message " .. i .. " is lost") end
    end
    say("pong", next_ping(peer))
    while not ws.latency do
      say("pong", next_ping(peer))
      websock.sleep(0.001)
    end
    assert.equal("open", ws:state())
  end)

  -- More than the poller hands out in one turn.
  it("takes a host that did not turn the loop for no dead peer, 300 times", function()
    local n = 300
    local server, list = crowd.open(n, {ping_interval = 0.3, ping_timeout = 0.3})
    local pings = {}
    for i, one in ipairs(list) do
      while not pings[i] do  -- without the loop: only what it has sent already
        one.peer.sock:settimeout(0)
        local bytes, _, partial = one.peer.sock:receive(9)
        bytes = (pings.partial or "") .. (bytes or partial)
        if #bytes == 9 then pings[i] = bytes:sub(3) else websock.step(0.01) end
      end
      assert(one.peer:masked("pong", pings[i]))
    end
    local last = websock.now() + 1  -- the host is busy
    repeat until websock.now() >= last
    for _ = 1, 20 do websock.step(0) end
    assert.equal(n, server:count())
  end)

  both("answers pings while the application is away", {ping_interval = false}, function(ws, peer, say)
    say("text", "unread")
    for i = 1, 200 do
      say("ping", "number " .. i)
      local frame = assert(peer:frame())
      assert.same({10, "number " .. i}, {frame.opcode, frame.payload})
    end
    assert.equal("unread", ws:receive())
  end)

  -- A client's own frames take their time to mask and parse: a server only.
  it("gives up a peer that accepts no byte for ping_timeout, though it sends", function()
    local ws, peer = ends.server {ping_interval = 0.05, ping_timeout = 0.2}
    ws:socket():setoption("send-buffer-size", 4096)
    assert(ws:send(("x"):rep(8 * 1024 * 1024), "binary", {timeout = 0}))
    assert.is_true(ws:buffered() > 0)
    local turns = 0
    ends.turn_until(function()
      turns = turns + 1
      if ws:state() == "open" then peer:masked("text", "alive") end
      return ws:state() == "closed"
    end)
    assert.is_true(turns > 1)
    assert.same({1006, "ping timeout"}, {ws.close_code, ws.close_reason})
  end)

  it("lets a peer live that reads slowly, and finds the ping late", function()
    local ws, peer = ends.server {ping_interval = 0.05, ping_timeout = 1}
    ws:socket():setoption("send-buffer-size", 4096)
    assert(ws:send(("x"):rep(32 * 1024 * 1024), "binary", {timeout = 0}))
    local last = websock.now() + 2.5
    while websock.now() < last do
      peer.sock:receive(30000)
      turn_for(0.01)
    end
    assert.equal("open", ws:state())
    assert.is_true(ws:buffered() > 0, "it has taken everything")
  end)

  it("lets a connection live whose writer rests while others broadcast", function()
    local server, list = crowd.open(1, {ping_interval = 0.05, ping_timeout = 0.1})
    local ws, peer = list[1].ws, list[1].peer
    local writer = assert(ws:writer())
    assert(writer:write("in ", 0))
    server:broadcast("held")
    local last = websock.now() + 0.5
    while websock.now() < last do
      local frame = peer:frame(0.01)
      if frame and frame.opcode == 9 then peer:masked("pong", frame.payload) end
    end
    assert.equal("open", ws:state())
    assert(writer:finish("parts", 0))
    local data = {}
    while #data < 2 do
      local frame = assert(peer:frame())
      if frame.opcode < 8 then data[#data + 1] = frame.payload end
    end
    assert.same({"parts", "held"}, data)
  end)

  both("is none with ping_interval = false", {ping_interval = false, ping_timeout = 0.01},
    function(ws, peer)
      websock.sleep(0.1)
      assert.equal("open", ws:state())
      assert.same({nil, "timeout"}, {peer:frame(0.05)})
    end)

  both("and pings of the user's answer for themselves", QUICK, function(ws, peer, say)
    for _ = 1, 5 do
      local seconds
      local thread = websock.spawn(function() seconds = ws:ping() end)
      local payload
      repeat payload = next_ping(peer) until #payload == 8  -- the others are the heartbeat's
      say("pong", payload)
      while coroutine.status(thread) ~= "dead" do websock.sleep(0.001) end
      assert.is_number(seconds)
    end
  end)

  it("ends with the connection: no timer is left", function()
    local ws = ends.server(QUICK)
    ws:abort()
    ends.turn_until(function() return not websock.timeout() end)
  end)

  it("of connections whose time has not come costs a turn nothing", function()
    local heartbeat = require "websock.heartbeat"
    local original, looks = heartbeat.look, 0
    heartbeat.look = function(...)
      looks = looks + 1
      return original(...)
    end
    ends.at_end(function() heartbeat.look = original end)
    local n = 500
    crowd.open(n, {ping_interval = 3600})
    local calls = 0
    debug.sethook(function() calls = calls + 1 end, "c")
    for _ = 1, 10 do websock.step(0) end
    debug.sethook()
    assert.equal(0, looks)
    assert.is_true(calls < n, calls .. " calls in ten turns")
  end)
end)

describe("idle_timeout", function()
  after_each(function() ends.finish() end)

  it("closes with 1001 whoever neither sends nor gets a message", function()
    local ws, peer = ends.server {idle_timeout = 0.05}
    assert.same({1001, "idle timeout"}, {peer:closed()})
    assert.not_equal("open", ws:state())
  end)

  it("is off by default", function()
    assert.is_false(options.check("listen", {}).idle_timeout)
  end)

  it("is not kept off by pings, nor by half a message", function()
    local ws, peer = ends.server {idle_timeout = 0.2, ping_interval = 0.02}
    peer:masked("text", "half a ", false)
    local frame
    local deadline = websock.now() + 20
    repeat
      frame = assert(peer:frame())
      if frame.opcode == 9 and ws:state() == "open" then
        peer:masked("pong", frame.payload)
        peer:masked("ping", "p")
      end
    until frame.opcode == 8 or websock.now() > deadline
    assert.equal(8, frame.opcode)
    assert.equal(1001, (string.unpack(">I2", frame.payload)))
  end)

  it("counts from the end of what a handler does without letting others go on", function()
    local state, thread
    local server = ends.listen {port = 0, idle_timeout = 0.2, handler = function(ws)
      local message = ws:receive()
      local last = websock.now() + 0.4
      repeat until websock.now() > last
      ws:send(message)
      coroutine.yield()
      coroutine.yield()  -- a turn's timers have been looked at
      state, thread = ws:state(), coroutine.running()
      websock.park()
    end}
    local peer = ends.open(server)
    peer:masked("text", "x")
    ends.turn_until(function() return thread end)
    assert.equal("open", state)
    -- and is then counted
    assert.equal(1, assert(peer:frame()).opcode)
    assert.same({1001, "idle timeout"}, {peer:closed()})
    websock.wake(thread)
  end)

  local function lives(name, act)
    it("is kept off by " .. name, function()
      local ws, peer, server = ends.server {idle_timeout = 0.3}
      local last = websock.now() + 1
      while websock.now() < last do
        act(ws, peer, server)
        turn_for(0.01)
      end
      assert.equal("open", ws:state())
    end)
  end

  lives("messages that are sent", function(ws) assert(ws:send("x", "text", {timeout = 0})) end)
  lives("messages that are received", function(ws, peer)
    peer:masked("text", "x")
    ws:receive(0)
  end)
  lives("broadcasts", function(_, _, server) server:broadcast "x" end)
  lives("messages that wait for the application", function(ws, peer)
    if not ws.told then peer:masked("text", "x") end
    ws.told = true
  end)
end)
