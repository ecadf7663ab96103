-- The loop as a guest: what no scheduler changes, under one of the spec's own. The
-- matrix of all schedulers is in hosts_spec.lua.

local socket = require "socket"
local websock = require "websock"
local clock = require "support.clock"
local ends = require "support.ends"
local frames = require "support.frames"
local hosts = require "support.own_host"
local raw = require "support.raw"

-- Runs f(host) in a coroutine of a scheduler of the spec's own, until all of that have
-- ended.
local function inside(f)
  local host = hosts.own()
  host.spawn(f, host)
  local server = websock.listen {port = false, handler = print, scheduler = host.adapter}
  host.run()
  server:stop()
end

-- The same with a connection to an echo server.
local connected = hosts.connector(inside)

-- Returns the pump of a host of the spec's own, n peers of a server in the loop, the server,
-- and what ends all of it.
local function pumped(n, options)
  local host, pump = hosts.own(), nil
  function host.adapter.begin(given) pump = given end
  local other = websock.listen {port = false, handler = print, scheduler = host.adapter}
  options.port = 0
  local server, peers = websock.listen(options), {}
  for i = 1, n do peers[i] = ends.open(server) end
  repeat until pump.turn() ~= 0
  return pump, peers, server, function()
    other:stop()
    server:stop(0)
    ends.finish()
  end
end

-- Waits until nothing refers to what a weak table holds.
local function collect(weak)
  for _ = 1, 3 do collectgarbage() end
  assert.is_nil(next(weak))
end

-- Calls f with a listening LuaSocket object and its port.
local function listening(f)
  local object = assert(socket.bind("127.0.0.1", 0))
  local _, port = object:getsockname()
  f(object, port)
  object:close()
end

describe("a user's scheduler", function()
  it("waits in its own coroutines", function()
    connected(function(ws, host)
      for i = 1, 10 do
        assert(ws:send(tostring(i)))
        assert.same({tostring(i), "text"}, {ws:receive()})
      end
      assert.same({nil, "timeout"}, {ws:receive(0.02)})
      assert.is_number(ws:ping())
      assert.is_true(ws:flush())
      local before = websock.now()
      websock.sleep(0.03)
      assert.is_true(websock.now() - before >= 0.03)
      assert.is_true(ws:close())
      assert.is_true(host.parks > 3)
    end)
  end)

  it("is the caller's if connect names it, though it does not say so", function()
    inside(function(host)
      local server, url = hosts.echo()
      local other = hosts.own()
      local function parks() return host.adapter.park(coroutine.running()) end
      other.adapter.park, other.adapter.wake = parks, host.adapter.wake
      other.adapter.owns = function() end
      local ws = assert(websock.connect(url, {scheduler = other.adapter}))
      assert.is_true(other.has_begun)
      ws:close()
      server:stop()
    end)
  end)

  it("is not the caller's if connect names the loop: then that is turned here", function()
    inside(function(host)
      local server, url = hosts.echo()
      local before = host.parks
      local ws = assert(websock.connect(url, {scheduler = "loop"}))
      assert.equal(before, host.parks)
      ws:ping()
      assert.is_true(host.parks > before)
      ws:close()
      server:stop()
    end)
  end)

  it("gets the error of a turn that fails, and a new pump", function()
    local host = hosts.own()
    local begun, pump = 0, nil
    function host.adapter.begin(given) begun, pump = begun + 1, given end
    local server = websock.listen {port = false, handler = print, scheduler = host.adapter}
    clock.break_waits(1)
    assert.error_matches(function() pump.turn() end, "websock: poll: bad descriptor")
    assert.is_true(pump.is_over)
    server:stop()
    server = websock.listen {port = false, handler = print, scheduler = host.adapter}
    assert.equal(2, begun)
    server:stop()
  end)

  it("has a turn of its own after each connection that takes long", function()
    local served = 0
    local function take_long()
      served = served + 1
      clock.skip(0.01)
    end
    local pump, peers, _, stop = pumped(3, {on_message = take_long})
    for _, peer in ipairs(peers) do peer.sock:send(frames.masked("text", "x")) end
    for i = 1, 3 do
      local seconds = pump.turn()
      assert.equal(i, served)
      assert.equal(i < 3, seconds == 0 and pump.due == -math.huge)
    end
    for _ = 1, 3 do websock.spawn(take_long) end
    pump.turn()
    assert.equal(6, served)  -- else more might be woken than run
    stop()
  end)

  it("drops no peer whose request has waited for other connections", function()
    local PATIENCE = 10
    local pump, peers, server, stop = pumped(5, {handshake_timeout = PATIENCE,
      authorize = function() return true end,
      on_message = function() clock.skip(PATIENCE / 4) end})
    local late = ends.dial(server)
    for _ = 1, 3 do pump.turn() end  -- accepts it, and finds that it takes bytes
    for _, peer in ipairs(peers) do peer.sock:send(frames.masked("text", "x")) end
    late.sock:send(frames.request())
    repeat until pump.turn() ~= 0
    assert.matches("^HTTP/1.1 101", late:head())
    stop()
  end)

  it("has a turn of its own after each receiver that has had its share of messages", function()
    local SHARE, beyond = 64, 0
    local pump, peers, _, stop = pumped(3, {handler = function(ws)
      for _ = 1, SHARE do assert(ws:receive()) end
      assert(ws:receive())
      beyond = beyond + 1
      clock.skip(0.01)
      ws:receive()
    end})
    for _, peer in ipairs(peers) do
      peer.sock:send(frames.masked("text", "x"):rep(SHARE + 1))
    end
    for i = 0, 3 do
      pump.turn()
      assert.equal(i, beyond)
    end
    stop()
  end)

  it("is told when the next turn of its pump is due", function()
    local host, pump = hosts.own(), nil
    local kicks = 0
    function host.adapter.begin(given) pump = given end
    function host.adapter.kick() kicks = kicks + 1 end
    local server = websock.listen {port = false, handler = print, scheduler = host.adapter}
    local function settle()
      local seconds
      repeat seconds = pump.turn() until seconds ~= 0
      return seconds
    end
    settle()
    local before = kicks
    local ended
    websock.spawn(function()
      websock.sleep(50)
      ended = true
    end)
    assert.equal(before + 1, kicks)
    assert.equal(-math.huge, pump.due)  -- at once
    local seconds = settle()
    assert.is_true(seconds > 0 and seconds <= 50)
    assert.is_true(pump.due <= websock.now() + seconds)
    clock.skip(50)
    settle()
    assert.is_true(ended)
    server:stop()
  end)

  it("needs all of its functions", function()
    local adapter = hosts.own().adapter
    local calls = {
      use = websock.use,
      listen = function(it) websock.listen {port = 0, handler = print, scheduler = it} end,
      connect = function(it) websock.connect("ws://127.0.0.1:1/", {scheduler = it}) end,
    }
    local functions = {}
    for name, f in pairs(adapter) do functions[name] = f end
    for name, f in pairs(functions) do
      adapter[name] = nil
      for where, call in pairs(calls) do
        assert.error_matches(function() call(adapter) end,
          where .. ": scheduler: .*'" .. name .. "' is none")
      end
      adapter[name] = f
    end
  end)

  it("is named by what there is", function()
    for _, wrong in ipairs {"uloop", 1, true, print} do
      assert.error_matches(function() websock.use(wrong) end,
        'use: scheduler: .*"copas"')
    end
    for _, wrong in ipairs {"loop"} do
      assert.error_matches(function() websock.use(wrong) end, "use: scheduler: ")
    end
    assert.error_matches(function()
      websock.listen {port = 0, handler = print, scheduler = "uloop"}
    end, 'listen: scheduler: .* got "uloop"')
    assert.error_matches(function() websock.accept({}, {scheduler = 7}) end,
      "accept: option 'scheduler': .* expected, got 7")
  end)

  it("has its coroutines woken with values", function()
    inside(function(host)
      local me = coroutine.running()
      host.spawn(function() assert.is_true(websock.wake(me, "one", 2)) end)
      assert.same({"one", 2}, {websock.park()})
      assert.same({nil, "timeout"}, {websock.park(0.01)})
      assert.is_false(websock.wake(me))
    end)
  end)

  it("may resume a coroutine too early", function()
    connected(function(ws, host)
      local got
      local thread = host.spawn(function() got = ws:receive() end)
      host.adapter.pause()
      for _ = 1, 3 do
        host.adapter.wake(thread)
        host.adapter.pause()
        assert.is_nil(got)
      end
      assert(ws:send "now")
      repeat host.adapter.pause() until got
      assert.equal("now", got)
    end)
  end)

  it("lets its other coroutines run while many messages are there", function()
    connected(function(ws, host)
      local count, going = 0, true
      for i = 1, 500 do assert(ws:send(tostring(i))) end
      assert(ws:ping())  -- the echoes are here, as far as they are read ahead
      host.spawn(function()
        while going do
          count = count + 1
          host.adapter.pause()
        end
      end)
      for i = 1, 500 do assert.equal(tostring(i), (ws:receive())) end
      going = false
      assert.is_true(count >= 5, count)
    end)
  end)

  it("gets a thread's error where it resumes it", function()
    local host = hosts.own()
    host.spawn(function()
      websock.sleep(0.001)
      error "the user's"
    end)
    local server = websock.listen {port = false, handler = print, scheduler = host.adapter}
    assert.error_matches(host.run, "the user's")
    server:stop()
  end)

  it("may not wait in a nested coroutine, which has done nothing then", function()
    connected(function(ws)
      assert.error_matches(function() coroutine.wrap(function() ws:receive() end)() end,
        "guests_spec.lua:%d+: receive: cannot wait here: this is a callback of another "
        .. "scheduler, or a coroutine")
      assert.error_matches(function() coroutine.wrap(function() ws:ping() end)() end,
        "ping: cannot wait here")
      assert.error_matches(function()
        table.sort({1, 2}, function() websock.sleep(1) end)
      end, "sleep: cannot wait here")
      assert.is_true(coroutine.wrap(function() return ws:send "no wait" end)())
      assert.equal("no wait", (ws:receive()))
      assert.same({nil, "timeout"}, {coroutine.wrap(function() return ws:receive(0) end)()})
    end)
  end)

  it("turns the loop by its pump only", function()
    inside(function()
      assert.error_matches(function() websock.run() end,
        "run: called inside another scheduler")
      assert.error_matches(function() websock.step() end, "step: called inside another scheduler")
    end)
  end)

  it("serves in a coroutine until the server stops", function()
    inside(function(host)
      local reserved <close> = raw.reserve()
      local port = reserved.port
      local results
      host.spawn(function()
        results = {websock.serve {port = port, handler = function(ws) ws.server:stop() end}}
      end)
      host.adapter.pause()
      local ws = assert(websock.connect("ws://127.0.0.1:" .. port))
      assert.same({nil, "closed", 1001, "server stops"}, {ws:receive()})
      repeat host.adapter.pause() until results
      assert.same({true}, results)
    end)
  end)

  it("is told when a turn is due earlier, and not otherwise", function()
    connected(function(ws, host)
      local before = host.kicks
      for _ = 1, 5 do ws:state() end
      assert.same({nil, "timeout"}, {ws:receive(0)})
      assert.equal(before, host.kicks)
      assert(ws:send "to be written in a turn")
      assert.is_true(host.kicks > before)
    end)
  end)

  it("is left by its pump when nothing needs it", function()
    local host = hosts.own()
    local pump
    local begin = host.adapter.begin
    function host.adapter.begin(given)
      pump = given
      begin(given)
    end
    local server = websock.listen {port = 0, handler = print, scheduler = host.adapter}
    assert.is_true(pump.is_needed())
    assert.equal(websock.pollfd(), pump.pollfd())
    server:stop()
    assert.is_false(pump.is_needed())
  end)
end)

describe("a coroutine of another scheduler that ends while it waits", function()
  -- Has it wait in this call, and dropped by its scheduler.
  local function drop(host, f)
    local weak = setmetatable({host.spawn(f)}, {__mode = "v"})
    host.adapter.pause()
    host.threads[weak[1]] = nil
    collect(weak)
  end

  it("is dropped, and leaves the connection to others", function()
    connected(function(ws, host)
      drop(host, function() ws:receive() end)
      assert(ws:send "for another")
      assert.equal("for another", (ws:receive(hosts.patience)))
    end)
  end)

  it("is dropped from all that waits", function()
    connected(function(ws, host) listening(function(silent, port)
      local calls = {
        function() ws:ping() end, function() ws:receive(100) end,
        function() for _ in ws:messages() do error "a message" end end,
        function() websock.connect("ws://127.0.0.1:" .. port) end,
        function() websock.wait(silent, "r") end,
        function() websock.park() end, function() websock.sleep(100) end,
        function() ws.kept = ws:writer() websock.park() end,
      }
      for _, call in ipairs(calls) do drop(host, call) end
      assert.same({nil, "busy"}, {ws:writer()})
      ws.kept = nil
      assert.is_true(websock.wait(silent, "r"))  -- a connection that was given up
    end) end)
  end)

  it("is closed, and loses no message though it was woken", function()
    connected(function(ws, host)
      local wake, woken = host.adapter.wake, nil
      local thread = host.spawn(function() ws:receive() end)
      host.adapter.pause()
      function host.adapter.wake(one)
        if one ~= thread then return wake(one) end
        woken = true
      end
      assert(ws:send "kept")
      repeat host.adapter.pause() until woken
      assert.is_true(coroutine.close(thread))
      host.threads[thread] = nil
      assert.equal("kept", (ws:receive()))
    end)
  end)

  it("closes what it has opened", function()
    connected(function(_, host, server)
      local _, port = server:getsockname()
      local thread = host.spawn(function()
        local ws <close> = assert(websock.connect("ws://127.0.0.1:" .. port))
        ws:receive()
      end)
      repeat websock.sleep(0.001) until server:count() == 2
      host.adapter.pause()
      assert.is_true(coroutine.close(thread))
      host.threads[thread] = nil
      repeat websock.sleep(0.001) until server:count() == 1
    end)
  end)

  it("that is a handler, has its connection closed", function()
    inside(function(host)
      local thread
      local server, url = hosts.echo {scheduler = host.adapter, handler = function(ws)
        thread = coroutine.running()
        ws:receive()
      end}
      local ws = assert(websock.connect(url))
      repeat host.adapter.pause() until thread
      host.adapter.pause()
      assert.is_true(coroutine.close(thread))
      host.threads[thread] = nil
      assert.same({nil, "closed", 1000, ""}, {ws:receive()})
      server:stop()
    end)
  end)
end)

describe("handlers and hooks in another scheduler's coroutines", function()
  -- Returns a function that notes whether it is called in one, and calls f.
  local function noting(host, notes, name, f)
    return function(...)
      table.insert(notes, name .. (host.adapter.owns() and "" or " elsewhere"))
      host.adapter.pause()
      if f then return f(...) end
    end
  end

  it("wait there", function()
    inside(function(host)
      local notes = {}
      local function note(name, f) return noting(host, notes, name, f) end
      local server, url = hosts.echo {scheduler = host.adapter,
        authorize = note("authorize", function() return true end),
        protocols = note("protocols", function(offered) return offered[1] end),
        headers = note("headers", function() return {["X-A"] = "b"} end),
        http = note("http", function() return 200, nil, "page" end),
        handler = note("handler", function(ws) ws:send(ws:receive()) end),
        on_close = note("on_close"),
      }
      local ws = assert(websock.connect(url, {protocols = {"p"}}))
      assert.equal("p", ws.protocol)
      assert.equal("b", ws.response.headers["x-a"])
      assert(ws:send "echo")
      assert.equal("echo", (ws:receive()))
      assert.same({nil, "closed", 1000, ""}, {ws:receive()})
      repeat host.adapter.pause() until notes[5]
      assert.same({"authorize", "protocols", "headers", "handler", "on_close"}, notes)
      server:stop()
    end)
  end)

  it("wait there, callbacks too, in order", function()
    inside(function(host)
      local notes = {}
      local function note(name, f) return noting(host, notes, name, f) end
      local server, url = hosts.echo {scheduler = host.adapter, handler = false,
        on_open = note "on_open",
        on_message = note("on_message", function(one, message) one:send(message) end),
        on_close = note "on_close",
      }
      local ws = assert(websock.connect(url))
      for i = 1, 3 do assert(ws:send(tostring(i))) end
      for i = 1, 3 do assert.equal(tostring(i), (ws:receive())) end
      ws:close()
      repeat host.adapter.pause() until notes[5]
      assert.same({"on_open", "on_message", "on_message", "on_message", "on_close"}, notes)
      server:stop()
    end)
  end)

  it("report their errors to on_error, with their own traceback", function()
    inside(function(host)
      local reported = {}
      local function fails(name) return function() error({name}) end end
      local function report(err, ws, traceback)
        table.insert(reported, {err[1], ws ~= nil, traceback:find "guests_spec.lua" ~= nil})
      end
      local server, url = hosts.echo {scheduler = host.adapter, on_error = report,
        handler = fails "handler"}
      local ws = assert(websock.connect(url))
      assert.same({nil, "closed", 1011, ""}, {ws:receive()})
      server:stop()
      server, url = hosts.echo {scheduler = host.adapter, on_error = report,
        authorize = fails "authorize"}
      local _, err, response = websock.connect(url)
      assert.same({"refused", 500}, {err, response.status})
      assert.same({{"handler", true, true}, {"authorize", false, true}}, reported)
      server:stop()
    end)
  end)

  it("are those of accept, too", function()
    inside(function(host) listening(function(listener, port)
      local notes = {}
      host.spawn(function()
        assert(websock.wait(listener, "r"))
        local ws = assert(websock.accept(listener:accept(), {scheduler = host.adapter,
          authorize = noting(host, notes, "authorize", function() return true end),
          on_close = noting(host, notes, "on_close")}))
        ws:send(ws:receive())
      end)
      local ws = assert(websock.connect("ws://127.0.0.1:" .. port))
      assert(ws:send "over accept")
      assert.equal("over accept", (ws:receive()))
      ws:close()
      repeat host.adapter.pause() until notes[2]
      assert.same({"authorize", "on_close"}, notes)
    end) end)
  end)

  it("find no other's values: what yields them at a desk is told so", function()
    inside(function() listening(function(listener, port)
      local client = assert(socket.connect("127.0.0.1", port))
      assert(client:send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        .. "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"))
      assert.error_matches(function()
        websock.accept(listener:accept(), {authorize = function() coroutine.yield(1) end})
      end, "yielded values: they are for another scheduler")
      client:close()
    end) end)
  end)
end)
