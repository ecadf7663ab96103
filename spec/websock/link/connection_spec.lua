-- A connection in both roles: its state, names and fields, and where its methods can
-- wait. Each method has a spec of its own in this folder. Frames are built and parsed
-- without the library's encoder.

local websock = require "websock"
local descriptors = require "support.descriptors"
local ends = require "support.ends"
local frames = require "support.frames"
local roles = require "support.roles"

local both = roles.both(it)
local raises_here = roles.raises_here
local narrow = roles.narrow
local BIG = roles.BIG
local read_message = roles.read_message

describe("connection", function()
  after_each(function() ends.finish() end)

  describe("state and names", function()
    both("give the addresses of both ends", function(ws, peer)
      assert.equal("open", ws:state())
      assert.matches("^websock.connection %(open%): ", tostring(ws))
      assert.equal("websock.connection", getmetatable(ws).__name)
      local host, port = ws:getpeername()
      local own_host, own_port = ws:getsockname()
      local peer_host, peer_port = peer.sock:getsockname()
      local far_host, far_port = peer.sock:getpeername()
      assert.same({peer_host, math.tointeger(peer_port)}, {host, math.tointeger(port)})
      assert.same({far_host, math.tointeger(far_port)}, {own_host, math.tointeger(own_port)})
      assert.equal("integer", math.type(ws:getfd()))
    end)

    both("of a closed connection are nil", function(ws)
      ws:abort()
      for _, name in ipairs {"getpeername", "getsockname", "getfd"} do
        assert.same({nil, "closed"}, {ws[name](ws)})
      end
      assert.equal(0, ws:buffered())
      assert.matches("%(closed%)", tostring(ws))
    end)

    both("socket is always the same LuaSocket object", function(ws, peer)
      local object = ws:socket()
      assert.equal(object, ws:socket())
      assert.matches("^tcp{", tostring(object))
      assert.equal((peer.sock:getpeername()), (object:getsockname()))
      assert.is_truthy(object:setoption("keepalive", true))
      ws:abort()
      assert.equal(object, ws:socket())
    end)

    both("the library's fields cannot be set", function(ws)
      for _, name in ipairs {"protocol", "request", "response", "extensions", "latency", "server",
        "close_code", "close_reason", "close_clean", "send", "receive", "close", "subscribe"} do
        raises_here(function() ws[name] = 1 end,
          "'" .. name .. "' belongs to the connection")
      end
    end)

    both("users' fields can be set", function(ws, _, say)
      ws.user = "alice"
      ws[1] = 2
      assert.same({"alice", 2}, {ws.user, ws[1]})
      assert.is_nil(ws.nothing)
      rawset(ws, "receive", 5)
      rawset(ws, "state", 5)
      rawset(ws, "close", 5)
      rawset(ws, "send", 5)
      say("text", "works")
      local next_message, state = ws:messages()
      assert.equal("works", next_message(state))
      assert.is_string(tostring(ws))
    end)

    both("close_code is nil while it is open", function(ws)
      assert.same({}, {ws.close_code, ws.close_reason, ws.close_clean})
    end)
  end)

  describe("__close", function()
    it("waits in the main chunk, with 1000", function()
      local ws, peer = ends.client()
      websock.spawn(function()
        peer:plain("close", frames.close_payload((peer:closed())))
        peer:close()
      end)
      do local _ <close> = ws end
      assert.same({"closed", 1000, true}, {ws:state(), ws.close_code, ws.close_clean})
    end)

    both("begins a close with 1000 in a coroutine", function(ws, peer)
      do local _ <close> = ws end
      assert.equal("closing", ws:state())
      assert.equal(1000, (peer:closed()))
    end)

    both("begins one with 1011 after an error", function(ws, peer)
      pcall(function()
        local _ <close> = ws
        error "oh no"
      end)
      assert.equal(1011, (peer:closed()))
    end)

    both("of a closed connection does nothing", function(ws)
      ws:abort()
      do local _ <close> = ws end
      assert.equal("aborted", ws.close_reason)
    end)
  end)

  describe("__gc", function()
    it("frees the descriptor of a client that is not used any more", function()
      local before = descriptors.count()
      local raw = require "support.raw"
      local peer
      do
        local listener <close> = raw.server()
        websock.spawn(function()
          peer = assert(listener:accept())
          peer:welcome()
        end)
        assert(websock.connect("ws://127.0.0.1:" .. listener.port)):socket()
      end
      collectgarbage()
      collectgarbage()
      local bytes, why = peer:rest()
      assert.equal("", bytes)
      assert.is_string(why)
      peer:close()
      collectgarbage()
      assert.equal(before, descriptors.count())
    end)
  end)

  describe("server's connections outside a coroutine", function()
    it("never wait", function()
      local ws, peer = ends.server {max_queue = 1000}
      assert.same({nil, "timeout"}, {ws:receive()})
      peer:masked("text", "here")
      websock.wait(ws:getfd(), "r", 0)
      local message
      ends.turn_until(function()
        message = ws:receive()
        return message
      end)
      assert.equal("here", message)
      narrow(ws)
      assert.is_true(ws:send(BIG, "binary"))
      assert.same({nil, "queue full"}, {ws:send "x"})
      assert.same({nil, "timeout"}, {ws:ping()})
      assert.same({nil, "timeout"}, {ws:close()})
    end)

    it("offer what they send to the kernel at once", function()
      local ws, peer = ends.server()
      ws:send "now"
      assert.equal(0, ws:buffered())
      assert.equal("now", read_message(peer))
    end)
  end)

  describe("where nothing can wait", function()
    both("calls raise and do nothing", function(ws, peer, say)
      local function inside(f) return coroutine.wrap(f) end
      raises_here(inside(function() ws:receive() end), "cannot wait here")
      assert.error_matches(inside(function() ws:receive_part() end), "cannot wait here")
      assert.error_matches(inside(function() ws:ping "no" end), "cannot wait here")
      assert.error_matches(inside(function() ws:close() end), "cannot wait here")
      assert.equal("open", ws:state())
      inside(function() assert.is_true(ws:send "yes") end)()
      assert.equal("yes", read_message(peer))
      say("text", "later")
      assert.equal("later", ws:receive())
    end)

    both("calls with a timeout of 0 work", function(ws)
      coroutine.wrap(function()
        assert.same({nil, "timeout"}, {ws:receive(0)})
        assert.same({nil, "timeout"}, {ws:ping("x", 0)})
        assert.same({nil, "timeout"}, {ws:close(1000, "", 0)})
      end)()
    end)
  end)
end)
