-- Our client against the servers of Python's `websockets` and Node's `ws`. README.md
-- says what the servers understand.

local websock = require "websock"
local certificates = require "support.certificates"
local process = require "support.process"

local python = { process.python, "spec/interop/peer.py", "server" }
local node = { "node", "spec/interop/peer.mjs", "server" }
local peers = {
  { "Python websockets", python }, { "Node ws", node },
  { "Python websockets over TLS", python, "wss" }, { "Node ws over TLS", node, "wss" },
}

local sizes = { 0, 1, 125, 126, 65535, 65536 }
local every_byte = {}
for i = 0, 255 do every_byte[i + 1] = string.char(i) end
every_byte = table.concat(every_byte)

local function bytes (n)
  return every_byte:rep(n // 256 + 1):sub(1, n)
end

for _, peer in ipairs(peers) do
  describe(peer[1] .. " as the server #slow", function ()
    local server, url
    local scheme = peer[3] or "ws"

    local function start ()
      local made = scheme == "wss" and certificates.server
      server = process.start(peer[2], { turn = websock.sleep,
        env = made and { TLS_CERT = made.chain, TLS_KEY = made.key } })
      url = scheme .. "://127.0.0.1:" .. server:expect("port (%d+)\n") .. "/"
    end

    local function tls ()
      return scheme == "wss" and { ca_file = certificates.ca.cert } or nil
    end

    local function connect (options)
      options = options or {}
      options.tls = tls()
      options.timeout = 30
      return assert(websock.connect(url, options))
    end

    -- Sends a message and compares the echo.
    local function echo (ws, message, kind)
      assert.is_true(ws:send(message, kind))
      local back, back_kind = ws:receive(30)
      assert.equal(kind, back_kind)
      assert.equal(#message, #back)
      assert.is_true(message == back)
    end

    setup(start)
    teardown(function () server:stop() end)

    for _, size in ipairs(sizes) do
      it(("text of %d bytes"):format(size), function ()
        local ws <close> = connect()
        echo(ws, ("a"):rep(size), "text")
      end)

      it(("binary of %d bytes"):format(size), function ()
        local ws <close> = connect()
        echo(ws, bytes(size), "binary")
      end)
    end

    it("10 MiB with a raised limit", function ()
      local ws <close> = connect { max_message = 11 << 20 }
      echo(ws, bytes(10 << 20), "binary")
    end)

    it("10 MiB without one: 1009", function ()
      local ws <close> = connect()
      assert.is_true(ws:send(bytes(10 << 20), "binary"))
      local message, err, code = ws:receive(30)
      assert.is_nil(message)
      assert.same({ "closed", 1009 }, { err, code })
      assert.equal("1009", (server:expect("closed (1009)")))
    end)

    it("characters of two, three and four bytes", function ()
      local ws <close> = connect()
      echo(ws, "wörld \u{20ac} \u{1f600}", "text")
    end)

    it("receives fragments", function ()
      local ws <close> = connect()
      ws:send("!fragment one|two|three")
      assert.same({ "onetwothree", "text" }, { ws:receive(30) })
      ws:send("!fragment-binary a||b")
      assert.same({ "ab", "binary" }, { ws:receive(30) })
    end)

    it("sends fragments", function ()
      local ws <close> = connect()
      local w = assert(ws:writer("text"))
      assert.is_true(w:write("w\xc3"))
      assert.is_true(w:write("\xb6r"))
      assert.is_true(w:finish("ld"))
      assert.same({ "wörld", "text" }, { ws:receive(30) })
    end)

    it("pings, and measures the round trip", function ()
      local ws <close> = connect()
      local seconds = assert(ws:ping("hello", 30))
      assert.is_true(seconds >= 0 and seconds < 30)
      assert.equal("float", math.type(seconds))
    end)

    it("answers a ping with its payload", function ()
      local ws <close> = connect()
      ws:send("!ping from you")
      assert.equal("pong received", (ws:receive(30)))
    end)

    it("ignores a pong without a ping", function ()
      local ws <close> = connect()
      ws:send("!pong unasked")
      assert.equal("pong sent", (ws:receive(30)))
    end)

    for _, code in ipairs { 1000, 1001, 3000, 4999 } do
      it(("begins to close with %d"):format(code), function ()
        local reason = "reason " .. code
        local ws = connect()
        assert.is_true(ws:close(code, reason, 30))
        assert.same({ code, reason, true },
          { ws.close_code, ws.close_reason, ws.close_clean })
        server:expect("closed (" .. code .. ") " .. reason)
      end)

      it(("is closed with %d"):format(code), function ()
        local reason = "because " .. code
        local ws = connect()
        ws:send(("!close %d %s"):format(code, reason))
        assert.same({ nil, "closed", code, reason, n = 4 }, table.pack(ws:receive(30)))
        assert.same({ code, reason, true },
          { ws.close_code, ws.close_reason, ws.close_clean })
      end)
    end

    it("is closed without a code: 1005", function ()
      local ws = connect()
      ws:send("!close")
      local message, err, code = ws:receive(30)
      assert.same({ nil, "closed", 1005 }, { message, err, code })
      assert.is_true(ws.close_clean)
    end)

    it("gets the subprotocol that both prefer", function ()
      local ws <close> = connect { protocols = { "chat.v2", "chat.v1" } }
      assert.equal("chat.v2", ws.protocol)
      local other <close> = connect { protocols = { "chat.v1" } }
      assert.equal("chat.v1", other.protocol)
    end)

    it("gets none when it asks for none", function ()
      local ws <close> = connect()
      assert.is_nil(ws.protocol)
    end)

    for path, expected in pairs { ["403"] = "not for you", ["404"] = "nothing here" } do
      it("is refused with " .. path, function ()
        local ws, err, response = websock.connect(url .. path, { timeout = 30, tls = tls() })
        assert.is_nil(ws)
        assert.equal("refused", err)
        assert.equal(tonumber(path), response.status)
        assert.equal(expected, response.body)
      end)
    end

    it("notices that the server has vanished", function ()
      local ws = connect()
      echo(ws, "still there", "text")
      server:signal("KILL")
      local message, err, code = ws:receive(30)
      assert.same({ nil, "closed", 1006 }, { message, err, code })
      assert.is_false(ws.close_clean)
      server:stop()
      start()
    end)
  end)
end
