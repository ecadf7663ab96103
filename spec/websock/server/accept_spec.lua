-- websock.accept: the handshake on sockets accepted elsewhere, and the server that they
-- join.

local socket = require "socket"
local websock = require "websock"
local ends = require "support.ends"
local frames = require "support.frames"
local host = require "support.host"
local raw = require "support.raw"

local listen = host.listen

describe("server", function()
  before_each(function() host.reports = {} end)
  after_each(function() ends.finish() end)

  describe("accept", function()
    local function pair()
      local listener = assert(socket.bind("127.0.0.1", 0))
      local _, port = listener:getsockname()
      local peer = raw.client(port)
      local sock = assert(listener:accept())
      listener:close()
      ends.at_end(function() peer:close() end)
      return sock, peer
    end

    it("does the handshake on a socket accepted elsewhere", function()
      local sock, peer = pair()
      peer:send(frames.request())
      local ws = assert(websock.accept(sock))
      assert.equal(-1, sock:getfd())
      assert.matches("101", (peer:head()))
      assert.equal("127.0.0.1", ws.request.remote.host)
      peer:masked("text", "hello")
      ends.inside(function() assert.equal("hello", ws:receive()) end)
      ws:abort()
    end)

    it("has options of its own, beside those of the server that it joins", function()
      for _, server in ipairs {false, ends.listen {port = 0, on_close = error, handler = error}} do
        local sock, peer = pair()
        local told
        peer:send(frames.request())
        local ws = assert(websock.accept(sock, {server = server or nil,
          on_close = function(_, code) told = code end}))
        peer:masked("close", frames.close_payload(1001))
        ends.turn_until(function() return told end)
        assert.equal(1001, told)
        assert.equal("closed", ws:state())
      end
    end)

    it("takes what LuaSocket has read ahead", function()
      local sock, peer = pair()
      peer:send("PROXY line\r\n" .. frames.request() .. frames.masked("text", "early"))
      websock.wait(sock, "r")
      websock.sleep(0.005)
      assert.equal("PROXY line", sock:receive())
      assert.is_true(sock:dirty())
      local ws = assert(websock.accept(sock))
      ends.inside(function() assert.equal("early", ws:receive()) end)
      ws:abort()
    end)

    it("takes a request that was read already, and checks it", function()
      local fields = {
        host = "127.0.0.1", upgrade = "websocket", connection = "keep-alive, Upgrade",
        ["Sec-WebSocket-Key"] = frames.key, ["Sec-WebSocket-Version"] = "13",
      }
      local sock, peer = pair()
      local ws = assert(websock.accept(sock, {
        request = {method = "GET", target = "/x?y", headers = fields},
        received = frames.masked("text", "more"),
      }))
      local line, answer = peer:head()
      assert.matches("101", line)
      assert.equal(frames.accept, answer["sec-websocket-accept"])
      assert.same({"/x", "y"}, {ws.request.path, ws.request.query})
      ends.inside(function() assert.equal("more", ws:receive()) end)
      ws:abort()

      sock, peer = pair()
      fields["Sec-WebSocket-Key"] = "short"
      local refused = websock.accept(sock, {request = {method = "GET", target = "/", headers = fields}})
      assert.is_nil(refused)
      assert.matches("400", (peer:head()))
    end)

    it("attack 21: raises on CR, LF and NUL in such a request", function()
      for _, bad in ipairs {"\r", "\n", "\0"} do
        for _, request in ipairs {
          {method = "GET" .. bad, target = "/", headers = {}}, {method = "GET", target = "/" .. bad, headers = {}},
          {method = "GET", target = "/", headers = {A = "b" .. bad}},
        } do
          local sock = pair()
          assert.has_error(function() websock.accept(sock, {request = request}) end)
          sock:close()
        end
      end
    end)

    it("runs the hooks", function()
      local sock, peer = pair()
      peer:send(frames.request())
      local ws, err = websock.accept(sock, {authorize = function() return false, 401 end})
      assert.is_nil(ws)
      assert.equal("refused", err)
      assert.matches("401", (peer:head()))
    end)

    it("joins a server's count and stop", function()
      local server = listen {port = false}
      assert.is_nil(server:getsockname())
      local sock, peer = pair()
      peer:send(frames.request())
      local ws = assert(websock.accept(sock, {server = server}))
      assert.equal(server, ws.server)
      assert.equal(1, server:count())
      peer:head()
      server:stop(0)
      assert.equal(1001, (peer:closed()))
    end)

    it("counts for a server's max_connections: one too many is refused with 503", function()
      local server = listen {port = false, max_connections = 1}
      local function join()
        local sock, peer = pair()
        peer:send(frames.request())
        local ws, err = websock.accept(sock, {server = server})
        return ws, err, peer:head()
      end
      local first, _, line = join()
      assert.matches(" 101 ", line)
      for _ = 1, 2 do
        local ws, err, answer = join()
        assert.same({nil, "refused"}, {ws, err})
        assert.matches(" 503 ", answer)
      end
      assert.equal(1, server:count())
      first:abort()
      assert.matches(" 101 ", (select(3, join())))
    end)

    it("closes a connection at once while 64 are being refused", function()
      local server, accepted = listen {port = false, max_connections = 1, handshake_timeout = 1000}, 0
      local function join()
        local sock, peer = pair()
        websock.spawn(function()
          accepted = accepted + 1
          websock.accept(sock, {server = server})
        end)
        return peer
      end
      for _ = 1, 65 do join() end  -- one, and 64 that get the answer once they ask
      ends.turn_until(function() return accepted == 65 end)
      local sock, peer = pair()
      assert.same({nil, "refused"}, {websock.accept(sock, {server = server})})
      assert.equal("", (peer:rest()))
    end)

    it("times out with handshake_timeout", function()
      local sock, peer = pair()
      assert.same({nil, "timeout"}, {websock.accept(sock, {handshake_timeout = 0.02})})
      peer:rest()
      assert.is_string(peer.ended)
    end)

    it("returns that the peer is gone", function()
      local sock, peer = pair()
      peer:close()
      local ws, err = websock.accept(sock)
      assert.is_nil(ws)
      assert.is_string(err)
    end)

    it("raises on values that are no socket or server", function()
      assert.error_matches(function() websock.accept({}) end, "accept: a socket object needs the method")
      local sock = pair()
      assert.error_matches(function() websock.accept(sock, {server = {}}) end, "a server of websock")
      assert.error_matches(function() websock.accept(sock, {port = 1}) end, "accept: unknown option 'port'")
      sock:close()
    end)
  end)
end)
