-- The loop as a guest in cqueues.

local cqueues = require "cqueues"
local socket = require "socket"
local websock = require "websock"
local own_host = require "support.own_host"

-- Runs f(controller) in a thread of a controller, and that until it is empty.
local function inside(f)
  local controller = cqueues.new()
  controller:wrap(f, controller)
  assert(controller:loop())
end

-- The same with a connection to an echo server.
local connected = own_host.connector(inside)

describe("in cqueues", function()
  it("a thread waits, and is recognised as such", function()
    connected(function(ws, controller)
      local others, going = 0, true
      controller:wrap(function()
        while going do
          others = others + 1
          cqueues.sleep(0.001)
        end
      end)
      assert(ws:send "hello")
      assert.same({"hello", "text"}, {ws:receive()})
      repeat assert.same({nil, "timeout"}, {ws:receive(0.01)}) until others > 5
      going = false
    end)
  end)

  it("a handler runs in a thread of the caller's controller, or of the one named", function()
    inside(function(controller)
      for _, scheduler in ipairs {"cqueues", controller} do
        local found
        local server, url = own_host.echo {scheduler = scheduler, handler = function(ws)
          found = {cqueues.running()}
          cqueues.sleep(0.01)
          ws:send(ws:receive())
        end}
        local ws = assert(websock.connect(url))
        assert(ws:send "it")
        assert.equal("it", (ws:receive()))
        assert.equal(controller, found[1])
        assert.is_true(found[2])
        ws:close()
        server:stop()
      end
    end)
  end)

  it("a handler runs in the controller in which the loop runs, if only cqueues was named", function()
    local server, url = own_host.echo {scheduler = "cqueues", handler = function(ws)
      ws:send(tostring(cqueues.running()))
    end}
    inside(function(controller)
      local ws = assert(websock.connect(url))
      assert.equal(tostring(controller), (ws:receive()))
      ws:close()
      server:stop()
    end)
  end)

  it("a handler has no controller in the main chunk, and says so", function()
    local reported
    local server, url = own_host.echo {scheduler = "cqueues", on_error = function(err) reported = err end}
    local ws = assert(websock.connect(url))
    assert.same({nil, "closed", 1011, ""}, {ws:receive()})
    assert.equal("no controller of cqueues runs here: name it itself as the scheduler", reported)
    server:stop()
  end)

  it("a controller may be named before it runs", function()
    local controller, served = cqueues.new(), false
    local server, url = own_host.echo {scheduler = controller, handler = function()
      served = cqueues.running() == controller
    end}
    controller:wrap(function()
      local ws = assert(websock.connect(url))
      ws:receive()
      server:stop()
    end)
    assert(controller:loop())
    assert.is_true(served)
  end)

  it("each controller has a pump", function()
    local first, second = cqueues.new(), cqueues.new()
    local server, url = own_host.echo()
    local ws
    first:wrap(function()
      ws = assert(websock.connect(url))
      ws:ping()
    end)
    repeat first:step(0.01) until ws
    local got
    second:wrap(function()
      assert(ws:send "in the second")
      got = ws:receive()
    end)
    repeat second:step(0.01) until got  -- nobody steps the first one
    assert.equal("in the second", got)
    ws:abort()
    server:stop(0)
    assert(first:loop())
    assert(second:loop())
  end)

  it("a controller ends when nothing is left to do, though a connection is open", function()
    own_host.leaves_connection(inside)
  end)

  it("a thread of a controller that was closed leaves its connection to others", function()
    connected(function(ws)
      local other = cqueues.new()
      other:wrap(function() ws:receive() end)
      other:step(0)
      assert.same({nil, "busy"}, {ws:receive()})
      other:close()
      collectgarbage()
      collectgarbage()
      assert(ws:send "for another")
      assert.equal("for another", (ws:receive()))
    end)
  end)

  it("a controller that was dropped is collected, with what waits in it", function()
    local server, url = own_host.echo()
    local ws = assert(websock.connect(url))
    local weak = setmetatable({cqueues.new()}, {__mode = "v"})
    weak[1]:wrap(function() ws:receive() end)
    weak[1]:step(0)
    for _ = 1, 3 do collectgarbage() end
    assert.is_nil(weak[1])
    assert(ws:send "for another")
    assert.equal("for another", (ws:receive()))
    ws:close()
    server:stop()
  end)

  it("a thread's error comes out of the controller's loop", function()
    local controller = cqueues.new()
    controller:wrap(function()
      websock.sleep(0.01)
      error({"mine"})
    end)
    local ok, err = controller:loop()
    assert.is_false(ok)
    assert.same({"mine"}, err)
    assert(controller:loop())
  end)

  it("a nested coroutine may not wait", function()
    connected(function(ws)
      assert.error_matches(function() coroutine.wrap(function() ws:receive() end)() end,
        "receive: cannot wait here: this is a callback of another scheduler, or a coroutine")
    end)
  end)

  it("a loop accepts", function()
    inside(function(controller)
      local listener = assert(socket.bind("127.0.0.1", 0))
      local _, port = listener:getsockname()
      listener:settimeout(0)
      controller:wrap(function()
        cqueues.poll {pollfd = listener:getfd(), events = "r"}
        local ws = assert(websock.accept(listener:accept()))
        for message in ws:messages() do ws:send("echo of " .. message) end
        listener:close()
      end)
      local ws = assert(websock.connect("ws://127.0.0.1:" .. math.tointeger(port)))
      assert(ws:send "it")
      assert.equal("echo of it", (ws:receive()))
      ws:close()
    end)
  end)

  it("a connection over LuaSec's socket", function()
    inside(own_host.echoes_over_luasec)
  end)

  it("the loop runs in a controller after `use`", function()
    local status, output = own_host.run [[
      local cqueues, websock = require "cqueues", require "websock"
      local controller = cqueues.new()
      websock.use(controller)
      print(pcall(websock.step))
      local server = assert(websock.listen {port = 0, handler = function(ws)
        ws:send(ws:receive())
        ws.server:stop()
      end})
      local _, port = server:getsockname()
      websock.spawn(function()
        local ws = assert(websock.connect("ws://127.0.0.1:" .. port))
        ws:send "hello"
        print(ws:receive())
      end)
      print(controller:loop())
    ]]
    assert.matches("^false\t[^\n]*step: the loop runs inside another scheduler[^\n]*\nhello\ttext\ntrue\n$",
      output)
    assert.equal(0, status)
  end)
end)
