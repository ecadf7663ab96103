-- The TLS table: what both ends agree on, and the keys that they log.

local websock = require "websock"
local certificates = require "support.certificates"
local ends = require "support.ends"
local process = require "support.process"
local secure = require "support.secure"
local wss = require "support.wss"

local text = certificates.text
local of = certificates.of
local assert_fails = wss.assert_fails
local luasec_server = secure.serve

describe("the TLS table", function()
  after_each(function() ends.finish() end)

  describe("min_version", function()
    local function version_of(server, more)
      local params = {cafile = certificates.ca.cert, verify = "peer"}
      for key, value in pairs(more or {}) do params[key] = value end
      local peer, err = secure.client(ends.port(server), params)
      if not peer then return nil, err end
      local version = peer.tls:info "protocol"
      peer:close()
      return version
    end

    it("is 1.2: both versions are spoken", function()
      local server = wss.serve()
      assert.equal("TLSv1.3", version_of(server))
      assert.equal("TLSv1.2", version_of(server, {protocol = "tlsv1_2"}))
    end)

    it("refuses TLS 1.1, whatever the security level", function()
      local server = wss.serve {tls = of("server", {ciphers = "ALL:@SECLEVEL=0"})}
      local version, err = version_of(server, {protocol = "tlsv1_1", ciphers = "ALL:@SECLEVEL=0"})
      assert.is_nil(version)
      assert.matches("version", err)
    end)

    it("of a server may be 1.3", function()
      local server = wss.serve {tls = of("server", {min_version = "1.3"})}
      assert.equal("TLSv1.3", version_of(server))
      local version, err = version_of(server, {protocol = "tlsv1_2"})
      assert.is_nil(version)
      assert.matches("version", err)
      wss.assert_echo(wss.connect(server), "1.3")
    end)

    it("of a client may be 1.3", function()
      local port = luasec_server(secure.server_params("server", {protocol = "tlsv1_2"}))
      assert_fails("protocol version", port, wss.trusting {min_version = "1.3"})
    end)

    it("of a client, 1.2, refuses a server of 1.1", function()
      local port = luasec_server(secure.server_params("server",
        {protocol = "tlsv1_1", ciphers = "ALL:@SECLEVEL=0"}))
      assert_fails("protocol version", port, wss.trusting {ciphers = "ALL:@SECLEVEL=0"})
    end)
  end)

  describe("chooses", function()
    local function cipher_of(server, protocol)
      local peer = assert(secure.client(ends.port(server), {protocol = protocol}))
      local name = peer.tls:info "cipher"
      peer:close()
      return name
    end

    it("ciphers of TLS 1.2, on both sides", function()
      for _, name in ipairs {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"} do
        local server = wss.serve {tls = of("server", {ciphers = name})}
        assert.equal(name, cipher_of(server, "tlsv1_2"))
        local port, peer = luasec_server(secure.server_params("server", {protocol = "tlsv1_2"}))
        websock.spawn(function() wss.dial(port, wss.trusting {ciphers = name}) end)
        assert.equal(name, assert(peer()).tls:info "cipher")
      end
    end)

    it("suites of TLS 1.3, on both sides", function()
      for _, name in ipairs {"TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256"} do
        local server = wss.serve {tls = of("server", {ciphersuites = name})}
        assert.equal(name, cipher_of(server, "tlsv1_3"))
        local port, peer = luasec_server(secure.server_params "server")
        websock.spawn(function() wss.dial(port, wss.trusting {ciphersuites = name}) end)
        assert.equal(name, assert(peer()).tls:info "cipher")
      end
    end)

    it("and fails if there is none in common", function()
      local server = wss.serve {tls = of("server", {ciphersuites = "TLS_AES_128_GCM_SHA256",
        min_version = "1.3"})}
      assert_fails("in common", server, wss.trusting {ciphersuites = "TLS_CHACHA20_POLY1305_SHA256",
        min_version = "1.3"})
    end)

    it("leaves out those without a certificate, though all are asked for", function()
      local all = {ciphers = "ALL:COMPLEMENTOFALL:@SECLEVEL=0"}
      local port = luasec_server {mode = "server", protocol = "tlsv1_2",
        ciphers = "aNULL:@SECLEVEL=0"}
      assert_fails("cipher", port, wss.trusting(all))
      local server = wss.serve {tls = of("server", all)}
      assert.is_nil(secure.client(ends.port(server), {protocol = "tlsv1_2",
        ciphers = "aNULL:eNULL:@SECLEVEL=0"}))
    end)

    it("leaves out weak ciphers by itself", function()
      local server = wss.serve()
      for _, name in ipairs {"NULL-SHA256", "ECDHE-ECDSA-NULL-SHA", "AECDH-AES256-SHA"} do
        local peer = secure.client(ends.port(server), {protocol = "tlsv1_2",
          ciphers = name .. ":@SECLEVEL=0"})
        assert.is_nil(peer)
      end
    end)
  end)

  describe("alpn", function()
    it("is offered by a client", function()
      local params = secure.server_params("server", {alpn = {"http/1.1"}})
      local port, peer = luasec_server(params)
      websock.spawn(function() wss.dial(port, wss.trusting {alpn = {"x", "http/1.1"}}) end)
      assert.equal("http/1.1", assert(peer()).tls:getalpn())
    end)

    it("is chosen by a server, in its order", function()
      local server = wss.serve {tls = of("server", {alpn = {"http/1.1", "x"}})}
      for _, offered in ipairs {{"x", "http/1.1"}, {"h2", "http/1.1"}} do
        local peer = assert(secure.client(ends.port(server), {alpn = offered}))
        assert.equal("http/1.1", peer.tls:getalpn())
        peer:close()
      end
    end)

    it("is nothing if neither end asks", function()
      local peer = assert(secure.client(ends.port(wss.serve()), {alpn = {"h2", "http/1.1"}}))
      assert.is_nil(peer.tls:getalpn())
      peer:close()
    end)

    it("of a server refuses a client that offers only others", function()
      local server = wss.serve {tls = of("server", {alpn = {"x"}})}
      assert.is_nil((secure.client(ends.port(server), {alpn = {"h2", "http/1.1"}})))
      assert_fails("application protocol", server)
      wss.assert_echo(wss.connect(server, wss.trusting {alpn = {"y", "x"}}), "in common")
    end)

    it("refuses names that are empty or too long", function()
      for _, list in ipairs {{""}, {("x"):rep(256)}, {"a", 5}} do
        assert.error_matches(function() websock.tls {alpn = list} end, "alpn")
      end
      assert(websock.tls {alpn = {("x"):rep(255)}})
    end)
  end)

  describe("keylog", function()
    -- Which label of a line tells that application data can be read.
    for version, label in pairs {["1.2"] = "CLIENT_RANDOM", ["1.3"] = "CLIENT_TRAFFIC_SECRET_0"} do
      it("gets what Wireshark needs, at the end of the file: TLS " .. version, function()
        local path = certificates.path("keys" .. version)
        local server = wss.serve {tls = of("server", {keylog = path})}
        for i = 1, 2 do
          local params = {protocol = "tlsv" .. version:gsub("%.", "_")}
          local _ <close> = assert(secure.client(ends.port(server), params))
          ends.turn_until(function()
            return select(2, text(path):gsub(label .. " %x+ %x+\n", "")) == i
          end)
        end
      end)
    end

    it("gets the same from a client", function()
      local path = certificates.path "keys-client"
      wss.connect(wss.serve(), wss.trusting {keylog = path})
      assert.matches("CLIENT_TRAFFIC_SECRET_0 %x+ %x+\n", text(path))
    end)

    it("is readable by nobody else", function()
      local path = certificates.path "keys-mode"
      wss.connect(wss.serve {tls = of("server", {keylog = path})})
      assert.same({0, "600\n"}, {process.run {"stat", "-c", "%a", path}})
    end)
  end)
end)
