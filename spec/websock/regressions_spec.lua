-- Defects that a review found, each with a test that fails if it comes back: mostly two
-- features that are right alone and were wrong together.

local unix = require "socket.unix"
local websock = require "websock"
local wss = require "support.wss"
local child = require "support.child"
local ends = require "support.ends"
local frames = require "support.frames"
local look_alike = require "support.look_alike"
local process = require "support.process"
local raw = require "support.raw"

-- Runs a function in the loop until it has ended; returns its values.
local function results_of(f, ...)
  local results
  websock.spawn(function(...) results = table.pack(f(...)) end, ...)
  ends.turn_until(function() return results end)
  return table.unpack(results, 1, results.n)
end

-- Reads what the kernel holds for a peer, without a turn of the loop.
local function drain(peer)
  peer.sock:settimeout(0)
  local err
  repeat
    local bytes, why, partial = peer.sock:receive(65536)
    peer.buffer = peer.buffer .. (bytes or partial)
    err = why
  until err
end

-- Sends until the queue is full.
local function fill(ws)
  local part = ("x"):rep(8000)
  repeat until not ws:send(part, "binary", {timeout = 0})
end

describe("regressions:", function()
  after_each(function() ends.finish() end)

  describe("a send", function()
    it("may have any number of extra arguments", function()
      local status, output = child.run [[
        local raw = require "support.raw"
        collectgarbage "stop"  -- a collection would shrink the stack
        local server = assert(websock.listen {port = 0, handler = function(ws)
          for _, n in ipairs {0, 4, 50, 100000} do
            local extra = {}
            for i = 1, n do extra[i] = "x" end
            -- gives the stack room for them, but not twice
            local _ = table.unpack(extra, 1, n + 60)
            print(n, select("#", ws:send("a", "text", {}, table.unpack(extra, 1, n))),
              ws:send("b", "text", nil, table.unpack(extra, 1, n)))
          end
        end})
        local peer = raw.open((select(2, server:getsockname())))
        local got = ""
        for i = 1, 8 do got = got .. peer:frame().payload end
        print(got)
        peer:close()
        server:stop(0)
      ]]
      assert.equal("0\t1\ttrue\n4\t1\ttrue\n50\t1\ttrue\n100000\t1\ttrue\nabababab\n", output)
      assert.equal(0, status)
    end)

    it("in line and a writer both finish when the peer reads in bursts", function()
      local ws, peer = ends.server {max_queue = 1000, ping_interval = false}
      ws:socket():setoption("send-buffer-size", 4096)
      local part, parts, done = ("x"):rep(8000), 200, {}
      websock.spawn(function()
        local writer = assert(ws:writer "binary")
        websock.spawn(function() done.sender = table.pack(ws:send "other") end)
        coroutine.yield()
        for _ = 1, parts do assert(writer:write(part)) end
        done.writer = table.pack(writer:finish())
      end)
      ends.turn_until(function()
        for _ = 1, 5 do websock.step(0) end
        drain(peer)
        return done.writer and done.sender
      end)
      assert.same({{n = 1, true}, {n = 1, true}}, {done.writer, done.sender})
      local size, frame = 0
      repeat
        frame = assert(peer:frame())
        size = size + #frame.payload
      until frame.fin
      assert.equal(parts * #part, size)
      frame = assert(peer:frame())
      assert.same({1, true, "other"}, {frame.opcode, frame.fin, frame.payload})
    end)

    it("that is woken and closed in one turn lets the next sender go on", function()
      local ws, peer = ends.server {max_queue = 1000, ping_interval = false}
      fill(ws)
      local first = websock.spawn(function() ws:send "first" end)
      local second, status
      websock.spawn(function() second = ws:send "second" end)
      websock.step(0)
      -- it is ready in every turn, so it runs before a thread that this turn wakes
      websock.spawn(function()
        while ws:buffered() > 1000 do coroutine.yield() end
        status = coroutine.status(first)
        coroutine.close(first)
      end)
      websock.step(0)
      ends.turn_until(function()
        drain(peer)
        return second
      end)
      assert.equal("suspended", status)
      local frame
      repeat frame = assert(peer:frame()) until frame.opcode == 1
      assert.equal("second", frame.payload)
    end)
  end)

  describe("a server's Close that comes with its 101", function()
    -- Returns a client, and its peer, which does not end the TCP connection.
    local function connect()
      local listener <close> = raw.server()
      local peer
      websock.spawn(function()
        peer = assert(listener:accept())
        local _, fields = peer:head()
        local accept = raw.accept_key(fields["sec-websocket-key"])
        peer:send(frames.response(nil, accept)
          .. frames.plain("close", frames.close_payload(4001, "bye")))
      end)
      local ws = assert(websock.connect("ws://127.0.0.1:" .. listener.port,
        {ping_interval = false, close_timeout = 0.05}))
      ends.at_end(function()
        ws:abort()
        peer:close()
      end)
      return ws, peer
    end

    it("is noticed, and answered", function()
      local ws, peer = connect()
      assert.same({nil, "closed", 4001, "bye"}, {results_of(ws.receive, ws)})
      assert.same({"closed", 4001, "bye", true},
        {ws:state(), ws.close_code, ws.close_reason, ws.close_clean})
      assert.equal(4001, (peer:closed()))
    end)

    it("does not keep close waiting longer than close_timeout", function()
      local ws = connect()
      results_of(ws.close, ws)
      assert.same({"closed", 4001}, {ws:state(), ws.close_code})
      ends.turn_until(function() return ws:getfd() == nil end)
    end)

    it("may come from a handler that stops the server", function()
      local stopped
      local server = ends.listen {port = 0, ping_interval = false, handler = function(ws)
        ws.server:stop(1000)
        stopped = true
      end}
      local ws = assert(websock.connect("ws://127.0.0.1:" .. ends.port(server),
        {ping_interval = false}))
      ends.at_end(function() ws:abort() end)
      assert.same({nil, "closed", 1001, "server stops"}, {results_of(ws.receive, ws)})
      assert.same({"closed", 1001}, {ws:state(), ws.close_code})
      ends.turn_until(function() return stopped end)
    end)
  end)

  describe("ws.request", function()
    describe("of a Unix peer", function()
      local dir

      before_each(function()
        dir = os.tmpname()
        os.remove(dir)
      end)
      after_each(function() os.execute("rm -r " .. process.quote {dir}) end)

      -- Returns the request of a peer that is bound to this name, and the path.
      local function seen_of(name)
        local path, seen = dir .. "/" .. name, nil
        assert(os.execute("mkdir -p " .. process.quote {path:match "^(.*)/"}))
        ends.listen {unix = dir .. "/s", handler = function(ws)
          seen = table.pack(pcall(function() return ws.request end))
        end}
        local sock = unix.stream()
        assert(sock:bind(path))
        assert(sock:connect(dir .. "/s"))
        sock:send(frames.request({["X-True"] = "1"}, "GET /true HTTP/1.1"))
        ends.turn_until(function() return seen end)
        sock:close()
        assert.is_true(seen[1], seen[2])
        return seen[2], path
      end

      for what, name in pairs {
        ["a plain name"] = "plain",
        ["a name like the note that the library keeps"] = "a b 5 unix",
        ["the beginning of a request"] = "a 1 inet\n",
        ["a request"] = "a 1 inet\nGET /evil HTTP/1.1\r\nHost: x\r\nUser: root\r\n\r\n",
        ["a line's end"] = "\n",
      } do
        it("is the one received, though the peer is bound to " .. what, function()
          local request, path = seen_of(name)
          assert.same({path, "unix"}, {request.remote.host, request.remote.family})
          assert.same({"GET", "/true", "/true", "1"},
            {request.method, request.target, request.path, request.headers["x-true"]})
          assert.is_nil(request.headers.user)
        end)
      end
    end)

    it("of the longest head with the most fields is the table of the hooks", function()
      local lines = {}
      for i = 1, 90 do lines[i] = "x" .. i .. ":" .. ("v"):rep(10) .. "\r\n" end
      lines[91], lines[92], lines[93] = "x1:second\r\n", "X1: \t third \r\n", "empty:\r\n"
      local head = frames.request(nil, "GET /a?b HTTP/1.1"):sub(1, -3)
        .. table.concat(lines) .. "\r\n"

      local function listen(hook)
        local got
        local server = ends.listen {port = 0, max_header = #head, authorize = hook,
          handler = function(ws) got = ws.request end}
        local peer = ends.dial(server)
        peer:send(head)
        assert.matches("^HTTP/1.1 101 ", (assert(peer:head())))
        ends.turn_until(function() return got end)
        return got
      end

      local hooked
      local without = listen(nil)
      local with = listen(function(request)
        hooked = request
        return true
      end)
      assert.equal(hooked, with)
      for _, request in ipairs {without, with} do
        assert.same({"GET", "/a?b", "/a", "b"},
          {request.method, request.target, request.path, request.query})
        assert.same({"vvvvvvvvvv, second, third", "vvvvvvvvvv", ""},
          {request.headers.x1, request.headers.X90, request.headers.empty})
        request.remote = nil  -- another port
      end
      assert.same(with, without)
    end)
  end)

  it("an on_error that raises a value without text affects no connection", function()
    local status, output = child.run [[
      local raw = require "support.raw"
      local function mute()
        error(setmetatable({}, {__tostring = function() error "mute" end}))
      end
      websock.on_error = mute
      local server = assert(websock.listen {port = 0, on_error = mute, handler = function(ws)
        local message = ws:receive()
        if message == "raise" then mute() end
        ws:send(message)
      end})
      local port = select(2, server:getsockname())
      for i = 1, 3 do
        websock.spawn(mute)
        local peer = raw.open(port)
        peer:masked("text", "raise")
        print(peer:closed())
        peer:close()
      end
      local peer = raw.open(port)
      peer:masked("text", "alive")
      print(peer:frame().payload)
      peer:close()
      server:stop(0)
    ]]
    local _, told = output:gsub("and on_error raised: %(table%)", "")
    assert.equal(6, told, output)
    assert.equal(3, select(2, output:gsub("1011\t", "")), output)
    assert.matches("\nalive\n", output)
    assert.equal(0, status, output)
  end)

  it("a listener that is closed while it has no descriptors cancels no other timer", function()
    local code = [[
      local raw, socket = require "support.raw", require "socket"
      -- `stop` without its timer would wait as long as they do
      websock.spawn(function()
        websock.sleep(15)
        print "stop does not end"
        os.exit(1)
      end)
      local told
      local server = assert(websock.listen {port = 0, ping_interval = false,
        close_timeout = 1000, handler = function() end,
        on_error = function(err) told = err end})
      local port = select(2, server:getsockname())
      -- their handlers return; neither answers the Close
      local one, other = raw.open(port), raw.open(port)
      one:closed()
      other:closed()
      local last = assert(socket.tcp4())
      local full = {}
      repeat full[#full + 1] = io.open "/dev/null" until not io.open "/dev/null"
      last:settimeout(0)
      last:connect("127.0.0.1", port)
      while not told do websock.step(0.01) end
      local stopped
      websock.spawn(function()
        server:stop(0.2)
        stopped = true
      end)
      websock.step(0)
      websock.step(0)
      one:close()
      while not stopped do websock.step() end
      for _, file in ipairs(full) do file:close() end
      other:close()
      print(told)
      os.exit(0)
    ]]
    local status, output = child.run(code, 40)
    assert.equal("too many open files\n", output)
    assert.equal(0, status)
  end)

  it("one pong answers two equal pings", function()
    local ws, peer = ends.client {ping_interval = false}
    local done = {}
    for i = 1, 2 do
      websock.spawn(function() done[i] = table.pack(ws:ping "alike") end)
    end
    assert.same({"alike", "alike"}, {assert(peer:frame()).payload, assert(peer:frame()).payload})
    peer:plain("pong", "alike")
    ends.turn_until(function() return done[1] and done[2] end)
    for i = 1, 2 do assert.equal("float", math.type(done[i][1])) end
  end)

  it("a silent connection above max_connections takes no place", function()
    local server = ends.listen {port = 0, max_connections = 1, handshake_timeout = 1000,
      ping_interval = false, handler = function(ws) ws:receive() end}
    local first = ends.open(server)
    for _ = 1, 3 do ends.dial(server) end
    -- accepted after them, so they are accepted by now
    local late = ends.dial(server)
    late:send(frames.request())
    assert.matches(" 503 ", (assert(late:head())))
    late:close()
    first:close()
    ends.turn_until(function() return server:count() == 0 end)
    websock.step(0)
    local second = ends.dial(server)
    second:send(frames.request())
    assert.matches(" 101 ", (assert(second:head())))
  end)

  it("a broadcast does not count for the idle_timeout of a connection left out", function()
    local ws, peer, server = ends.server {idle_timeout = 0.1, ping_interval = false}
    ends.turn_until(function()
      server:broadcast("x", "text", {except = ws})
      return ws:state() ~= "open"
    end)
    assert.same({1001, "idle timeout"}, {peer:closed()})
  end)

  it("a socket object is read by its methods while `messages` waits", function()
    local listener <close> = raw.server()
    local got
    websock.spawn(function()
      local ws = assert(websock.accept(look_alike(assert(listener:accept()).sock)))
      for message in ws:messages() do got = message end
      got = {got, ws.close_code}
    end)
    local peer <close> = raw.open(listener.port)
    peer:masked("text", "late")
    ends.turn_until(function() return got end)
    peer:masked("close", "\x03\xe8")
    assert.equal(1000, (peer:closed()))
    ends.turn_until(function() return type(got) == "table" end)
    assert.same({"late", 1000}, got)
  end)

  it("an object that has refused bytes is called again when it can take some", function()
    local listener <close> = raw.server()
    local sent
    websock.spawn(function()
      local ws = assert(websock.accept(look_alike(assert(listener:accept()).sock)))
      ws:send(("x"):rep(8 << 20), "binary")
      sent = ws
    end)
    local peer <close> = raw.open(listener.port)
    ends.turn_until(function() return sent end)
    for _ = 1, 5 do websock.step(0) end  -- the kernel's buffers are full
    assert.equal(8 << 20, #assert(peer:frame()).payload)
    sent:abort()
  end)

  it("a TLS connection that was reset while it sent leaves no error for the next", function()
    local server = wss.serve {handler = function(ws) ws:receive() end}
    for _ = 1, 3 do
      local ws = wss.connect(server)
      local ours
      ends.turn_until(function()
        ours = server:connections()()
        return ours
      end)
      ws:socket():setoption("linger", {on = true, timeout = 0})
      ws:abort()
      for _ = 1, 3 do ours:send(("x"):rep(100)) end  -- outside the loop: at once
      ends.turn_until(function() return server:count() == 0 end)
      wss.connect(server):abort()
    end
  end)
end)
