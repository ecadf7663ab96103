-- Rows: connecting, and the calls on a connection.

local websock = require "websock"
local assert = require "luassert"
local new_list = require "support.hosts.list"
local raw = require "support.raw"

local BIG = ("0123456789abcdef"):rep(1 << 16)  -- 1 MiB

local rows, row = new_list {hooks = true}

row("connect by name, listen", function(t)
  local server = t:listen()
  t:assert_echo(t:connect(server, nil, "localhost"))
  assert.equal(1, server:count())
end)

row("connect: refused, no answer", function(t)
  local server = t:listen {authorize = function() return false, 401 end}
  local url = "ws://127.0.0.1:" .. select(2, server:getsockname())
  local ws, err, response = websock.connect(url)
  t:own()
  assert.same({nil, "refused", 401}, {ws, err, response.status})
  local silent, port = t.listener()
  assert.same({nil, "timeout"}, {websock.connect("ws://127.0.0.1:" .. port, {timeout = 0.02})})
  t:own()
  silent:close()
end)

row("accept", function(t)
  local listener, port = t.listener()
  listener:settimeout(0)
  local got
  t.host.spawn(t.guard(function()
    t:ok(websock.wait(listener, "r"))
    local ws = t:ok(websock.accept(assert(listener:accept())))
    local message = t:ok(ws:receive())
    t:ok(ws:close())
    got = message
  end))
  local ws = t:connect(port)
  t:ok(ws:send "to who accepted")
  assert.same({nil, "closed", 1000, ""}, {ws:receive()})
  t:wait_until(function() return got end)
  assert.equal("to who accepted", got)
  listener:close()
end, {hooks = false})

row("send, receive: text, binary, 1 MiB", function(t)
  local ws = t:connect(t:listen())
  t:assert_echo(ws)
  t:ok(ws:send(BIG, "binary"))
  assert.is_true(t:ok(ws:receive()) == BIG)
  assert.same({nil, "timeout"}, {ws:receive(0)})
end)

row("messages in parts", function(t)
  local ws = t:connect(t:listen())
  local writer = t:ok(ws:writer "binary")
  for i = 1, #BIG, 100000 do t:ok(writer:write(BIG:sub(i, i + 99999))) end
  t:ok(writer:finish())
  local parts = {}
  repeat
    local chunk, _, last = ws:receive_part()
    parts[#parts + 1] = t:ok(chunk)
  until last
  assert.is_true(table.concat(parts) == BIG)
end)

row("two directions at once, in order", function(t)
  local ws = t:connect(t:listen())
  local N, got = 2000, 0
  t:all {
    function()
      for i = 1, N do t:ok(ws:send(tostring(i))) end
    end,
    function()
      for i = 1, N do
        assert.equal(tostring(i), t:ok(ws:receive()))
        got = i
      end
    end,
  }
  assert.equal(N, got)
end)

row("backpressure: send waits", function(t)
  local ws, theirs = t:pair {max_queue = 1000, max_message = false}
  local sent = 0
  t:all {
    function()
      for _ = 1, 20 do
        t:ok(ws:send(BIG, "binary"))
        sent = sent + 1
      end
    end,
    function()
      t:wait_until(function() return ws:buffered() > 1000 end)
      assert.same({nil, "queue full"}, {ws:send("x", "text", {timeout = 0})})
      assert.same({nil, "timeout"}, {ws:send("x", "text", {timeout = 0.01})})
      t:own()
      for _ = 1, 20 do assert.equal(#BIG, #t:ok(theirs:receive())) end
      assert.same({nil, "timeout"}, {theirs:receive(0.01)})
    end,
  }
  assert.equal(20, sent)
  assert.is_true(t:ok(ws:flush()))
end)

row("timeouts lose nothing", function(t)
  local ws = t:connect(t:listen())
  local N, late, got = 300, 0, 0
  t:all {
    function()
      for i = 1, N do
        t:ok(ws:send(tostring(i)))
        if i % 30 == 0 and i < N then
          local before = late
          t:wait_until(function() return late > before end)
        end
      end
    end,
    function()
      while got < N do
        local message, err = ws:receive(0.0005)
        t:own()
        if message then
          got = got + 1
          assert.equal(tostring(got), message)
        else
          assert.equal("timeout", err)
          late = late + 1
        end
      end
    end,
  }
  assert.same({nil, "timeout"}, {ws:receive(0.01)})
  t:assert_echo(ws)
end)

row("a second receive is busy", function(t)
  local ws, theirs = t:pair()
  local begun, got
  t:all {
    function()
      begun = true
      got = t:ok(ws:receive())
    end,
    function()
      t:wait_until(function() return begun and select(2, ws:receive(0)) == "busy" end)
      assert.same({nil, "busy"}, {ws:receive_part(1)})
      t:ok(theirs:send "for the first")
    end,
  }
  assert.equal("for the first", got)
end)

row("ping", function(t)
  local ws = t:connect(t:listen())
  assert.equal("float", math.type(t:ok(ws:ping "hello")))
  local over
  local mute = t:connect(t:serve(function() t:wait_until(function() return over end) end),
    {ping_interval = false})
  assert.same({nil, "timeout"}, {mute:ping("hello", 0.01)})
  t:own()
  over = true
end)

row("heartbeat: latency, a dead peer", function(t)
  local ws = t:connect(t:listen(), {ping_interval = 0.01})
  t:wait_until(function() return ws.latency end)
  assert.equal("open", ws:state())
  local dead
  local port = t:serve(function() t:wait_until(function() return dead end) end)
  local mute = t:connect(port, {ping_interval = 0.01, ping_timeout = 0.02})
  local results = {mute:receive()}
  t:own()
  dead = true
  assert.same({nil, "closed", 1006, "ping timeout"}, results)
end)

row("wss", function(t)
  local of_server, of_client = t:tls()
  local server = t:listen {tls = of_server}
  local ws = t:connect(server, {tls = of_client}, "localhost")
  t:assert_echo(ws)
  t:ok(ws:send(BIG, "binary"))
  assert.is_true(t:ok(ws:receive()) == BIG)
  t:ok(ws:close())
  local _, err = websock.connect(("wss://localhost:%d/"):format((select(2, server:getsockname()))),
    {timeout = raw.patience})
  t:own()
  assert.matches("^tls: ", err)
end)

row("deflate", function(t)
  local ws = t:connect(t:listen {compress = true}, {compress = true})
  assert.is_not_nil(ws.extensions)
  t:assert_echo(ws)
  t:ok(ws:send(BIG, "binary"))
  assert.is_true(t:ok(ws:receive()) == BIG)
end)

row("hooks that wait", function(t)
  local seen = {}
  local function wait(name)
    websock.sleep(0.005)
    seen[name] = t.host.is_handler()
  end
  local server = t:listen {
    authorize = function() wait "authorize" return true end,
    protocols = function(offered) wait "protocols" return offered[1] end,
    headers = function() wait "headers" return {Extra = "yes"} end,
    on_open = function(ws) wait "on_open" ws.seen = true end,
    on_message = function(ws, message)
      wait "on_message"
      ws:send(message .. tostring(ws.seen))
    end,
    on_close = function(_, code) wait "on_close" seen.code = code end,
  }
  local ws = t:connect(server, {protocols = {"chat"}})
  assert.same({"chat", "yes"}, {ws.protocol, ws.response.headers.extra})
  t:ok(ws:send "seen: ")
  assert.equal("seen: true", t:ok(ws:receive()))
  t:ok(ws:close(1000))
  t:wait_until(function() return seen.code end)
  assert.same({authorize = true, protocols = true, headers = true, on_open = true,
    on_message = true, on_close = true, code = 1000}, seen)
end)

row("plain HTTP", function(t)
  local server = t:listen {http = function(request)
    websock.sleep(0.005)
    assert.is_true(t.host.is_handler())
    return 200, {}, "of " .. request.path
  end}
  local peer <close> = raw.client((select(2, server:getsockname())))
  t:ok(peer:send "GET /page HTTP/1.1\r\nHost: here\r\n\r\n")
  assert.matches(" 200 ", t:ok(peer:head()))
  assert.equal("of /page", (peer:rest()))
  t:own()
end)

return rows
