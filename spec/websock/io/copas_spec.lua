-- The loop as a guest in Copas, or in what has its interface: see support/copas_like.lua.

local loaded, copas = pcall(require, "copas")
if not loaded or not copas.pauseforever then copas = require "support.copas_like" end
package.loaded.copas = copas

local socket = require "socket"
local websock = require "websock"
local own_host = require "support.own_host"

-- Runs f in a thread of Copas, and Copas until nothing is left to do.
local function inside(f)
  local failure
  copas.addthread(function()
    copas.seterrorhandler(function(err, co) failure = debug.traceback(co, tostring(err)) end)
    f()
  end)
  copas.loop()
  if failure then error(failure, 0) end
end

local function listening()
  local object = assert(socket.bind("127.0.0.1", 0))
  local _, port = object:getsockname()
  return object, "ws://127.0.0.1:" .. math.tointeger(port)
end

describe("in Copas", function()
  it("a thread waits, and is recognised as such", function()
    inside(function()
      local server, url = own_host.echo()
      local others = 0
      local thread = copas.addthread(function()
        while true do
          others = others + 1
          copas.pause(0.001)
        end
      end)
      local ws = assert(websock.connect(url))
      assert(ws:send "hello")
      assert.same({"hello", "text"}, {ws:receive()})
      repeat assert.same({nil, "timeout"}, {ws:receive(0.01)}) until others > 5
      copas.removethread(thread)
      ws:close()
      server:stop()
    end)
  end)

  it("a server runs after `use`, and its handlers in threads of Copas", function()
    -- in a program of its own: `use` is for good
    local program = [[
      package.loaded.copas = require "support.copas_like"
      local copas, websock = require "copas", require "websock"
      websock.use "copas"
      local server
      server = assert(websock.listen {port = 0, scheduler = "copas", handler = function(ws)
        copas.pause(0.01)
        ws:send(ws:receive())
        ws:receive()
        server:stop()
      end})
      print(pcall(websock.run))
      print(pcall(websock.serve, {port = 0, handler = print}))
      local _, port = server:getsockname()
      copas.addthread(function()
        local ws = assert(websock.connect("ws://127.0.0.1:" .. port))
        ws:send "hello"
        print(ws:receive())
        ws:close()
      end)
      copas.loop()
    ]]
    local status, output = own_host.run(program)
    assert.matches("^false\t[^\n]*run: the loop runs inside another scheduler[^\n]*\n"
      .. "false\t[^\n]*serve: the loop runs inside another scheduler[^\n]*\nhello\ttext\n$", output)
    assert.equal(0, status)
  end)

  it("ends when nothing is left to do, though a connection is open", function()
    own_host.leaves_connection(inside)
  end)

  it("a connection without work is served as long as Copas has something to do", function()
    inside(function()
      local server, url = own_host.echo {ping_interval = 0.05}
      local ws = assert(websock.connect(url, {ping_interval = false}))
      copas.pause(0.6)  -- the pump has looked whether to end
      assert.equal("open", ws:state())
      assert.is_number(next({server:connections()()}) and server:connections()().latency)
      ws:close()
      server:stop()
    end)
  end)

  it("a thread that is removed leaves its connection to others", function()
    inside(function()
      local server, url = own_host.echo()
      local ws = assert(websock.connect(url))
      local thread = copas.addthread(function() ws:receive() end)
      copas.pause(0.01)
      assert.same({nil, "busy"}, {ws:receive()})
      copas.removethread(thread)
      thread = nil
      repeat
        collectgarbage()
        copas.pause(0.01)
      until select(2, ws:receive(0)) == "timeout"
      assert(ws:send "for another")
      assert.equal("for another", (ws:receive()))
      ws:close()
      server:stop()
      return thread
    end)
  end)

  it("a thread's error goes to its handler", function()
    local got
    inside(function()
      copas.addthread(function()
        copas.seterrorhandler(function(err) got = err end)
        websock.sleep(0.01)
        error({"mine"})
      end)
      websock.sleep(0.02)
    end)
    assert.same({"mine"}, got)
  end)

  it("a handler of Copas accepts, of its wrapper too", function()
    inside(function()
      for _, wrap in ipairs {function(f) return f end, copas.handler} do
        local object, url = listening()
        copas.addserver(object, wrap(function(skt)
          local ws = assert(websock.accept(skt))
          for message in ws:messages() do ws:send("echo of " .. message) end
        end))
        local ws = assert(websock.connect(url))
        assert(ws:send "it")
        assert.equal("echo of it", (ws:receive()))
        ws:close()
        copas.removeserver(object)
      end
    end)
  end)

  it("a connection over LuaSec's socket", function()
    inside(own_host.echoes_over_luasec)
  end)

  it("Copas before version 4 is no host, and says so when it is named", function()
    package.loaded.copas = {loop = print, _VERSION = "Copas 2.0.2"}
    assert.error_matches(function() websock.use "copas" end,
      'use: scheduler "copas": Copas 4 or later expected')
    local server, url = own_host.echo()
    local ws = assert(websock.connect(url))
    ws:close()
    server:stop()
    package.loaded.copas = copas
  end)
end)
