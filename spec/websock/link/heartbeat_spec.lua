-- The heartbeat: pings, latency, peers that have vanished, peers and applications that
-- are only slow; idle_timeout. The clock is put forward, so that intervals may be as long
-- as by default and a machine that is busy for some seconds changes nothing. Each test
-- waits for an event, or counts.

local websock = require "websock"
local clock = require "support.clock"
local crowd = require "support.crowd"
local descriptors = require "support.descriptors"
local ends = require "support.ends"
local frames = require "support.frames"
local options = require "websock.base.options"
local process = require "support.process"

local INTERVAL, TIMEOUT = 20, 20
local BEATS = {ping_interval = INTERVAL, ping_timeout = TIMEOUT}

local ROLES = {
  client = {make = ends.client, say = "plain"},
  server = {make = ends.server, say = "masked"},
}

-- Makes one test for each role; say(opcode, payload, fin) makes the peer send a frame.
local function both(name, given, body)
  for role, how in pairs(ROLES) do
    it(name .. " (" .. role .. ")", function()
      local ws, peer = how.make(given)
      ends.inside(body, ws, peer, function(...) return peer[how.say](peer, ...) end)
    end)
  end
end

-- The next ping's payload; other frames are skipped.
local function read_ping(peer)
  local frame
  repeat frame = assert(peer:frame()) until frame.opcode == 9
  return frame.payload
end

-- The payload of the ping that is due after an interval.
local function next_ping(peer)
  clock.skip(INTERVAL)
  return read_ping(peer)
end

-- Checks that nothing of an open connection is due before its ping.
local function assert_beats_only(ws, peer)
  for _ = 1, 3 do websock.step() end
  assert.is_true(websock.timeout() > 5)
  next_ping(peer)
  assert.equal("open", ws:state())
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

  both("pings, and measures the round trip", BEATS, function(ws, peer, say)
    assert.is_nil(ws.latency)
    say("pong", next_ping(peer))
    while not ws.latency do websock.sleep(0) end
    assert.is_true(ws.latency >= 0 and ws.latency < 20)
    local first = next_ping(peer)
    say("pong", first)
    assert.not_equal(first, next_ping(peer))
  end)

  both("of a peer that answers goes on", BEATS, function(ws, peer, say)
    for _ = 1, 10 do say("pong", next_ping(peer)) end
    assert.equal("open", ws:state())
  end)

  both("notices a peer that has vanished: 1006, its descriptor is free", BEATS, function(ws, peer)
    clock.pass_until(closed(ws))
    assert.same({n = 4, nil, "closed", 1006, "ping timeout"}, table.pack(ws:receive()))
    assert.same({1006, "ping timeout", false}, {ws.close_code, ws.close_reason, ws.close_clean})
    assert.is_nil(ws:getfd())
    assert.not_equal("timeout", (select(2, peer:rest())))  -- the kernel has reported it
  end)

  both("notices this also behind messages that nobody receives", BEATS, function(ws, _, say)
    say("text", "unread")
    clock.pass_until(closed(ws))
    assert.equal("ping timeout", ws.close_reason)
    assert.equal("unread", ws:receive())
    assert.equal("closed", (select(2, ws:receive())))
  end)

  both("notices this in the middle of a frame", BEATS, function(ws, peer, say)
    say("text", "begun", false)
    peer:send "\128"  -- half a header
    clock.pass_until(closed(ws))
    assert.equal("ping timeout", (select(4, ws:receive())))
  end)

  it("notices a process that was stopped", function()
    local ws
    local server = ends.listen {port = 0, handler = function(connection)
      ws = connection
      ws:receive()
    end}
    local before = descriptors.count()
    local child <close> = process.start(process.lua("-e", ([[
      local websock = require "websock"
      websock.connect("ws://127.0.0.1:%d"):receive()]]):format(ends.port(server))),
      {turn = websock.step, env = {LD_PRELOAD = os.getenv "SANITIZED"}})
    ends.turn_until(function() return ws end)
    clock.skip(INTERVAL)
    ends.turn_until(function() return ws.latency end)
    child:signal "STOP"
    clock.pass_until(closed(ws))
    assert.equal("ping timeout", ws.close_reason)
    ends.turn_until(function() return descriptors.count() <= before + 1 end)  -- its pipe
    child:signal "CONT"
  end)

  both("keeps a peer that sends data, but no pongs", BEATS, function(ws, _, say)
    clock.pass(10 * TIMEOUT, function()
      assert(say("text", "alive"))
      assert.equal("alive", ws:receive())
    end)
    assert.equal("open", ws:state())
  end)

  both("does not take a busy application for a dead peer", BEATS, function(ws, peer, say)
    peer.sock:setoption("send-buffer-size", 4096)
    local n, done = 3000, false
    websock.spawn(function()
      for i = 1, n do assert(say("text", ("%06d"):format(i) .. ("x"):rep(994))) end
      done = true
    end)
    clock.pass(10 * TIMEOUT)
    assert.is_false(done, "it has read everything")
    assert.equal("open", ws:state())
    for i = 1, n do
      local message = assert(ws:receive())
      if tonumber(message:sub(1, 6)) ~= i then error("message " .. i .. " is lost") end
    end
    clock.skip(INTERVAL)
    while not ws.latency do  -- the last of the pings that have come meanwhile
      local frame = peer:frame(0.01)
      if frame and frame.opcode == 9 then say("pong", frame.payload) end
    end
    assert.equal("open", ws:state())
  end)

  -- More than the poller hands out in one turn.
  it("does not take a host that did not turn the loop for a dead peer, 300 times", function()
    local n = 300
    local server, list = crowd.open(n, BEATS)
    clock.skip(INTERVAL)
    for _, one in ipairs(list) do one.ping = assert(one.peer:frame()).payload end
    for _, one in ipairs(list) do assert(one.peer:masked("pong", one.ping)) end
    clock.skip(10 * TIMEOUT)  -- the host is busy
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
    local ws, peer = ends.server(BEATS)
    ws:socket():setoption("send-buffer-size", 4096)
    assert(ws:send(("x"):rep(8 * 1024 * 1024), "binary", {timeout = 0}))
    assert.is_true(ws:buffered() > 0)
    local turns = 0
    clock.pass_until(function()
      turns = turns + 1
      if ws:state() == "open" then peer:masked("text", "alive") end
      return ws:state() == "closed"
    end)
    assert.is_true(turns > TIMEOUT / 2)
    assert.same({1006, "ping timeout"}, {ws.close_code, ws.close_reason})
  end)

  it("keeps a peer that reads slowly, and gets the ping late", function()
    local ws, peer = ends.server(BEATS)
    ws:socket():setoption("send-buffer-size", 4096)
    assert(ws:send(("x"):rep(32 * 1024 * 1024), "binary", {timeout = 0}))
    for _ = 1, 10 * (INTERVAL + 2 * TIMEOUT) do  -- half a megabyte in each timeout
      assert(peer:receive(3000))
      clock.pass(0.1)
    end
    assert.equal("open", ws:state())
    assert.is_true(ws:buffered() > 0, "it has taken everything")
  end)

  it("keeps a connection whose writer pauses while others broadcast", function()
    local server, list = crowd.open(1, BEATS)
    local ws, peer = list[1].ws, list[1].peer
    local writer = assert(ws:writer())
    assert(writer:write("in ", 0))
    server:broadcast("held")
    for _ = 1, 10 do peer:masked("pong", next_ping(peer)) end
    assert.equal("open", ws:state())
    assert(writer:finish("parts", 0))
    local data = {}
    while #data < 2 do
      local frame = assert(peer:frame())
      if frame.opcode < 8 then data[#data + 1] = frame.payload end
    end
    assert.same({"parts", "held"}, data)
  end)

  both("is none with ping_interval = false", {ping_interval = false}, function(ws, peer)
    clock.pass(10 * TIMEOUT)
    assert.equal("open", ws:state())
    assert.same({nil, "timeout"}, {peer:frame(0.01)})
  end)

  both("and pings of the user have separate answers", BEATS, function(ws, peer, say)
    for _ = 1, 5 do
      local seconds
      local thread = websock.spawn(function() seconds = ws:ping() end)
      local payload
      repeat payload = read_ping(peer) until #payload == 8  -- the others are those of the heartbeat
      say("pong", payload)
      while coroutine.status(thread) ~= "dead" do websock.sleep(0) end
      assert.is_number(seconds)
    end
  end)

  it("ends with the connection: no timer is left", function()
    local ws = ends.server(BEATS)
    ws:abort()
    ends.turn_until(function() return not websock.timeout() end)
  end)

  it("has no timer if it has nothing to look at", function()
    for _, given in ipairs {
      {ping_interval = false}, {ping_interval = false, handshake_timeout = false},
      {ping_interval = math.huge}, {ping_interval = false, idle_timeout = math.huge},
    } do
      ends.server(given)
      for _ = 1, 3 do websock.step() end
      assert.is_nil(websock.timeout())
      ends.finish()
    end
  end)

  it("is the only one that has a timer once the connection is open", function()
    local ws, peer = ends.server {ping_interval = INTERVAL, handshake_timeout = 5}
    assert_beats_only(ws, peer)
  end)

  it("begins also while the deadline of the handshake is judged", function()
    local opened
    local server = ends.listen {port = 0, ping_interval = INTERVAL, handshake_timeout = 5,
      on_open = function(ws) opened = ws end, on_message = print}
    local peer = ends.dial(server)
    ends.turn_until(function() return server.n_links == 1 end)
    local last_look = server.class.last_look
    function server.class.last_look(link)
      server.class.last_look = last_look
      peer:send(frames.request())
      return link:last_look()
    end
    clock.skip(6)
    ends.turn_until(function() return opened end)
    assert.matches(" 101 ", (assert(peer:head())))
    assert_beats_only(opened, peer)
  end)

  it("leaves no timer behind if there is no memory for it", function()
    for _, field in ipairs {"next_ping", "beat"} do
      local server = ends.listen {port = 0, ping_interval = INTERVAL, handshake_timeout = 5,
        handler = print, on_error = print}
      function server.class.__newindex(link, name, value)
        if name == field and value then error("not enough memory", 0) end
        rawset(link, name, value)
      end
      local peer = ends.dial(server)
      ends.turn_until(function() return server.n_links == 1 end)
      peer:send(frames.request())
      ends.turn_until(function() return server.n_links == 0 end)
      assert.is_nil(websock.timeout())
    end
  end)

  it("of connections that are not due costs nothing in a turn", function()
    local heartbeat = require "websock.link.heartbeat"
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

  it("closes a connection without messages with 1001", function()
    local ws, peer = ends.server {idle_timeout = 60}
    clock.skip(60)
    assert.same({1001, "idle timeout"}, {peer:closed()})
    assert.not_equal("open", ws:state())
  end)

  it("is off by default", function()
    assert.is_false(options.check("listen", {}).idle_timeout)
  end)

  it("is not put off by pings, nor by half a message", function()
    local ws, peer = ends.server {idle_timeout = 10 * INTERVAL}
    peer:masked("text", "half a ", false)
    local frame, err
    repeat
      frame, err = peer:frame(0.01)
      assert(frame or err == "timeout", err)
      if not frame then
        clock.pass(5)
      elseif frame.opcode == 9 and ws:state() == "open" then
        peer:masked("pong", frame.payload)
        peer:masked("ping", "p")
      end
    until frame and frame.opcode == 8
    assert.equal(1001, (string.unpack(">I2", frame.payload)))
  end)

  it("counts from the end of a handler's work that blocks the loop", function()
    local state, thread
    local server = ends.listen {port = 0, idle_timeout = 60, handler = function(ws)
      local message = ws:receive()
      clock.skip(120)
      ws:send(message)
      coroutine.yield()
      coroutine.yield()  -- after the timers of a turn
      state, thread = ws:state(), coroutine.running()
      websock.park()
    end}
    local peer = ends.open(server)
    peer:masked("text", "x")
    ends.turn_until(function() return thread end)
    assert.equal("open", state)
    -- which then counts
    assert.equal(1, assert(peer:frame()).opcode)
    clock.skip(60)
    assert.same({1001, "idle timeout"}, {peer:closed()})
    websock.wake(thread)
  end)

  local function lives(name, act)
    it("is put off by " .. name, function()
      local ws, peer, server = ends.server {idle_timeout = 60, ping_interval = false}
      clock.pass(600, function() act(ws, peer, server) end)
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
