-- websock.step in hosts that own the main loop: it never waits, its work is bounded
-- whatever a client sends, and the host need not call it unless pollfd or timeout say
-- so.

local websock = require "websock"
local core = require "websock.core"
local clock = require "support.clock"
local ends = require "support.ends"
local frames = require "support.frames"

-- Calls `seen` with the arguments of each call of an object's C method, until the test
-- is over.
local function watch(object, name, seen)
  local methods = debug.getmetatable(object).__index
  local original = methods[name]
  methods[name] = function(...)
    seen(...)
    return original(...)
  end
  ends.at_end(function() methods[name] = original end)
end

local function echo(ws)
  for message, kind in ws:messages() do ws:send(message, kind) end
end

describe("step", function()
  after_each(function() ends.finish() end)

  it("with 0 never waits, whatever there is to wait for", function()
    local server = ends.listen {port = 0, handler = echo}
    local peer = ends.open(server)
    websock.spawn(websock.sleep, 0.02)
    clock.interrupt(0)
    for i = 1, 60 do
      if i % 10 == 0 then peer.sock:send(frames.masked("text", "x")) end
      assert.is_true(websock.step(0))
      assert.is_true(websock.step())
    end
    assert.same({120, 0}, {clock.waited()})  -- it polls once each time
  end)

  it("reads each connection once, and no more than 64 messages of it", function()
    local counts, reads = {}, {}
    local server = ends.listen {port = 0, handler = function(ws)
      counts[ws] = 0
      for _ in ws:messages() do counts[ws] = counts[ws] + 1 end
    end}
    local flooder, other = ends.open(server), ends.open(server)
    ends.turn_until(function() return server:count() == 2 end)
    local flood = frames.masked("text", "x"):rep(50000)
    local from = 1
    flooder.sock:settimeout(0)
    watch(core.conn(core.config "server"), "pull", function(conn)
      reads[conn] = (reads[conn] or 0) + 1
    end)
    local total = 0
    for i = 1, 300 do
      local last, _, partial = flooder.sock:send(flood, from)
      from = (last or partial or from - 1) + 1
      if from > #flood then from = 1 end
      if i == 100 then other.sock:send(frames.masked("text", "me too")) end
      reads = {}
      websock.step(0)
      local handled, others = 0, 0
      for _, n in pairs(counts) do
        handled = math.max(handled, n)
        others = n == 1 and 1 or others
      end
      if handled - total > 65 then error(handled - total .. " messages in one step") end
      total = handled
      for _, n in pairs(reads) do
        if n > 1 then error("it was read " .. n .. " times in one step") end
      end
      if i == 110 then assert.equal(1, others) end  -- served during the flood
    end
    assert.is_true(total > 1000)
  end)

  it("accepts a batch, not all connections that wait", function()
    local server = ends.listen {port = 0, handler = echo}
    local accepts = 0
    local original = core.accept
    core.accept = function(...)
      accepts = accepts + 1
      return original(...)
    end
    ends.at_end(function() core.accept = original end)
    local socket = require "socket"
    for _ = 1, 200 do
      local sock = assert(socket.connect("127.0.0.1", ends.port(server)))
      ends.at_end(function() sock:close() end)
    end
    local most = 0
    repeat
      accepts = 0
      websock.step(0)
      most = math.max(most, accepts)
    until accepts == 0
    assert.is_true(most <= 65, most .. " in one step")
  end)

  it("sends at its end what was queued before it and in it", function()
    local ws, peer, server = ends.server()
    ws:send("before", "text", {timeout = 0})
    server:broadcast "broadcast"
    websock.step(0)
    assert.equal(0, ws:buffered())
    assert.same({"before", "broadcast"}, {peer:frame().payload, peer:frame().payload})
  end)

  -- The host waits in its own way, and calls step only when pollfd or timeout say so.
  -- host(seconds) waits until pollfd is readable or that time is over.
  local function serves(host)
    local server = ends.listen {port = 0, handler = echo, ping_interval = 0.05}
    local peer = ends.dial(server)
    local request, pinged, echoed, buffer = frames.request(), false, false, ""
    peer.sock:settimeout(0)
    assert(peer.sock:send(request .. frames.masked("text", "hello")))
    local steps = 0
    local deadline = websock.now() + 20
    while not (pinged and echoed) and websock.now() < deadline do
      host(websock.timeout())
      websock.step(0)
      steps = steps + 1
      local bytes, _, partial = peer.sock:receive(65536)
      buffer = buffer .. (bytes or partial)
      local _, _, after = frames.parse_head(buffer)
      for _, frame in ipairs(after and frames.parse_all(buffer:sub(after)) or {}) do
        pinged = pinged or frame.opcode == 9
        echoed = echoed or frame.payload == "hello"
      end
    end
    assert.is_true(pinged and echoed)
    assert.is_true(steps < 50, steps .. " steps: the host spins")
  end

  if websock.pollfd() then
    it("is driven by a host's poll", function()
      local poller = core.poller "poll"
      serves(function(seconds)
        poller:watch(websock.pollfd(), 1, 1)
        poller:wait(seconds)
        while poller:next() do end
      end)
    end)

    local has_luv, luv = pcall(require, "luv")
    if has_luv then
      it("is driven by luv", function()
        local poll, timer = luv.new_poll(websock.pollfd()), luv.new_timer()
        ends.at_end(function()
          poll:close()
          timer:close()
          luv.run()
        end)
        poll:start("r", function() luv.stop() end)
        serves(function(seconds)
          timer:stop()
          if seconds then timer:start(math.ceil(seconds * 1000), 0, luv.stop) end
          luv.run()
        end)
      end)
    end
  end
end)
