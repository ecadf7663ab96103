-- The text of TLS errors: alerts of the peer, peers that speak something else, settings
-- that do not fit, certificates.

local websock = require "websock"
local certificates = require "support.certificates"
local ends = require "support.ends"
local raw = require "support.raw"
local secure = require "support.secure"
local wss = require "support.wss"

-- Returns the error of `connect` for a server that answers these bytes after the first
-- bytes of the client.
local function client_says(bytes, tls)
  local listener <close> = raw.server()
  local peer
  websock.spawn(function()
    peer = assert(listener:accept())
    peer:receive(5)
    peer:send(bytes)
    peer.sock:shutdown "send"
  end)
  local ws, err = websock.connect("wss://localhost:" .. listener.port,
    {tls = tls or {verify = false}, timeout = wss.patience})
  assert.is_nil(ws)
  peer:close()
  return err
end

-- Returns the error of `accept` for a client that sends these bytes.
local function server_says(bytes, tls)
  local listener <close> = raw.server()
  local peer = raw.client(listener.port)
  assert(peer:send(bytes))
  peer.sock:shutdown "send"
  local ws, err = websock.accept(assert(listener:accept()).sock,
    {tls = tls or certificates.of "server", handshake_timeout = wss.patience})
  assert.is_nil(ws)
  peer:close()
  return err
end

-- A ClientHello of ours.
local hello
local function client_hello()
  if hello then return hello end
  local listener <close> = raw.server()
  websock.spawn(function()
    local peer = assert(listener:accept())
    local head = peer:receive(5)
    hello = head .. peer:receive(string.unpack(">I2", head, 4))
    peer:close()
  end)
  websock.connect("wss://localhost:" .. listener.port, {tls = {verify = false}, timeout = wss.patience})
  return assert(hello)
end

local function alert(code, level)
  return string.pack(">BI2I2BB", 21, 0x303, 2, level or 2, code)
end

-- The code of a fatal alert -> its text: RFC 8446 section 6, RFC 5246
-- section 7.2, RFC 6066 section 9.
local ALERTS = {
  [0] = "the connection ended in the handshake",
  [10] = "peer says: unexpected message",
  [20] = "peer got a record that was changed on its way",
  [21] = "peer says: decryption failed",
  [22] = "peer says: record overflow",
  [30] = "peer says: decompression failure",
  [40] = "peer found no settings in common (ciphers, groups, signatures)",
  [41] = "peer asks for a client certificate",
  [42] = "peer refuses our certificate",
  [43] = "peer does not support our kind of certificate",
  [44] = "peer says that our certificate has been revoked",
  [45] = "peer says that our certificate has expired",
  [46] = "peer refuses our certificate",
  [47] = "peer says: illegal parameter",
  [48] = "peer does not know the authority of our certificate",
  [49] = "peer denies access",
  [50] = "peer says: decode error",
  [51] = "peer found a signature wrong",
  [60] = "peer says: export restriction",
  [70] = "protocol version not supported by the peer",
  [71] = "peer wants stronger ciphers than ours",
  [80] = "peer met an error of its own",
  [86] = "peer says: inappropriate fallback",
  [100] = "peer says: no renegotiation",
  [109] = "peer says: missing extension",
  [110] = "peer says: unsupported extension",
  [111] = "peer says: certificate unobtainable",
  [112] = "peer does not know this host",
  [113] = "peer says: bad certificate status response",
  [114] = "peer says: bad certificate hash value",
  [115] = "peer says: unknown psk identity",
  [116] = "peer asks for a client certificate",
  [120] = "no application protocol in common",
  [121] = "peer says: alert 121",
  [255] = "peer says: alert 255",
}

describe("a TLS error", function()
  after_each(function() ends.finish() end)

  describe("is an alert that", function()
    it("a client gets in the handshake", function()
      for code, text in pairs(ALERTS) do
        assert.equal("tls: " .. text, client_says(alert(code)), code)
      end
    end)

    it("a server gets in the handshake", function()
      for code, text in pairs(ALERTS) do
        assert.equal("tls: " .. text, server_says(client_hello() .. alert(code)), code)
      end
    end)

    it("says that the peer has ended the connection, in the handshake", function()
      assert.equal("tls: the connection ended in the handshake", client_says(alert(0, 1)))
      assert.equal("tls: the connection ended in the handshake", client_says(""))
      assert.equal("tls: the connection ended in the handshake", server_says(client_hello() .. alert(0, 1)))
      assert.equal("tls: the connection ended in the handshake", server_says(""))
      assert.equal("tls: the connection ended in the handshake", server_says(client_hello():sub(1, 20)))
    end)
  end)

  describe("is a peer that speaks no TLS:", function()
    local OTHERS = {
      "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "<html><body>no</body></html>",
      "SSH-2.0-OpenSSH_9.2p1 Debian\r\n", "220 mail.example ESMTP\r\n", "-ERR unknown command\r\n",
      "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ("\0"):rep(64),
      ("\xff"):rep(64),
    }

    it("a server", function()
      for _, bytes in ipairs(OTHERS) do
        assert.equal("tls: not a TLS server", client_says(bytes), bytes)
      end
    end)

    it("a client", function()
      for _, bytes in ipairs(OTHERS) do
        assert.equal("tls: not a TLS client", server_says(bytes), bytes)
      end
    end)

    it("a client of plain HTTP", function()
      for _, method in ipairs {"GET", "POST", "HEAD", "PUT"} do
        assert.equal("tls: plain HTTP from a client",
          server_says(method .. " / HTTP/1.1\r\nHost: a\r\n\r\n"), method)
      end
      assert.equal("tls: plain HTTP from a client", server_says("CONNECT a:1 HTTP/1.1\r\n\r\n"))
    end)

    it("a client of plain HTTP, which gets its answer in plain HTTP", function()
      local server = wss.serve()
      local ws, err, response = websock.connect(("ws://localhost:%d/"):format(ends.port(server)))
      assert.is_nil(ws)
      assert.same({"refused", 400, "This port speaks TLS: use wss:// or https://\n"},
        {err, response.status, response.body})
      wss.assert_echo(wss.connect(server), "the server goes on")
    end)

    it("a server, ours, of plain HTTP", function()
      local server = wss.serve {tls = false}
      assert.same({nil, "tls: not a TLS server"}, {wss.dial(server)})
    end)
  end)

  describe("is TLS where plain HTTP was expected,", function()
    it("by a client of ours", function()
      for _, bytes in ipairs {alert(10), alert(80, 1), client_hello()} do
        local listener <close> = raw.server()
        local peer
        websock.spawn(function()
          peer = assert(listener:accept())
          peer:head()
          peer:send(bytes)
        end)
        local ws, err = websock.connect("ws://localhost:" .. listener.port, {timeout = wss.patience})
        assert.same({nil, "handshake: TLS where plain HTTP was expected"}, {ws, err})
        peer:close()
      end
    end)

    it("by a server of ours", function()
      local listener <close> = raw.server()
      local peer = raw.client(listener.port)
      assert(peer:send(client_hello()))
      local ws, err = websock.accept(assert(listener:accept()).sock)
      assert.same({nil, "handshake: TLS where plain HTTP was expected"}, {ws, err})
      assert.matches("400", (peer:head()))
      peer:close()
    end)
  end)

  describe("is that of both ends if", function()
    -- The errors of a client and a server of ours, the server's by `accept`.
    local function errors(client, server)
      local listener <close> = raw.server()
      local theirs
      websock.spawn(function()
        local sock = assert(listener:accept()).sock
        theirs = select(2, websock.accept(sock, {tls = server, handshake_timeout = wss.patience}))
      end)
      local ws, ours = websock.connect("wss://localhost:" .. listener.port,
        {tls = client, timeout = wss.patience})
      assert.is_nil(ws)
      ends.turn_until(function() return theirs end)
      return ours, theirs
    end

    local function of(name, more)
      local tls = certificates.of(name)
      for key, value in pairs(more or {}) do tls[key] = value end
      return tls
    end

    local ONLY = "ECDHE-ECDSA-AES256-GCM-SHA384"
    local CASES = {
      ["they have no cipher in common"] = {
        {verify = false, ciphers = ONLY, ciphersuites = "TLS_AES_128_GCM_SHA256"},
        {ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256", ciphersuites = "TLS_AES_256_GCM_SHA384"},
        "peer found no settings in common (ciphers, groups, signatures)", "no cipher in common",
      },
      ["they have no application protocol in common"] = {
        {verify = false, alpn = {"one"}}, {alpn = {"other"}},
        "no application protocol in common", "no application protocol in common",
      },
      ["the client does not know the authority"] = {
        {ca_file = certificates.stranger.cert}, {},
        "certificate of an unknown authority", "peer does not know the authority of our certificate",
      },
      ["the client wants another name"] = {
        wss.trusting {server_name = "elsewhere.example"}, {},
        "certificate is for another host than elsewhere.example", "peer refuses our certificate",
      },
      ["the server wants a certificate that the client lacks"] = {
        wss.trusting(), {client_ca = certificates.ca.cert},
        "peer asks for a client certificate", "peer has no certificate",
      },
      ["the server does not know the authority of the client"] = {
        wss.trusting(of "strange_client"), {client_ca = certificates.ca.cert},
        "peer does not know the authority of our certificate", "certificate of an unknown authority",
      },
    }
    for how, case in pairs(CASES) do
      it(how, function()
        assert.same({"tls: " .. case[3], "tls: " .. case[4]}, {errors(case[1], of("server", case[2]))})
      end)
    end

    it("the server's certificate is expired, not yet valid, self-signed, or signed by one that may not sign", function()
      for name, expected in pairs {
        expired = {"certificate has expired", "peer says that our certificate has expired"},
        early = {"certificate is not yet valid", "peer refuses our certificate"},
        self_signed = {"certificate is self-signed", "peer does not know the authority of our certificate"},
        by_no_authority = {"certificate was signed by one that may not sign",
          "peer does not know the authority of our certificate"},
        client = {"certificate is for another purpose", "peer does not support our kind of certificate"},
      } do
        local made = of(name)
        local _, err = errors(wss.trusting(), made)
        assert.equal("tls: " .. expected[2], err, name)
        assert.equal("tls: " .. expected[1], (errors(wss.trusting(), made)), name)
      end
    end)
  end)

  describe("is a setting of our own:", function()
    it("ciphers of no version that is allowed", function()
      local listener <close> = raw.server()
      local ws, err = websock.connect("wss://localhost:" .. listener.port,
        {tls = {min_version = "1.3", ciphersuites = ""}, timeout = wss.patience})
      assert.same({nil, "tls: none of our ciphers is of a version of TLS that may be used"}, {ws, err})
    end)
  end)

  it("is an old server without secure renegotiation", function()
    -- a ServerHello of TLS 1.2 without any extension
    local body = string.pack(">I2", 0x303) .. ("r"):rep(32) .. "\0" .. "\xc0\x2b" .. "\0"
    local message = "\2" .. string.pack(">I3", #body) .. body
    local err = client_says(string.pack(">BI2s2", 22, 0x303, message))
    assert.equal("tls: peer lacks secure renegotiation (RFC 5746)", err)
  end)

  it("is a stream that is broken off, in the handshake and after it", function()
    local listener <close> = raw.server()
    websock.spawn(function()
      local peer = assert(listener:accept())
      peer:receive(5)
      peer.sock:setoption("linger", {on = true, timeout = 0})
      peer:close()
    end)
    local _, err = websock.connect("wss://localhost:" .. listener.port, {timeout = wss.patience})
    assert.equal("tls: reset", err)
  end)

  it("is that of LuaSec's server for a client without a certificate, with any version", function()
    for _, version in ipairs {"tlsv1_2", "tlsv1_3"} do
      local listener <close> = raw.server()
      local params = secure.server_params("server", {protocol = version, cafile = certificates.ca.cert,
        verify = {"peer", "fail_if_no_peer_cert"}})
      websock.spawn(function()
        local peer = secure.wrap(assert(listener:accept()), params)
        if peer then peer:close() end
      end)
      local ws, err = websock.connect("wss://localhost:" .. listener.port,
        {tls = wss.trusting(), timeout = wss.patience})
      assert.same({nil, "tls: peer asks for a client certificate"}, {ws, err}, version)
    end
  end)
end)
