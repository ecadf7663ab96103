-- The end of a server: stop, __close, serve.

local socket = require "socket"
local websock = require "websock"
local ends = require "support.ends"
local frames = require "support.frames"
local host = require "support.host"

local echo, listen = host.echo, host.listen

describe("server", function()
  before_each(function() host.reports = {} end)
  after_each(function() ends.finish() end)

  describe("stop", function()
    it("closes all connections with 1001 and waits for them", function()
      local server = listen()
      local peers = {}
      for i = 1, 2 do peers[i] = ends.open(server) end
      for _, peer in ipairs(peers) do
        websock.spawn(function()
          assert.equal(1001, (peer:closed()))
          peer:masked("close", frames.close_payload(1001))
        end)
      end
      ends.turn_until(function() return server:count() == 2 end)
      server:stop()
      assert.equal(0, server:count())
      for _, peer in ipairs(peers) do assert.equal("", (peer:rest())) end
      assert.equal(0, #host.reports)
    end)

    it("accepts no more connections", function()
      local server = listen()
      local port = ends.port(server)
      server:stop(0)
      assert.same({nil, "connection refused"}, {socket.connect("127.0.0.1", port)})
      assert.is_nil(server:getsockname())
      server:stop()
    end)

    it("aborts connections that do not answer at its timeout", function()
      local server = listen()
      local peer = ends.open(server)
      ends.turn_until(function() return server:count() == 1 end)
      local begun = websock.now()
      server:stop(0.03)
      assert.is_true(websock.now() - begun >= 0.03)
      assert.equal(1001, (peer:closed()))
      peer:rest()
      assert.is_string(peer.ended)
    end)

    it("with 0 does not wait, but the Close frames are sent", function()
      local server = listen()
      local peer = ends.open(server)
      ends.turn_until(function() return server:count() == 1 end)
      server:stop(0)
      assert.equal(0, server:count())
      assert.equal(1001, (peer:closed()))
    end)

    it("in a handler does not wait for that handler", function()
      local stopped
      local server
      server = listen {handler = function(ws)
        ws:receive()
        server:stop(0.02)
        stopped = true
      end}
      local peer = ends.open(server)
      peer:masked("text", "stop")
      ends.turn_until(function() return stopped end)
      assert.equal(1001, (peer:closed()))
    end)

    it("drops unfinished handshakes", function()
      local server = listen()
      local peer = ends.dial(server)
      peer:send "GET / HTTP/1.1\r\n"
      websock.sleep(0.005)
      server:stop(0)
      peer:rest()
      assert.is_string(peer.ended)
    end)

    it("is called by __close", function()
      local port
      do
        local server <close> = websock.listen {port = 0, handler = echo}
        port = ends.port(server)
      end
      assert.is_nil(socket.connect("127.0.0.1", port))
    end)

    it("ends serve", function()
      local path = os.tmpname()
      os.remove(path)
      websock.spawn(function()
        local ws = assert(websock.connect("ws://a", {unix = path}))
        assert.equal(1001, select(3, ws:receive()))
      end)
      assert.is_true(websock.serve {unix = path, handler = function(ws) ws.server:stop(0) end})
      assert.is_nil(io.open(path))
      ends.inside(function()  -- in a coroutine too
        websock.spawn(function() assert(websock.connect("ws://a", {unix = path})):receive() end)
        assert.is_true(websock.serve {unix = path, handler = function(ws) ws.server:stop(0) end})
      end)
    end)

    it("serve returns that it cannot bind", function()
      local server = listen()
      local port = ends.port(server)
      assert.same({nil, "address in use", "127.0.0.1:" .. port}, {websock.serve {port = port, handler = echo}})
    end)
  end)
end)
