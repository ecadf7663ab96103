-- Lua's own limits: an allocator of the host's, little C stack, foreign coroutines, debug
-- hooks, a state that is closed at any time.

local websock = require "websock"
local certificates = require "support.certificates"
local child = require "support.child"
local descriptors = require "support.descriptors"
local ends = require "support.ends"
local states = require "support.states"

-- Code that talks over everything, and whose functions another state or process uses:
-- listen(options) and connect(server, options), which fill in CERT and KEY if secure.
local BEFORE = ([[
local websock = require "websock"
local CERT, KEY = %q, %q

local function echo(ws)
  for message, kind in ws:messages() do ws:send(message, kind) end
end

local function listen(o)
  o.port = 0
  if not o.on_message then o.handler = o.handler or echo end
  if o.secure then o.tls = {cert = CERT, key = KEY} end
  o.secure = nil
  return assert(websock.listen(o))
end

local function connect(server, o, secure)
  local _, port = server:getsockname()
  if secure then o.tls = {verify = false} end
  return assert(websock.connect((secure and "wss" or "ws") .. "://localhost:" .. port, o))
end

local function exchange(ws)
  for i = 0, 6 do
    local message = ("message %%d "):format(i):rep(10 ^ i // 10)
    assert(ws:send(message, "text", {timeout = 60}))
    assert(ws:receive(60) == message)
  end
end
]]):format(certificates.server.chain, certificates.server.key)

describe("a state with an allocator of its own", function()
  after_each(ends.finish)

  local CASES = {
    ["plain"] = "{}, {}, false",
    ["compressed"] = "{compress = true}, {compress = true}, false",
    ["over TLS"] = "{secure = true}, {}, true",
    ["compressed, over TLS"] = [[{secure = true, compress = {server_no_context_takeover = false}},
      {compress = {server_no_context_takeover = false}}, true]],
    ["served by callbacks"] = [[{on_message = function(ws, message) ws:send(message) end},
      {}, false]],
  }

  -- Runs code in a new state, which must return all memory and all descriptors.
  local function assert_clean(code)
    websock.sleep(0)  -- the loop of this state is open
    local before = descriptors.count()
    local state = states.open()
    state:run(BEFORE .. code)
    assert.same({0, 0}, {state:close()})
    ends.wait_until(function()  -- a look-up on its thread keeps one until its answer
      return descriptors.count() == before
    end)
  end

  -- The pipe of signals stays: it serves the next state.
  setup(function()
    local state = states.open()
    state:run 'require "websock".signal("USR2", print)'
    state:close()
  end)

  for name, arguments in pairs(CASES) do
    it("gets back what it gave: " .. name, function()
      assert_clean([[
        local function meet(options, client, secure)
          local server = listen(options)
          local ws = connect(server, client, secure)
          exchange(ws)
          server:broadcast "to all"
          assert(ws:receive(60) == "to all")
          assert(ws:close())
          server:stop()
        end
        meet(]] .. arguments .. ")")
    end)

    it("gets it back too if it is closed in the middle: " .. name, function()
      assert_clean([[
        local function meet(options, client, secure)
          local server = listen(options)
          local ws = connect(server, client, secure)
          exchange(ws)
          ws:send(("left in the queue "):rep(100000))
          ws:writer "binary":write "begun"
          connect(server, client, secure):send "unread"
          websock.spawn(websock.connect, "ws://no-such-host.invalid")
          websock.spawn(websock.sleep, 1000)
          websock.spawn(websock.wait, websock.pollfd() or ws:getfd(), "r")
          websock.spawn(connect, server, client, secure)  -- somewhere in its handshake
          websock.signal("USR2", print)
          websock.step(0)
        end
        meet(]] .. arguments .. ")")
    end)
  end
end)

describe("with little C stack left", function()
  local server
  before_each(function() server = ends.listen {port = 0, handler = function(ws)
    for message in ws:messages() do ws:send(message) end
  end} end)
  after_each(ends.finish)

  -- Calls f through n C functions; returns what pcall would.
  local function through(n, f)
    if n == 0 then return pcall(f) end
    local results
    local ok, err = pcall(string.gsub, "x", "x", function()
      results = table.pack(through(n - 1, f))
    end)
    if not ok then return false, err end
    return table.unpack(results, 1, results.n)
  end

  local function connected()
    local _, port = server:getsockname()
    return websock.connect("ws://127.0.0.1:" .. port)
  end

  local CALLS = {
    connect = function()
      local another = connected()
      return another and another:abort()
    end,
    send = function(ws) return ws:send "deep" end,
    ["send, receive"] = function(ws)
      ws:send "deep"
      return ws:receive(60)
    end,
    ping = function(ws) return ws:ping("deep", 0.1) end,
    close = function(ws) return ws:close() end,
    abort = function(ws) return ws:abort() end,
    writer = function(ws)
      local writer <close> = ws:writer()
      return writer:write "deep"
    end,
    listen = function()
      local another = websock.listen {port = 0, handler = print}
      ends.at_end(function() another:stop(0) end)
      return another:getsockname()
    end,
    sleep = function() return websock.sleep(0) end,
    step = function() return websock.step(0) end,
    spawn = function() return coroutine.status(websock.spawn(function() end)) end,
  }

  for name, call in pairs(CALLS) do
    it(name .. " works, or raises a clear error", function()
      local raised = 0
      for n = 20, 100 do  -- each through pcall and gsub: two C functions
        local ws = assert(connected())
        local ok, err = through(n, function() return call(ws) end)
        if not ok then
          assert.matches("stack overflow", tostring(err))
          raised = raised + 1
        end
        ws:abort()
      end
      assert.is_true(raised > 0 and raised < 80)
      ends.turn_until(function() return server:count() == 0 end)
      local ws = assert(connected())
      ws:send "still served"
      assert.equal("still served", (ws:receive(60)))
      assert(ws:close())
    end)
  end
end)

describe("with a debug hook in every coroutine", function()
  after_each(function()
    debug.sethook()
    ends.finish()
  end)

  -- Counts, collects garbage now and then, and asks who is running, as profilers do.
  local function hook()
    local n = 0
    return function(event, line)
      n = n + 1
      if n % 1000 == 0 then collectgarbage "step" end
      assert(debug.getinfo(2, "Sl"))
      assert(event ~= "line" or line)
    end, function() return n end
  end

  for name, mask in pairs {count = "", line = "l", ["call and return"] = "cr"} do
    it(("everything works: %s"):format(name), function()
      local watch, events = hook()
      debug.sethook(watch, mask, mask == "" and 1 or 0)  -- new coroutines inherit it
      local code = BEFORE .. [[
        local server = listen {compress = true}
        local ws = connect(server, {compress = true})
        for _ = 1, 3 do
          assert(ws:send(("hooked "):rep(1000)))
          assert(ws:receive(60))
        end
        assert(ws:ping())
        local iterate = coroutine.wrap(function()
          assert(ws:send "wrapped")
          coroutine.yield(assert(ws:receive(60)))
          coroutine.yield(assert(ws:close()))
        end)
        assert(iterate() == "wrapped" and iterate() == true)
        server:stop()]]
      assert(load(code))()
      assert.is_true(events() > 100)
    end)
  end
end)

describe("a sandboxed script", function()
  after_each(ends.finish)

  -- Has nothing but the module and a function for what it has seen.
  local SCRIPT = [[
    local server = websock.listen {port = 0, handler = function(ws)
      for message, kind in ws:messages() do ws:send(message, kind) end
      error("the handler's")
    end, on_error = function(err) seen(err) end,
      authorize = function(request) return request.path == "/" end,
      http = function() return 200, {}, "hello" end}
    local _, port = server:getsockname()
    local url = "ws://localhost:" .. port
    websock.spawn(function()
      local ws <close> = websock.connect(url, {compress = true})
      local writer = ws:writer()
      writer:write "in "
      writer:finish "pieces"
      seen(ws:receive())
      seen(ws:ping() >= 0)
      seen(ws:close(1000, "done"))
      seen(ws.close_code)
      local _, err, response = websock.connect(url .. "/other")
      seen(err)
      seen(response.status)
      server:stop()
    end)
    seen(websock.run())
    seen(type)
  ]]

  it("has all of the library, and no global of ours", function()
    local list = {}
    local env = {websock = websock, seen = function(...)
      list[#list + 1] = table.pack(...)[1] or "nothing"
    end}
    local names = {}
    for name in pairs(_G) do names[name] = true end
    assert(load(SCRIPT, "=script", "t", env))()
    table.sort(list, function(a, b) return tostring(a) < tostring(b) end)
    assert.same({1000, 403, "in pieces", "nothing", "refused",
      "script:3: attempt to call a nil value (global 'error')", true, true, true}, list)
    for name in pairs(_G) do assert.is_true(names[name], name) end
  end)
end)

describe("lua_close", function()
  -- Where os.exit(7, true) is called, given a server and options of its: all of them
  -- while other connections are open.
  local PLACES = {
    ["a handler"] = [[handler = function(ws) ws:receive() leave() end]],
    ["a function in a handler's coroutine.wrap"] =
      [[handler = function(ws) ws:receive() coroutine.wrap(leave)() end]],
    ["a sort in a handler"] =
      [[handler = function(ws) ws:receive() table.sort({1, 2}, leave) end]],
    ["a handler's to-be-closed variable"] = [[handler = function(ws)
      local _ <close> = setmetatable({}, {__close = leave})
      ws:receive() error "it ends"
    end]],
    ["a debug hook in a handler"] = [[handler = function(ws)
      debug.sethook(leave, "", 200)
      ws:receive()
      for _ = 1, 1000 do ws:state() end
    end]],
    ["a finalizer in a handler"] = [[handler = function(ws)
      for message in ws:messages() do
        setmetatable({}, {__gc = leave})
        collectgarbage()
      end
    end]],
    ["on_open"] = [[on_message = print, on_open = leave]],
    ["on_message"] = [[on_message = leave]],
    ["on_message, after a wait"] =
      [[on_message = function() websock.sleep(0.01) leave() end]],
    ["on_close"] = [[on_message = function(ws) ws:close() end, on_close = leave]],
    ["on_drain"] = [[max_queue = 1, on_message = function(ws)
      ws:send(("x"):rep(100000))
    end, on_drain = leave]],
    ["on_error"] = [[handler = function() error "oops" end, on_error = leave]],
    ["authorize"] = [[authorize = leave]],
    ["protocols"] = [[protocols = leave]],
    ["headers"] = [[headers = leave]],
    ["a signal's function"] = [[handler = function()
      websock.signal("USR1", leave)
      local pid = assert(io.open "/proc/self/stat"):read "n"
      os.execute("kill -USR1 " .. math.tointeger(pid))
      websock.sleep(1000)
    end]],
    ["a function that was spawned"] = [[handler = function()
      websock.spawn(function() websock.sleep(0) leave() end)
      websock.sleep(1000)
    end]],
    ["websock.on_error"] = [[handler = function()
      websock.on_error = leave
      websock.spawn(error)
      websock.sleep(1000)
    end]],
    ["the log"] = [[max_connections = 1, handler = function(ws)
      websock.log = leave
      connect(ws.server, {}, SECURE)
    end]],
  }

  for place, options in pairs(PLACES) do
    for _, secure in ipairs {"false", "true"} do
      it(("in %s (TLS: %s)"):format(place, secure), function()
        local status, output = child.run(BEFORE .. [[
          local SECURE = ]] .. secure .. [[

          local function leave() os.exit(7, true) end
          local others, kept = listen {secure = true, compress = true}, {}
          for i = 1, 3 do
            kept[i] = connect(others, {compress = true}, true)
            kept[i]:send(("x"):rep(100000))
          end
          local server = listen {secure = SECURE, ]] .. options .. [[}
          local ws = connect(server, {}, SECURE)
          ws:send "go"
          repeat local message = ws:receive(60) until not message
          websock.sleep(60)]])
        assert.equal("", output)
        assert.equal(7, status)
      end)
    end
  end
end)
