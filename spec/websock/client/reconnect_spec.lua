-- websock.reconnect. Its delays are passed by clock.lua; chance is always the most.

local websock = require "websock"
local backoff = require "websock.client.backoff"
local child = require "support.child"
local clock = require "support.clock"
local descriptors = require "support.descriptors"
local ends = require "support.ends"
local frames = require "support.frames"
local raw = require "support.raw"

-- Listens: the n-th function handles the n-th peer, the last one all further ones. Returns
-- the URL, and a function that counts the peers.
local function counted(...)
  local handlers = {...}
  local listener, count, threads = raw.server(), 0, {}
  threads[0] = websock.spawn(function()
    while true do
      local peer = listener:accept()
      if not peer then return end
      count = count + 1
      local handler = handlers[math.min(count, #handlers)]
      threads[count] = websock.spawn(function()
        local mine <close> = peer
        handler(mine)
      end)
    end
  end)
  ends.at_end(function()
    for i = 0, count do coroutine.close(threads[i]) end
    listener:close()
  end)
  return "ws://127.0.0.1:" .. listener.port, function() return count end
end

local function serve(...) return (counted(...)) end

local function refuse(status, fields)
  return function(peer)
    peer:head()
    peer:send(("HTTP/1.1 %d X\r\n%sContent-Length: 0\r\n\r\n"):format(status, fields or ""))
    peer:rest()
  end
end

-- Accepts, and closes with this code.
local function close_with(code)
  return function(peer)
    peer:welcome()
    peer:plain("close", frames.close_payload(code, "bye"))
    peer:closed()
  end
end

-- Accepts, and answers a Close frame.
local function stay(peer)
  peer:welcome()
  local code = peer:closed()
  if code then peer:plain("close", frames.close_payload(code)) end
end

-- Runs a loop over reconnect in a coroutine, whose body is given the connection and its
-- number. Returns a table in which on_retry's arguments are collected and `ended` is set
-- at the end.
local function bot(url, options, body)
  local told, n = {}, 0
  local o = {ping_interval = false, on_retry = function(...) told[#told + 1] = table.pack(...) end}
  for name, value in pairs(options or {}) do o[name] = value end
  told.thread = websock.spawn(function()
    local ok, err = pcall(function()
      for ws in websock.reconnect(url, o) do
        n, told.ws = n + 1, ws
        if not body then ws:receive() elseif body(ws, n) == "break" then break end
      end
    end)
    told.ended, told.err = true, not ok and err or nil
  end)
  return told
end

describe("reconnect", function()
  descriptors.watch(before_each, after_each, ends.finish)

  local random = backoff.random
  before_each(function() backoff.random = function() return 1 end end)
  after_each(function() backoff.random = random end)

  -- Passes time until it has ended.
  local function pass_to_end(told)
    clock.pass_until(function() return told.ended end)
  end

  it("yields a fresh connection after each end, until a break", function()
    local url, count = counted(close_with(1001), close_with(1012), stay)
    local codes = {}
    local told = bot(url, nil, function(ws, n)
      if n == 3 then return "break" end
      ws:receive()
      codes[n] = ws.close_code
    end)
    pass_to_end(told)
    assert.is_nil(told.err)
    assert.same({1001, 1012}, codes)
    assert.equal(3, count())
    ends.turn_until(function() return told.ws:state() == "closed" end)
    assert.same({1000, true}, {told.ws.close_code, told.ws.close_clean})
  end)

  it("tells on_retry of the error, the delay, the number, the response and the connection", function()
    local url = serve(refuse(503), function(peer) peer:reset() end, close_with(1001), stay)
    local told = bot(url, nil, function(ws, n)
      if n == 2 then return "break" end
      ws:receive()
    end)
    pass_to_end(told)
    assert.equal(3, #told)
    assert.same({"refused", 0.5, 1, 503}, {told[1][1], told[1][2], told[1][3], told[1][4].status})
    assert.matches("^handshake: ", told[2][1])
    assert.same({1, 2, n = 5}, {told[2][2], told[2][3], n = told[2].n})
    assert.same({"closed", 2, 3}, {told[3][1], told[3][2], told[3][3]})
    assert.equal(1001, told[3][5].close_code)
  end)

  it("waits as long as it says, and not longer", function()
    local url, count = counted(refuse(503), stay)
    local told = bot(url, {backoff = {min = 20, max = 20}})
    ends.turn_until(function() return told[1] end)
    clock.pass(18)
    assert.equal(1, count())
    clock.pass(2)
    ends.turn_until(function() return told.ws end)
    assert.equal(2, count())
    websock.stop()
    ends.turn_until(function() return told.ended end)
  end)

  it("waits as long as Retry-After says", function()
    local url = serve(refuse(429, "Retry-After: 100\r\n"), refuse(503, "Retry-After: 9999\r\n"), refuse(404))
    local told = bot(url)
    pass_to_end(told)
    assert.same({100, 600}, {told[1][2], told[2][2]})
    assert.equal(404, told[3][4].status)
  end)

  it("counts from one again after a connection that has lived for 30 s", function()
    local url = serve(refuse(500), refuse(500), stay, refuse(500), stay)
    local told = bot(url, nil, function(_, n)
      local life = n == 1 and 29.5 or 30
      clock.skip(life)
      if n == 3 then return "break" end
    end)
    pass_to_end(told)
    local delays = {}
    for i, one in ipairs(told) do delays[i] = one[2] end
    assert.same({0.5, 1, 2, 4, 0.5}, delays)
  end)

  describe("ends for good", function()
    it("after a refusal that lasts, a fatal code, a bad URL or certificate", function()
      local cases = {
        {serve(refuse(403)), "refused"}, {serve(close_with(1002)), "closed"},
        {"nonsense", "url: ws:// or wss:// expected"},
        {serve(close_with(4000)), "closed", {fatal_codes = {4000}}},
        {"ws://127.0.0.1:1", "url: wss:// expected beside the option 'tls'", {tls = {}}},
      }
      for _, case in ipairs(cases) do
        local told = bot(case[1], case[3])
        pass_to_end(told)
        assert.is_nil(told.err)
        assert.equal(1, #told)
        assert.same({case[2], nil, 1}, {told[1][1], told[1][2], told[1][3]})
      end
    end)

    it("raises without on_retry, at the caller's line, with what has happened", function()
      for url, expected in pairs {[serve(refuse(401))] = "reconnect: refused: 401 X",
        [serve(close_with(1003))] = "reconnect: closed with 1003 bye",
        ["nonsense"] = "reconnect: url: ws:// or wss:// expected"} do
        local ok, err = pcall(function()
          for ws in websock.reconnect(url, {ping_interval = false}) do ws:receive() end
        end)
        assert.is_false(ok)
        assert.matches("^spec/websock/client/reconnect_spec.lua:%d+: ", err)
        assert.equal(expected, (err:gsub("^.-:%d+: ", "")))
      end
    end)

    it("when on_retry returns false", function()
      local url, count = counted(refuse(503))
      local told = bot(url, {on_retry = function(_, _, attempt) return attempt < 2 end})
      pass_to_end(told)
      assert.is_nil(told.err)
      assert.equal(2, count())
    end)

    it("after which the iterator yields nothing", function()
      local iterate, state = websock.reconnect("nonsense", {on_retry = function() end})
      assert.is_nil(iterate(state))
      assert.is_nil(iterate(state))
      assert.matches("^websock.reconnect %(ended%)", tostring(state))
    end)
  end)

  describe("calls functions for each attempt", function()
    it("for URL and headers", function()
      local seen, n = {}, 0
      local function note(peer)
        local line, fields = peer:head()
        seen[#seen + 1] = line:match "GET (%S+)" .. " " .. fields["x-token"]
        peer:send "HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n"
        peer:rest()
      end
      local url = serve(note)
      local told = bot(function()
        n = n + 1
        websock.sleep(0)  -- it may wait
        return url .. "/" .. n
      end, {
        headers = function() return {["X-Token"] = "t" .. n} end,
        on_retry = function() return n < 3 end,
      })
      pass_to_end(told)
      assert.same({"/1 t1", "/2 t2", "/3 t3"}, seen)
    end)

    it("and takes nil and an error for a failure that passes", function()
      local n = 0
      local told = bot(function()
        n = n + 1
        if n < 3 then return nil, "no token" end
        return "nonsense"
      end)
      pass_to_end(told)
      assert.same({"no token", 0.5, "no token", 1}, {told[1][1], told[1][2], told[2][1], told[2][2]})
      assert.matches("^url: ", told[3][1])
      n = 0
      local url = serve(refuse(404))
      told = bot(url, {headers = function()
        n = n + 1
        if n < 2 then return nil, "no headers" end
      end})
      pass_to_end(told)
      assert.same({"no headers", "refused"}, {told[1][1], told[2][1]})
    end)

    it("and raises what they raise, and about what they return", function()
      for expected, options in pairs {["oops"] = {headers = function() error("oops", 0) end},
        ["reconnect: headers: table expected, got number"] = {headers = function() return 5 end},
        ["reconnect: header 'a b': a field's name is no token"] = {headers = function() return {["a b"] = "c"} end},
        ["mine"] = {on_retry = function() error("mine", 0) end}} do
        local told = bot(serve(refuse(503)), options)
        pass_to_end(told)
        assert.equal(expected, (told.err:gsub("^.-:%d+: ", "")))
      end
    end)
  end)

  describe("closes its connection", function()
    local function ended_with(code, url, told)
      ends.turn_until(function() return told.ws and told.ws:state() == "closed" end)
      assert.same({code, true}, {told.ws.close_code, told.ws.close_clean}, url)
    end

    it("with 1000 when the body ends, with 1011 when it raises", function()
      local url = serve(stay)
      local told = bot(url, {on_retry = function() return false end}, function() end)
      ended_with(1000, url, told)
      pass_to_end(told)
      told = bot(url, nil, function() error("in the body", 0) end)
      ended_with(1011, url, told)
      assert.equal("in the body", told.err)
    end)

    it("in the main chunk, where it waits", function()
      local url, held = serve(stay), nil
      for ws in websock.reconnect(url) do
        if held then break end
        held = ws
      end
      assert.same({"closed", 1000, true}, {held:state(), held.close_code, held.close_clean})
    end)

    it("on coroutine.close in its body", function()
      local url = serve(stay)
      local told = bot(url)
      ends.turn_until(function() return told.ws end)
      assert.is_true(coroutine.close(told.thread))
      ended_with(1000, url, told)
    end)
  end)

  describe("coroutine.close ends it", function()
    it("in a delay, and leaves no timer", function()
      local told = bot(serve(refuse(503)))
      ends.turn_until(function() return told[1] end)
      coroutine.close(told.thread)
      ends.finish()
      assert.is_nil(websock.timeout())
    end)

    it("while it connects, and closes the descriptor", function()
      local url, count = counted(function(peer) peer:rest() end)
      local before = descriptors.count()
      local told = bot(url)
      ends.turn_until(function() return count() == 1 end)
      coroutine.close(told.thread)
      ends.finish()
      assert.is_true(descriptors.count() <= before)
      assert.is_nil(websock.timeout())
    end)
  end)

  describe("websock.stop ends it", function()
    it("in a delay, at once", function()
      local told = bot(serve(refuse(503)), {backoff = {min = 60}})
      ends.turn_until(function() return told[1] end)
      websock.stop()
      local begun = websock.now()
      ends.turn_until(function() return told.ended end)
      assert.is_true(websock.now() - begun < 60)
      assert.is_nil(told.err)
    end)

    it("while it connects, at once", function()
      local url, count = counted(function(peer) peer:rest() end)
      local told = bot(url, {timeout = false})
      ends.turn_until(function() return count() == 1 end)
      websock.stop()
      ends.turn_until(function() return told.ended end)
      assert.equal(0, #told)
    end)

    it("in its body, whose connection is closed", function()
      local told = bot(serve(stay))
      ends.turn_until(function() return told.ws end)
      websock.stop()
      ends.turn_until(function() return told.ended end)
      assert.same({1000, true}, {told.ws.close_code, told.ws.close_clean})
      assert.equal(0, #told)
    end)

    it("in on_retry and in functions", function()
      local told = bot(serve(refuse(503)), {on_retry = websock.stop})
      ends.turn_until(function() return told.ended end)
      told = bot(function()
        websock.stop()
        return "ws://127.0.0.1:1"
      end)
      ends.turn_until(function() return told.ended end)
      assert.equal(0, #told)
    end)

    it("in the main chunk, wherever it is", function()
      local function stop_when(done)
        websock.spawn(function()
          while not done() do websock.sleep(0.001) end
          websock.stop()
        end)
      end
      local retried
      stop_when(function() return retried end)
      local options = {backoff = {min = 60}, on_retry = function() retried = true end}
      for _ in websock.reconnect(serve(refuse(503)), options) do error "there is none" end
      local got
      stop_when(function() return got end)
      for ws in websock.reconnect(serve(stay)) do
        got = ws
        assert.same({nil, "closed", 1000, ""}, {ws:receive()})
      end
      assert.equal(1000, got.close_code)
    end)

    it("before it has begun, but not one made later", function()
      local url, count = counted(refuse(404))
      local iterate, state = websock.reconnect(url)
      websock.stop()
      assert.is_nil(iterate(state))
      assert.equal(0, count())
      local told = bot(url)
      pass_to_end(told)
      assert.equal(1, count())
    end)
  end)

  it("goes on when a server of `serve` is stopped", function()
    local told = bot(serve(refuse(503)), {backoff = {min = 60}})
    ends.turn_until(function() return told[1] end)
    local path = os.tmpname()
    os.remove(path)
    websock.spawn(function() assert(websock.connect("ws://a", {unix = path})):receive() end)
    assert.is_true(websock.serve {unix = path, handler = function(ws) ws.server:stop(0) end})
    for _ = 1, 5 do websock.step(0) end
    assert.is_nil(told.ended)
    coroutine.close(told.thread)
  end)

  it("survives ten restarts of its server, and every message arrives", function()
    local reserved <close> = raw.reserve()
    local url = "ws://127.0.0.1:" .. reserved.port
    local function start(n)
      return assert(websock.listen {port = reserved.port, handler = function(ws)
        ws:send(tostring(n))
        ws:receive()
      end})
    end
    local got = {}
    local told = bot(url, nil, function(ws)
      got[#got + 1] = ws:receive()
      if #got == 10 then return "break" end
      ws:receive()
    end)
    for n = 1, 10 do
      local server <close> = start(n)
      clock.pass_until(function() return #got == n end)
      server:stop()
    end
    pass_to_end(told)
    assert.same({"1", "2", "3", "4", "5", "6", "7", "8", "9", "10"}, got)
  end)

  it("comes back when a server has vanished without a word", function()
    local url, count = counted(function(peer)
      peer:welcome()
      websock.park()  -- reads nothing more, and answers no ping
    end, stay)
    local told = bot(url, {ping_interval = 20, ping_timeout = 20})
    clock.pass_until(function() return told[1] end)
    assert.same({"closed", 1006, "ping timeout"}, {told[1][1], told[1][5].close_code, told[1][5].close_reason})
    clock.pass_until(function() return count() == 2 end)
    coroutine.close(told.thread)
  end)

  it("that is dropped unfinished leaves nothing behind", function()
    do
      local iterate, state = websock.reconnect(serve(stay))
      assert(iterate(state))
    end
    collectgarbage()
    collectgarbage()
  end)

  it("ends with its program when a signal comes in a delay", function()
    local status, output = child.run([[
      local websock = require "websock"
      websock.signal("TERM", function() websock.stop() end)
      websock.spawn(function()
        websock.sleep(0)
        os.execute "kill -TERM $PPID"
      end)
      local options = {backoff = {min = 1000, max = 1000}, on_retry = function() print "retry" end}
      for _ in websock.reconnect("ws://127.0.0.1:1", options) do end
      print "ended"
    ]])
    assert.equal("ended", output:match "(%w+)\n$")
    assert.equal(0, status)
  end)

  describe("checks its options", function()
    it("at the caller's line", function()
      for expected, given in pairs {
        ["unknown option 'socket' .*connect"] = {socket = {}}, ["option 'backoff': table expected"] = {backoff = 1},
        ["backoff: unknown option 'Max' .*'max'"] = {backoff = {Max = 5}},
        ["backoff: option 'factor': a number from 1 up"] = {backoff = {factor = 0.5}},
        ["backoff: option 'min' is above 'max'"] = {backoff = {min = 61}},
        ["option 'fatal_codes': a list of integers from 1000 to 4999"] = {fatal_codes = {1}},
        ["option 'on_retry': a function"] = {on_retry = 1}, ["option 'headers'"] = {headers = "a"},
        ["option 'family' does not go with 'unix'"] = {family = "inet", unix = "/a"},
      } do
        local ok, err = pcall(function() return websock.reconnect("ws://a", given) and nil end)
        assert.is_false(ok, expected)
        assert.matches("^spec/websock/client/reconnect_spec.lua:%d+: reconnect: " .. expected, err)
      end
      assert.error_matches(function() websock.reconnect(5) end,
        "reconnect: url: string or function expected, got number")
    end)

    it("and those of the request in the first attempt", function()
      local iterate, state = websock.reconnect("ws://127.0.0.1:1", {protocols = {"a b"}})
      assert.error_matches(function() iterate(state) end, "reconnect: protocol 'a b': a subprotocol is no token")
    end)
  end)
end)
