-- TLS handshakes: sessions that are resumed, the time that one may take, peers that
-- speak something else.

local websock = require "websock"
local certificates = require "support.certificates"
local descriptors = require "support.descriptors"
local ends = require "support.ends"
local frames = require "support.frames"
local raw = require "support.raw"
local secure = require "support.secure"
local wss = require "support.wss"

local before = wss.before
local pair = wss.pair

describe("wss", function()
  after_each(function() ends.finish() end)

  describe("a session", function()
    -- The number of bytes from the server until the first message is echoed.
    local function cost(between, tls, host)
      local sent = between.down
      local ws = wss.connect(between.port, tls, host)
      wss.assert_echo(ws, "hello")
      ws:close()
      return between.down - sent
    end

    it("is resumed by a client that comes back with its context", function()
      local between = before(wss.serve())
      local tls = websock.tls(wss.trusting())
      local first = cost(between, tls)
      local saved = #certificates.text(certificates.server.cert) // 2
      for _ = 1, 3 do assert.is_true(first - cost(between, tls) > saved, "not resumed") end
      local other = cost(between, websock.tls(wss.trusting()))
      assert.is_true(first - other < saved, "another context has no session")
    end)

    it("of a client with a certificate is resumed, too", function()
      local server = wss.serve {tls = {cert = certificates.server.chain,
        key = certificates.server.key, client_ca = certificates.ca.cert}}
      local between = before(server)
      local tls = websock.tls(wss.trusting(certificates.of "client"))
      local first = cost(between, tls)
      assert.is_true(cost(between, tls) < first - 500, "not resumed")
    end)

    it("of one name is not used for another: names are checked each time", function()
      local server = wss.serve {tls = certificates.of "host_only"}
      local tls = websock.tls(wss.trusting())
      for _ = 1, 2 do
        wss.connect(server, tls):close()
        local ws, err = wss.dial(server, tls, "127.0.0.1")
        assert.is_nil(ws)
        assert.matches("^tls: ", err)
      end
    end)

    it("is forgotten without harm if the server has forgotten it", function()
      local server = wss.serve()
      local tls = websock.tls(wss.trusting())
      wss.connect(server, tls):close()
      server:set_tls(certificates.of "renewed")
      wss.assert_echo(wss.connect(server, tls), "a full handshake")
    end)
  end)

  describe("the time for a handshake", function()
    -- Beginnings of TLS handshakes that are not continued.
    local hello = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" .. ("\x55"):rep(32)
    local stalls = {
      ["nothing"] = {""}, ["one byte"] = {"\x16"}, ["half a hello"] = {hello},
    }
    for name, pieces in pairs(stalls) do
      it("ends a client that sends " .. name .. ", others are served", function()
        local server = wss.serve {handshake_timeout = 1}
        local count, peers = descriptors.count(), {}
        for i = 1, 20 do
          peers[i] = raw.client(ends.port(server))
          peers[i]:send_pieces(pieces)
        end
        wss.assert_echo(wss.connect(server), "served meanwhile")
        for _, peer in ipairs(peers) do
          local _, err = peer:rest()
          assert.equal("closed", err)
          peer:close()
        end
        wss.assert_echo(wss.connect(server), "served after it")
        ends.turn_until(function() return descriptors.count() <= count + 4 end)
      end)
    end

    it("ends a client whose hello arrives byte by byte", function()
      local server = wss.serve {handshake_timeout = 0.3}
      local peer = raw.client(ends.port(server))
      local ended
      for i = 1, 10000 do
        if not peer:send((hello .. ("x"):rep(10000)):sub(i, i)) then
          ended = true
          break
        end
        websock.step(0.001)
      end
      assert.is_true(ended)
      peer:close()
    end)

    it("covers the request after TLS", function()
      local server = wss.serve {handshake_timeout = 1}
      local peer = assert(secure.client(ends.port(server), {}))
      local bytes_sent = peer:rest()
      assert.matches("^H?T?T?P?", bytes_sent)
      peer:close()
      wss.assert_echo(wss.connect(server), "served")
    end)

    it("ends a client of ours whose server sends nothing; others go on", function()
      local silent <close> = raw.server()
      local server = wss.serve()
      local result
      websock.spawn(function()
        result = table.pack(websock.connect(wss.url(silent.port), {timeout = 0.3, tls = wss.trusting()}))
      end)
      wss.assert_echo(wss.connect(server), "meanwhile")
      ends.turn_until(function() return result end)
      assert.same({nil, "timeout"}, {result[1], result[2]})
    end)

    it("ends a client of ours whose server stops in the middle", function()
      local server = wss.serve()
      for _, limit in ipairs {1, 100, 700} do
        local between = before(server)
        websock.spawn(function()
          while between.down < limit and between.up == 0 do websock.sleep(0) end
          between.stalled = true
        end)
        local ws, err = wss.dial(between.port, nil, nil, {timeout = 0.3})
        assert.same({nil, "timeout"}, {ws, err})
        between:close()
      end
    end)

    it("is not waited for if the server ends the connection", function()
      for _, bytes_sent in ipairs {"", "\x16\x03", "HTTP/1.1 400 Bad Request\r\n\r\n",
          "\x15\x03\x01\x00\x02\x02\x28"} do
        local listener <close> = raw.server()
        websock.spawn(function()
          local peer = assert(listener:accept())
          assert(peer:receive(1))
          peer:send(bytes_sent)
          peer:shutdown()
          peer:rest()
          peer:close()
        end)
        local ws, err = wss.dial(listener.port)
        assert.is_nil(ws)
        assert.matches("^tls: ", err)
      end
    end)
  end)

  describe("with a peer that speaks something else,", function()
    it("a server, plain HTTP: the connection ends, others are served", function()
      local server = wss.serve()
      local peer = raw.client(ends.port(server))
      peer:send(frames.request())
      local answer = peer:rest()
      assert.not_matches("101", answer)
      peer:close()
      local ws, err, response = websock.connect("ws://127.0.0.1:" .. ends.port(server), {timeout = 30})
      assert.same({nil, "refused", 400}, {ws, err, response.status})
      wss.assert_echo(wss.connect(server), "served")
    end)

    it("a server, garbage", function()
      local errors = {}
      local server = wss.serve {on_error = function(err) errors[#errors + 1] = err end}
      for _, garbage in ipairs {"\0", "\x16\x03\x01\xff\xff", ("\xff"):rep(20000),
          "\x80\x2e\x01\x00\x02" .. ("x"):rep(50), "\x17\x03\x03\x00\x05hello", "\x14\x03\x03\x00\x01\x01"} do
        local peer = raw.client(ends.port(server))
        peer:send(garbage)
        peer:shutdown()
        peer:rest()
        peer:close()
      end
      wss.assert_echo(wss.connect(server), "served")
      assert.same({}, errors)
    end)

    it("a plain server, TLS", function()
      local server = wss.serve {tls = false}
      local ws, err = wss.dial(server)
      assert.is_nil(ws)
      assert.matches("^tls: .*TLS", err)
      local plain = assert(websock.connect("ws://127.0.0.1:" .. ends.port(server)))
      wss.assert_echo(plain, "served")
      plain:abort()
    end)

    it("an open connection, garbage in place of a record", function()
      local ours, _, between = pair()
      local result
      websock.spawn(function() result = table.pack(ours:receive(30)) end)
      between.sides[1]:send "\x17\x03\x03\x00\x20 none of this was encrypted by anybody"
      ends.turn_until(function() return result end)
      assert.same({nil, "closed", 1006}, {table.unpack(result, 1, 3)})
      assert.is_false(ours.close_clean)
    end)
  end)
end)
