-- The handler that a server runs for each connection, the end of the connection with it,
-- and what hooks and handlers may do to a connection.

local websock = require "websock"
local child = require "support.child"
local ends = require "support.ends"
local frames = require "support.frames"
local host = require "support.host"

local listen, serves = host.listen, host.serves

describe("server", function()
  before_each(function() host.reports = {} end)
  after_each(function() ends.finish() end)

  describe("handler", function()
    it("gets the connection, with its request and server", function()
      local seen
      local server = listen {handler = function(ws) seen = ws ws:receive() end}
      local peer = ends.open(server, {["X-Tag"] = "1"}, "GET /a%20b?c=d HTTP/1.1")
      ends.turn_until(function() return seen end)
      local request = seen.request
      assert.same({"GET", "/a%20b?c=d", "/a%20b", "c=d", "1", "127.0.0.1"},
        {request.method, request.target, request.path, request.query, request.headers["x-TAG"],
          request.remote.host})
      assert.equal(select(2, peer.sock:getsockname()), tostring(request.remote.port))
      assert.equal(server, seen.server)
      assert.is_nil(request.body)
      assert.is_nil(seen.response)
    end)

    it("that returns closes with 1000", function()
      local peer = ends.open(listen {handler = function() end})
      assert.equal(1000, (peer:closed()))
    end)

    it("that returns gets all that it sent delivered", function()
      local payload = ("x"):rep(3000000)
      local peer = ends.open(listen {handler = function(ws) ws:send(payload) end})
      assert.is_true(assert(peer:frame()).payload == payload)
      assert.equal(1000, (peer:closed()))
    end)

    it("that raises closes with 1011 and reports it", function()
      local connection
      local server = listen {handler = function(ws)
        connection = ws
        error "oh no"
      end}
      local peer = ends.open(server)
      assert.equal(1011, (peer:closed()))
      local err, ws, traceback = table.unpack(host.reports[1], 1, 3)
      assert.matches("handler_spec.lua:%d+: oh no$", err)
      assert.equal(connection, ws)
      assert.matches("oh no.*traceback", traceback)
      serves(listen())
    end)

    it("whose on_error raises affects no other connection", function()
      local code = [[
        local server = websock.listen {port = 0, handler = function(ws)
          ws:receive()
          error "first"
        end, on_error = function() error "second" end}
        local ws = websock.connect("ws://127.0.0.1:" .. select(2, server:getsockname()))
        ws:send "go"
        print(ws:receive())
        server:stop(0)]]
      local status, output = child.run(code)
      assert.equal(0, status)
      assert.matches("first.*on_error raised:.*second", output)
      assert.matches("nil\tclosed\t1011", output)
    end)

    it("may close with a code of its own", function()
      local peer = ends.open(listen {handler = function(ws) ws:close(4000, "own", 0) end})
      assert.same({4000, "own"}, {peer:closed()})
    end)

    it("serves many connections at once", function()
      local server, peers = listen(), {}
      for i = 1, 50 do peers[i] = ends.open(server) end
      assert.equal(50, server:count())
      for i = 1, 50 do peers[i]:masked("text", "n" .. i) end
      for i = 1, 50 do assert.equal("n" .. i, peers[i]:frame().payload) end
    end)

    it("that is closed from outside ends its connection", function()
      local thread
      local server = listen {handler = function(ws)
        thread = coroutine.running()
        ws:receive()
      end}
      local peer = ends.open(server)
      ends.turn_until(function() return thread end)
      coroutine.close(thread)
      assert.equal(1000, (peer:closed()))
    end)
  end)

  describe("attack 23: inside every hook", function()
    local acts = {
      stop = function(server) server:stop(0) end,
      collect = function() collectgarbage() collectgarbage() end,
      error = function() error "in a hook" end,
      vanish = function(_, peer) peer:reset() coroutine.yield() end,
      ["stop and wait"] = function(server) server:stop(0) websock.sleep(0.01) end,
    }
    local hooks = {"authorize", "protocols", "headers", "http", "handler"}
    for name, act in pairs(acts) do
      for _, hook in ipairs(hooks) do
        it(name .. " in " .. hook, function()
          local server, peer, done
          server = listen {[hook] = function()
            done = true
            act(server, peer)
            return hook == "http" and 200 or hook == "authorize" or nil
          end}
          peer = ends.dial(server)
          peer:send(hook == "http" and "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
            or frames.request {["Sec-WebSocket-Protocol"] = "a"})
          ends.turn_until(function() return done end)
          for _ = 1, 5 do websock.step() end
          collectgarbage()
          if not name:find "stop" then serves(listen()) end
        end)
      end
    end

    for name, act in pairs {
      close = function(ws) ws:close(1000, "", 0) end, abort = function(ws) ws:abort() end,
      ["close and wait"] = function(ws) ws:close(1000, "", 0.01) end,
      ["abort and send"] = function(ws) ws:abort() ws:send "x" end,
    } do
      it(name .. " in the handler and on_error", function()
        local server = listen {handler = function(ws)
          act(ws)
          error "then this"
        end, on_error = function(err, ws)
          host.reports[1] = err
          ws:abort()
          collectgarbage()
        end}
        local peer = ends.dial(server)
        peer:send(frames.request())
        ends.turn_until(function() return host.reports[1] end)
        assert.equal(0, server:count())
      end)
    end
  end)
end)
