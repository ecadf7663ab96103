-- The effect of a server's limits, and that a fault of one connection does not affect
-- another.

local websock = require "websock"
local child = require "support.child"
local descriptors = require "support.descriptors"
local ends = require "support.ends"
local frames = require "support.frames"
local host = require "support.host"

local ask, echo, knock, listen, serves = host.ask, host.echo, host.knock, host.listen, host.serves

describe("server", function()
  before_each(function() host.reports = {} end)
  after_each(function() ends.finish() end)

  describe("limits", function()
    it("max_header is 431", function()
      local server = listen {max_header = 1000}
      assert.equal(101, knock(server))
      assert.equal(431, (ask(server, frames.request {["X-Long"] = ("x"):rep(1000)})))
    end)

    it("attack 10: 2,000 fields are 431, a head that arrives byte by byte ends in time, others are served", function()
      local server = listen {handshake_timeout = 0.2}
      local many = {}
      for i = 1, 2000 do many["X-" .. i] = "y" end
      assert.equal(431, (ask(server, frames.request(many))))
      local peer = ends.dial(server)
      peer:send "GET / HTTP/1.1\r\nX: "
      local ended
      websock.spawn(function()
        while not ended and peer:send "y" do websock.sleep(0.005) end
      end)
      serves(server)
      local begun = websock.now()
      peer:rest()
      ended = true
      assert.is_true(websock.now() - begun < 10)
      assert.equal(0, server:count())
    end)

    it("a silent client is dropped at handshake_timeout", function()
      local peer = ends.dial(listen {handshake_timeout = 0.02})
      assert.equal("", (peer:rest()))
    end)

    it("max_connections is 503, until a connection ends", function()
      local server = listen {max_connections = 2}
      local one = ends.open(server)
      ends.open(server)
      assert.equal(503, knock(server))
      one:close()
      ends.turn_until(function() return server:count() == 1 end)
      ends.turn_until(function() return knock(server) == 101 end)
    end)

    it("attack 32: without descriptors it does not spin, reports once and recovers", function()
      local code = [[
        local socket = require "socket"
        local told, server = 0
        server = assert(websock.listen {port = 0, handler = function(ws)
          for m in ws:messages() do ws:send(m) end
        end, on_error = function(err)
          told = told + 1
          print("told", err)
        end})
        local _, port = server:getsockname()
        local client = assert(socket.connect("127.0.0.1", port))  -- waits to be accepted
        local files = {}
        collectgarbage()  -- or it would free descriptors later
        repeat
          local file = io.open "/dev/null"
          files[#files + 1] = file
        until not file
        local turns, cpu = 0, os.clock()
        local last = websock.now() + 0.35
        while websock.now() < last do
          websock.step(0.5)
          turns = turns + 1
        end
        print("turns", turns < 50, told)
        for _, file in ipairs(files) do file:close() end
        files = nil
        collectgarbage()
        local ws = assert(websock.connect("ws://127.0.0.1:" .. port))
        ws:send "recovered"
        print(ws:receive())
        server:stop(0)]]
      local status, output = child.run(code, 40)
      assert.equal("told\ttoo many open files\nturns\ttrue\t1\nrecovered\ttext\n", output)
      assert.equal(0, status)
    end)

    it("attack 26: garbage, wrong bits and resets affect one connection only", function()
      local server = ends.listen {port = 0, handler = echo, on_error = function(err) error(err) end}
      for _, bytes in ipairs {"\0\1\2\r\n\r\n", ("\255"):rep(100000), "\r\n\r\n\r\n\r\n", " \r\n\r\n",
        "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\22\3\1\2\0\1\0\1\252\3\3"} do
        local peer = ends.dial(server)
        peer:send(bytes)
        peer:shutdown()
        peer:rest()
        peer:close()
      end
      for _, frame in ipairs {
        frames.build {rsv = 7, mask = "abcd", payload = "x"}, frames.plain("text", "unmasked"),
        frames.build {opcode = 15, mask = "abcd"}, frames.build {opcode = "close", mask = "abcd", payload = "x"},
        frames.build {mask = "abcd", form = 64, length = math.maxinteger},
        frames.build {mask = "abcd", form = 64, length = -1}, frames.masked("text", "\xFF"),
      } do
        local peer = ends.open(server)
        peer:send(frame)
        assert.is_number(peer:closed())
        peer:close()
      end
      local peer = ends.open(server)
      peer:masked("text", "x", false)
      peer:reset()
      peer = ends.dial(server)
      peer:send "GET / HT"
      peer:reset()
      serves(server)
      ends.turn_until(function() return server:count() == 0 end)
    end)

    it("attack 25: a peer that ignores the close is dropped, its descriptor freed", function()
      local before
      local server = listen {close_timeout = 0.03, handler = function() end}
      before = descriptors.count()
      local peer = ends.open(server)
      assert.equal(1000, (peer:closed()))
      websock.spawn(function()
        while peer:masked("text", ("x"):rep(100)) do websock.sleep(0.002) end
      end)
      ends.turn_until(function() return descriptors.count() <= before + 1 end)
      assert.equal(0, server:count())
    end)

    it("attack 29: older drafts get 426 with the supported version", function()
      for _, version in ipairs {"0", "7", "8", "12", "14", "99"} do
        local status, fields = ask(listen(), frames.request {["Sec-WebSocket-Version"] = version})
        assert.same({426, "13"}, {status, fields["sec-websocket-version"]})
      end
    end)
  end)
end)
