-- Callbacks in place of a handler: their order, what they may do, and the end of the
-- connection. The same over TLS and if a socket object is driven through its methods.

local websock = require "websock"
local connection = require "websock.link.connection"
local ends = require "support.ends"
local frames = require "support.frames"
local loop = require "websock.io.loop"
local pairs_of = require "support.pairs"

local each_way = pairs_of.each(it, pairs_of.served)

local function text(way, payload) return pairs_of.plainly(way, "text", payload) end

local function close(way, code, reason)
  return pairs_of.plainly(way, "close", frames.close_payload(code, reason))
end

local function heard(peer)
  local frame = assert(peer:frame())
  assert.equal(frames.opcode.text, frame.opcode)
  return frame.payload
end

-- Options whose callbacks note their calls in `calls`, and then do what `acts` says.
local function noting(calls, acts)
  local options = {ping_interval = false}
  for _, name in ipairs {"on_open", "on_message", "on_drain", "on_close"} do
    options[name] = function(ws, ...)
      calls[#calls + 1] = table.concat({name:sub(4), tostring((...)), select(2, ...)
        and tostring((select(2, ...)))}, " ")
      calls.ws = ws
      if acts and acts[name] then acts[name](ws, ...) end
    end
  end
  options.on_error = function(err, ws)
    calls.errors = calls.errors or {}
    table.insert(calls.errors, {tostring(err), ws})
  end
  return options
end

local function has_closed(calls)
  return function() return calls[#calls] and calls[#calls]:find "^close" end
end

-- Opens a connection with callbacks, which have noted `calls`.
local function open(way, acts, bytes)
  local calls = {}
  local peer, server = pairs_of.open(way, noting(calls, acts), nil, bytes)
  return peer, calls, server
end

local function echo(ws, message, kind) ws:send(message, kind) end

describe("callbacks", function()
  after_each(function() ends.finish() end)

  each_way("come in order, the end last", function(way)
    local peer, calls = open(way, {on_message = echo}, text(way, "a") .. text(way, "b"))
    assert.equal("a", heard(peer))
    assert.equal("b", heard(peer))
    peer:send(pairs_of.plainly(way, "binary", "c"))
    assert.equal("c", assert(peer:frame()).payload)
    peer:send(close(way, 4001, "enough"))
    ends.wait_until(has_closed(calls))
    assert.same({"open nil", "message a text", "message b text", "message c binary",
      "close 4001 enough"}, {table.unpack(calls)})
    assert.same({4001, "enough", true},
      {calls.ws.close_code, calls.ws.close_reason, calls.ws.close_clean})
  end)

  each_way("take messages whole, byte by byte and at random splits", function(way)
    local bytes = text(way, "first") .. pairs_of.plainly(way, "text", "sec", false)
      .. pairs_of.plainly(way, "ping", "p") .. pairs_of.plainly(way, "continuation", "ond")
    for _, pieces in frames.splits(bytes) do
      local peer, calls = open(way, {on_message = echo})
      assert(peer:send_pieces(pieces))
      local texts, pongs = {}, {}
      for _ = 1, 3 do
        local frame = assert(peer:frame())
        local list = frame.opcode == frames.opcode.pong and pongs or texts
        list[#list + 1] = frame.payload
      end
      assert.same({{"first", "second"}, {"p"}}, {texts, pongs})
      peer:close()
      ends.wait_until(has_closed(calls))
      assert.equal(4, #calls)
    end
  end)

  each_way("run one at a time", function(way)
    local running, most = 0, 0
    local function slow(ws, message)
      running = running + 1
      most = math.max(most, running)
      websock.sleep(0.01)
      running = running - 1
      if message then ws:send(message) end
    end
    local peer, calls = open(way, {on_open = slow, on_message = slow, on_close = slow},
      text(way, "a") .. text(way, "b") .. close(way, 1000))
    assert.equal("a", heard(peer))
    assert.equal("b", heard(peer))
    assert.equal(1000, (peer:closed()))
    ends.wait_until(function() return has_closed(calls)() and running == 0 end)
    assert.equal(1, most)
    assert.same({"open nil", "message a text", "message b text"},
      {table.unpack(calls, 1, 3)})
    assert.equal(4, #calls)
  end)

  each_way("that wait hold up nobody else", function(way)
    local threads = {}
    local peer = open(way, {on_message = function(ws, message)
      if message == "wait" then
        threads[1] = coroutine.running()
        websock.park()
      end
      ws:send(message)
    end}, text(way, "wait") .. text(way, "after"))
    local other = open(way, {on_message = echo}, text(way, "other"))
    assert.equal("other", heard(other))
    ends.wait_until(function() return threads[1] end)
    websock.wake(threads[1])
    assert.equal("wait", heard(peer))
    assert.equal("after", heard(peer))
  end)

  each_way("leave nothing for receive", function(way)
    local seen
    local peer = open(way, {on_message = function(ws, message)
      seen = {ws:receive(0), select(2, ws:receive_part()), pcall(next, {}), pcall(function()
        for _ in ws:messages() do error "a message" end
      end)}
      ws:send(message)
    end}, text(way, "x"))
    assert.equal("x", heard(peer))
    assert.same({nil, "busy"}, {seen[1], seen[2]})
    assert.matches("messages: another coroutine, or on_message, is receiving", seen[5])
  end)

  for _, name in ipairs {"on_open", "on_message", "on_close"} do
    each_way(name .. " that raises is reported, and the end comes once", function(way)
      local peer, calls = open(way, {[name] = function() error("in " .. name) end},
        text(way, "a") .. text(way, "b"))
      if name == "on_close" then peer:send(close(way, 1000)) end
      local expected = name == "on_close" and 1000 or 1011
      assert.equal(expected, (peer:closed()))
      if name ~= "on_close" then peer:send(close(way, expected)) end
      ends.wait_until(has_closed(calls))
      ends.wait_until(function() return calls.errors end)
      assert.same({({on_open = 2, on_message = 3, on_close = 4})[name], 1},
        {#calls, #calls.errors})
      assert.equal("close " .. expected .. " ", calls[#calls])
      assert.matches("in " .. name, calls.errors[1][1])
      assert.equal(calls.ws, calls.errors[1][2])
    end)
  end

  each_way("get nothing more after abort", function(way)
    local peer, calls = open(way, {on_message = function(ws) ws:abort() end})
    peer:send(text(way, "a") .. text(way, "b"))
    ends.wait_until(has_closed(calls))
    assert.same({"open nil", "message a text", "close 1006 aborted"}, {table.unpack(calls)})
    assert.is_nil((peer:frame()))
  end)

  each_way("get what was here before their own close", function(way)
    local peer, calls = open(way, {on_message = function(ws, message)
      if message == "a" then ws:close(4000, "mine", 0) end
    end}, text(way, "a") .. text(way, "b"))
    assert.same({4000, "mine"}, {peer:closed()})
    peer:send(close(way, 4000, "mine"))
    ends.wait_until(has_closed(calls))
    assert.same({"open nil", "message a text", "message b text", "close 4000 mine"},
      {table.unpack(calls)})
  end)

  each_way("answer what came before an end first", function(way)
    for tail, code in pairs {[close(way, 1000)] = 1000, [pairs_of.plainly(way, 3, "")] = 1002} do
      local peer, calls = open(way, {on_message = function(ws, message)
        websock.sleep(0.01)
        assert.equal("open", ws:state())
        ws:send(message)
      end}, text(way, "a") .. text(way, "b") .. tail)
      assert.equal("a", heard(peer))
      assert.equal("b", heard(peer))
      assert.equal(code, (peer:closed()))
      ends.wait_until(has_closed(calls))
      assert.is_nil(calls.errors)
    end
  end)

  each_way("need no call for an end that comes with the request", function(way)
    for tail, code in pairs {[close(way, 4001)] = 4001, [pairs_of.plainly(way, 3, "")] = 1002} do
      local list = {}
      local peer = pairs_of.open(way, {ping_interval = false, close_timeout = 100,
        on_message = function() error "a message" end,
        on_close = function(_, closed) list[#list + 1] = closed end}, nil, tail)
      assert.equal(code, (peer:closed()))
      if code == 1002 then peer:send(close(way, code)) end
      ends.wait_until(function() return list[1] end)
      assert.same({code}, list)
    end
  end)

  each_way("see a transport that is cut", function(way)
    local peer, calls = open(way, {on_message = echo}, text(way, "a"))
    assert.equal("a", heard(peer))
    peer:close()
    ends.wait_until(has_closed(calls))
    assert.matches("^close 1006 ", calls[#calls])
  end)

  it("need no coroutine while idle, and are lent the same one until they wait", function()
    ends.inside(function()
      local threads = {}
      local peer = open(pairs_of.served[1], {on_message = function(ws, message)
        threads[#threads + 1] = coroutine.running()
        if message == "wait" then websock.sleep(0) end
        ws:send(message)
      end})
      for _, message in ipairs {"a", "b", "wait", "c"} do
        peer:masked("text", message)
        assert.equal(message, heard(peer))
      end
      assert.equal(threads[1], threads[2])
      assert.not_equal(threads[3], threads[4])
      local count = setmetatable({table.unpack(threads)}, {__mode = "v"})
      threads = {}
      collectgarbage()
      collectgarbage()
      assert.is_nil(count[3])
    end)
  end)

  it("of one peer end a turn after 64 messages", function()
    local calls, per_step, n = {}, 0, 0
    local options = noting(calls, {on_message = function() n = n + 1 end})
    options.port = 0
    local server = ends.listen(options)
    local peer = ends.open(server)
    peer:send(frames.masked("text", "x"):rep(500))
    repeat
      local before = n
      websock.step(0.01)
      per_step = math.max(per_step, n - before)
    until n == 500
    assert.equal(64, per_step)
  end)

  it("end a turn after a MiB inflated, and others come first", function()
    local size, most = 0, 0
    local calls = {}
    local options = noting(calls, {on_message = function(_, message) size = size + #message end})
    options.port, options.compress = 0, true
    local server = ends.listen(options)
    local client = assert(websock.connect("ws://127.0.0.1:" .. ends.port(server),
      {compress = true, max_queue = 16 << 20}))
    for _ = 1, 6 do client:send(("x"):rep(1 << 20)) end
    repeat
      local before = size
      websock.step(0.01)
      most = math.max(most, size - before)
    until size == 6 << 20
    assert.is_true(most <= 2 << 20)
    client:close()
  end)

  it("are called in the next turn where there was no memory for a coroutine", function()
    ends.inside(function()
      local way = pairs_of.served[1]
      local threads = getmetatable(loop.turn).__index
      local thread, lacked = threads.thread, false
      finally(function() threads.thread = thread end)
      local peer = open(way, {on_message = function(ws, message)
        if message == "wait" then
          websock.sleep(0)  -- from now on there is no spare coroutine
          threads.thread = function()
            threads.thread, lacked = thread, true
            error "not enough memory"
          end
        end
        ws:send(message)
      end}, nil)
      for _, message in ipairs {"wait", "next"} do
        peer:masked("text", message)
        assert.equal(message, heard(peer))
      end
      assert.is_true(lacked)
    end)
  end)

  describe("whose coroutine", function()
    -- behind: what the peer has sent after the message whose callback waits.
    local function ended_by(act, behind)
      return function()
        ends.inside(function()
          local thread
          local way = pairs_of.served[1]
          local peer, calls = open(way, {on_message = function(ws, message)
            if message == "stay" then
              thread = coroutine.running()
              websock.park()
            end
            ws:send(message)
          end}, text(way, "stay") .. (behind or text(way, "next")))
          ends.wait_until(function() return thread end)
          act(thread, peer, calls)
        end)
      end
    end

    it("is closed go on with the next message", ended_by(function(thread, peer)
      coroutine.close(thread)
      assert.equal("next", heard(peer))
    end))

    it("is closed let a Close behind their message take effect", ended_by(function(thread,
        peer, calls)
      coroutine.close(thread)
      assert.equal(4001, (peer:closed()))
      ends.wait_until(has_closed(calls))
    end, close(pairs_of.served[1], 4001)))

    it("is closed go on with a message for which reading had stopped", ended_by(function(thread,
        peer, calls)
      local conn = connection.link(calls.ws).conn
      ends.wait_until(function() return conn:is_behind() end)
      coroutine.close(thread)
      assert.equal(100000, #heard(peer))
    end, text(pairs_of.served[1], ("x"):rep(100000))))

    it("somebody else resumes go on waiting", ended_by(function(thread, peer)
      coroutine.resume(thread, "stranger")
      websock.sleep(0.01)
      assert.is_true(websock.wake(thread))
      assert.equal("stay", heard(peer))
      assert.equal("next", heard(peer))
    end))

    it("yields values end with 1011", function()
      ends.inside(function()
        local way = pairs_of.served[1]
        local peer, calls = open(way, {on_message = function() coroutine.yield(1) end},
          text(way, "x"))
        assert.equal(1011, (peer:closed()))
        ends.wait_until(has_closed(calls))
        assert.matches("has yielded values", calls.errors[1][1])
      end)
    end)

    it("yields nothing go on in the next turn", function()
      ends.inside(function()
        local way = pairs_of.served[1]
        local peer = open(way, {on_message = function(ws, message)
          coroutine.yield()
          ws:send(message)
        end}, text(way, "x") .. text(way, "y"))
        assert.equal("x", heard(peer))
        assert.equal("y", heard(peer))
      end)
    end)
  end)

  describe("on_drain", function()
    local function flood(ws)
      for _ = 1, 3 do ws:send(("x"):rep(4 << 20), "binary", {timeout = 0}) end
    end

    each_way("comes once when a full queue has fallen to half", function(way)
      local drained
      local peer, calls = open(way, {on_message = flood, on_drain = function(ws)
        drained = ws:buffered()
      end}, text(way, "go"))
      assert.is_true(#assert(peer:frame()).payload == 4 << 20)
      ends.wait_until(function() return drained end)
      assert.is_true(drained <= 1 << 19)
      assert.same({"open nil", "message go text", "drain nil"}, {table.unpack(calls)})
    end)

    each_way("does not come for a queue that was not full", function(way)
      local peer, calls = open(way, {on_message = function(ws)
        ws:send(("x"):rep(1000))
        ws:flush()
        ws:send "done"
      end}, text(way, "go"))
      assert.equal(1000, #heard(peer))
      assert.equal("done", heard(peer))
      assert.same({"open nil", "message go text"}, {table.unpack(calls)})
    end)

    for name, act in pairs {["an error"] = error, abort = function(ws) ws:abort() end} do
      each_way("does not come after " .. name, function(way)
        local peer, calls = open(way, {on_message = function(ws)
          flood(ws)
          ws:flush()
          act(ws)
        end}, text(way, "go"))
        assert.is_true(#assert(peer:frame()).payload == 4 << 20)
        peer:closed()
        peer:close()
        ends.wait_until(has_closed(calls))
        assert.same({"open nil", "message go text"}, {table.unpack(calls, 1, #calls - 1)})
      end)
    end

    it("is called after many small messages, too, which one turn writes", function()
      ends.inside(function()
        local way = pairs_of.served[1]
        local _, calls = open(way, {on_message = function(ws)
          repeat until not ws:send(("x"):rep(1000), "binary", {timeout = 0})
        end}, text(way, "go"))
        ends.wait_until(function() return calls[#calls] == "drain nil" end)
      end)
    end)
  end)
end)

describe("on_close", function()
  after_each(function() ends.finish() end)

  it("is called after a handler has ended", function()
    ends.inside(function()
      for _, code in ipairs {1000, 4000} do
        local list = {}
        local peer = pairs_of.open(pairs_of.served[1], {on_close = function(_, closed)
          list[#list + 1] = closed
        end}, function(ws)
          if code ~= 1000 then ws:close(code, "", 0) end
          for _ in ws:messages() do list[#list + 1] = "message" end
          websock.sleep(0.02)
          list[#list + 1] = "handler"
        end, frames.masked("text", "x"))
        if code == 1000 then
          peer:masked("close", frames.close_payload(1000))
        else
          peer:masked("close", assert(peer:frame()).payload)
        end
        ends.wait_until(function() return #list >= 2 and list[#list] == code end)
        assert.equal("handler", list[#list - 1])
      end
    end)
  end)

  it("is called for a handler that returned before the end, or raised", function()
    ends.inside(function()
      for _, handler in ipairs {function() end, function() error "x" end} do
        local code
        local peer = pairs_of.open(pairs_of.served[1], {on_error = function() end,
          on_close = function(_, closed) code = closed end}, handler)
        local expected = peer:closed()
        peer:masked("close", frames.close_payload(expected))
        ends.wait_until(function() return code end)
        assert.equal(expected, code)
      end
    end)
  end)

  it("comes once there is memory for it", function()
    ends.inside(function()
      local spawn_for, lacked = loop.spawn_for, 0
      local peer, calls = open(pairs_of.served[1])
      ends.wait_until(function() return calls[1] end)
      loop.spawn_for = function()
        loop.spawn_for, lacked = spawn_for, lacked + 1
        error "not enough memory"
      end
      local reported
      websock.on_error = function(err) reported = err end
      finally(function() loop.spawn_for, websock.on_error = spawn_for, nil end)
      peer:close()
      ends.wait_until(has_closed(calls))
      assert.same({1, 2}, {lacked, #calls})
      assert.matches("not enough memory", reported)
    end)
  end)

  it("may be given alone to accept and connect", function()
    ends.inside(function()
      for _, way in ipairs {{role = "server", methods = true}, {role = "client"}} do
        local list = {}
        local peer = pairs_of.open(way, {on_close = function(ws, code, reason)
          list[#list + 1] = {code, reason, ws:state()}
        end}, function(ws)
          list[#list + 1] = ws:receive()
          ws:receive()
        end, text(way, "x"))
        peer:send(close(way, 4002, "bye"))
        ends.wait_until(function() return #list == 2 end)
        assert.same({"x", {4002, "bye", "closed"}}, list)
      end
    end)
  end)

  it("is called for each connection when the server stops", function()
    for timeout, expected in pairs {[5] = "close 1001 server stops", [0] = "close 1006 aborted"} do
      local lists, server, options = {}, nil, noting({})
      options.port = 0
      options.on_open = function(ws) ws.list = {} lists[#lists + 1] = ws.list end
      options.on_close = function(ws, code, reason)
        table.insert(ws.list, ("close %d %s"):format(code, reason))
      end
      server = ends.listen(options)
      local peers = {}
      for i = 1, 5 do peers[i] = ends.open(server) end
      ends.turn_until(function() return #lists == 5 end)
      websock.spawn(function() server:stop(timeout) end)
      for i = 1, 5 do peers[i]:closed() peers[i]:close() end
      ends.turn_until(function()
        for _, list in ipairs(lists) do if not list[1] then return false end end
        return true
      end)
      for _, list in ipairs(lists) do
        assert.equal(1, #list)
        if timeout == 0 then assert.equal(expected, list[1]) end
      end
    end
  end)
end)

describe("flush", function()
  after_each(function() ends.finish() end)

  each_way("waits until everything is written", function(way)
    local left
    local peer = pairs_of.open(way, nil, function(ws)
      ws:send(("x"):rep(4 << 20))
      local none, err = ws:flush(0)
      assert.same({nil, "timeout"}, {none, err})
      assert.is_true(ws:flush())
      left = ws:buffered()
      assert.is_true(ws:flush())
      ws:receive()
    end)
    assert.is_nil(left)
    assert.is_true(#assert(peer:frame()).payload == 4 << 20)
    ends.wait_until(function() return left end)
    assert.equal(0, left)
  end)

  it("has a timeout, and ends with the connection", function()
    ends.inside(function()
      local results = {}
      local peer = pairs_of.open(pairs_of.served[1], {ping_interval = false}, function(ws)
        ws:send(("x"):rep(16 << 20))
        results[1] = table.pack(ws:flush(0.01))
        results[2] = table.pack(ws:flush())
        results[3] = table.pack(ws:flush(0))
      end)
      ends.wait_until(function() return results[1] end)
      peer:reset()
      ends.wait_until(function() return results[3] end)
      assert.same({nil, "timeout"}, {table.unpack(results[1], 1, 2)})
      assert.same({nil, "closed", 1006}, {table.unpack(results[2], 1, 3)})
      assert.same({nil, "closed", 1006}, {table.unpack(results[3], 1, 3)})
    end)
  end)

  it("outside a coroutine waits too", function()
    local ws, peer = ends.client()
    local size
    ws:send(("x"):rep(4 << 20))
    websock.spawn(function() size = #assert(peer:frame()).payload end)
    assert.is_true(ws:flush())
    assert.equal(0, ws:buffered())
    ends.turn_until(function() return size end)
    assert.equal(4 << 20, size)
  end)
end)
