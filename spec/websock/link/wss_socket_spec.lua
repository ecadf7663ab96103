-- TLS over sockets that were made elsewhere.

local socket = require "socket"
local websock = require "websock"
local certificates = require "support.certificates"
local descriptors = require "support.descriptors"
local ends = require "support.ends"
local raw = require "support.raw"
local secure = require "support.secure"
local wss = require "support.wss"

local bytes = wss.bytes

local MiB = 1024 * 1024

describe("wss", function()
  after_each(function() ends.finish() end)

  describe("on a socket that was given", function()
    it("a LuaSocket object is put into TLS, and checked against the URL", function()
      local server = wss.serve {tls = certificates.of "host_only"}
      local function dial(host)
        local object = assert(socket.connect("127.0.0.1", ends.port(server)))
        return wss.dial(server, nil, host, {socket = object})
      end
      local ws = assert(dial "localhost")
      wss.assert_echo(ws, "on a given socket")
      ws:abort()
      local refused, err = dial "127.0.0.1"
      assert.is_nil(refused)
      assert.matches("^tls: ", err)
    end)

    -- LuaSec's object, after its handshake.
    local function wrapped(server)
      return assert(secure.client(ends.port(server), {})).tls
    end

    for _, scheme in ipairs {"ws", "wss"} do
      it("LuaSec's, for a client, is used as it is: " .. scheme, function()
        local server = wss.serve {max_message = 3 * MiB}
        local ws = assert(websock.connect(scheme .. "://localhost/", {socket = wrapped(server),
          max_message = 3 * MiB, max_queue = 3 * MiB, timeout = 30}))
        for _, size in ipairs {0, 126, 8191, 8192, 8193, 16384, 70000, 2 * MiB} do
          wss.assert_echo(ws, bytes(size), "binary")
        end
        assert.is_true(ws:close(1000, "done"))
        assert.is_true(ws.close_clean)
      end)
    end

    it("LuaSec's, for a server, is accepted as it is", function()
      local listener <close> = raw.server()
      local accepted
      websock.spawn(function()
        local peer = assert(secure.wrap(listener:accept(), secure.server_params "server"))
        local ws = assert(websock.accept(peer.tls, {max_message = 3 * MiB, max_queue = 3 * MiB}))
        wss.echo(ws)
        accepted = ws
      end)
      local ws = wss.connect(listener.port)
      for _, size in ipairs {0, 126, 8191, 8192, 8193, 16384, 70000, 2 * MiB} do
        wss.assert_echo(ws, bytes(size), "binary")
      end
      assert.is_true(ws:close(4000, "done"))
      ends.turn_until(function() return accepted end)
      assert.same({4000, "done", true},
        {accepted.close_code, accepted.close_reason, accepted.close_clean})
    end)

    it("one whose kernel takes little at a time: the handshake goes on", function()
      local made, authority = certificates.server, certificates.text(certificates.intermediate.cert)
      local tls = {cert = certificates.text(made.chain) .. authority:rep(100), key = made.key}
      local listener <close> = raw.server()
      local theirs
      websock.spawn(function()
        local peer = assert(listener:accept())
        peer.sock:setoption("send-buffer-size", 1)
        theirs = websock.accept(peer.sock, {tls = tls, handshake_timeout = wss.patience})
      end)
      wss.connect(listener.port)
      ends.turn_until(function() return theirs end)
      theirs:abort()
    end)

    it("a LuaSocket object is accepted into TLS", function()
      local listener <close> = raw.server()
      websock.spawn(function()
        local ws = assert(websock.accept(assert(listener:accept()).sock,
          {tls = certificates.of "server"}))
        wss.echo(ws)
      end)
      wss.assert_echo(wss.connect(listener.port), "accepted")
    end)

    it("accept returns the error of TLS", function()
      local listener <close> = raw.server()
      local result
      websock.spawn(function()
        result = table.pack(websock.accept(assert(listener:accept()).sock,
          {tls = certificates.of "server"}))
      end)
      local peer = raw.client(listener.port)
      peer:send "GET / HTTP/1.1\r\n\r\n"
      ends.turn_until(function() return result end)
      peer:close()
      assert.is_nil(result[1])
      assert.matches("^tls: ", result[2])
    end)

    it("accept gives up after handshake_timeout", function()
      local listener <close> = raw.server()
      local result
      websock.spawn(function()
        result = table.pack(websock.accept(assert(listener:accept()).sock,
          {tls = certificates.of "server", handshake_timeout = 0.2}))
      end)
      local peer = raw.client(listener.port)
      ends.turn_until(function() return result end)
      peer:close()
      assert.same({nil, "timeout"}, {result[1], result[2]})
    end)

    it("one whose TLS has failed is closed", function()
      local server, count = wss.serve(), descriptors.count()
      for _ = 1, 5 do
        local object = assert(socket.connect("127.0.0.1", ends.port(server)))
        assert.is_nil((wss.dial(server, {}, nil, {socket = object})))
      end
      ends.turn_until(function() return descriptors.count() <= count end)
    end)
  end)
end)
