-- The TLS table: what each key does, what is wrong with one, contexts that are
-- shared and replaced. How connections live in TLS is in wss_spec.lua.

local websock = require "websock"
local certificates = require "support.certificates"
local child = require "support.child"
local ends = require "support.ends"
local process = require "support.process"
local raw = require "support.raw"
local secure = require "support.secure"
local wss = require "support.wss"

local text = certificates.text

-- One way to give a server its certificate for each kind of certificate.
local function of(name, more)
  local tls = certificates.of(name)
  for key, value in pairs(more or {}) do tls[key] = value end
  return tls
end

-- Nobody connects with these; the reason, which must be a TLS one and match.
local function assert_fails(pattern, ...)
  local ws, err = wss.dial(...)
  if ws then ws:abort() end
  assert.is_nil(ws)
  assert.matches("^tls: ", err)
  assert.matches(pattern, err)
  return err
end

-- A LuaSec server that takes one connection: its port, and a function that gives
-- its peer, or nil, err, once they have shaken hands.
local function luasec_server(params)
  local listener = raw.server()
  local peer, failure
  websock.spawn(function()
    local accepted = assert(listener:accept())
    listener:close()
    peer, failure = secure.wrap(accepted, params)
    if peer then ends.at_end(function() peer:close() end) end
  end)
  return listener.port, function()
    ends.turn_until(function() return peer or failure end)
    return peer, failure
  end
end

describe("the TLS table", function()
  after_each(function() ends.finish() end)

  describe("of a server", function()
    it("takes files", function()
      wss.assert_echo(wss.connect(wss.serve {tls = of "server"}), "files")
    end)

    it("takes PEM text", function()
      local made = certificates.server
      local tls = {cert = text(made.chain), key = text(made.key)}
      wss.assert_echo(wss.connect(wss.serve {tls = tls}), "text")
    end)

    it("takes certificate and key in one text", function()
      local made = certificates.server
      local both = text(made.key) .. text(made.chain)
      wss.assert_echo(wss.connect(wss.serve {tls = {cert = both, key = both}}), "one text")
    end)

    it("sends the certificates that lead to the root, if it has them", function()
      local made = certificates.server
      local server = wss.serve {tls = {cert = made.cert, key = made.key}}
      assert_fails("unknown authority", server)
    end)

    it("takes a key with a password, file and text", function()
      local made = certificates.encrypted
      wss.assert_echo(wss.connect(wss.serve {tls = of "encrypted"}), "file")
      local server = wss.serve {tls = {cert = text(made.chain), key = text(made.key),
        password = made.password}}
      wss.assert_echo(wss.connect(server), "text")
    end)

    it("takes RSA keys", function()
      wss.assert_echo(wss.connect(wss.serve {tls = of "rsa"}), "RSA")
    end)

    it("needs certificate and key", function()
      for _, tls in ipairs {{}, {cert = certificates.server.chain}, {key = certificates.server.key}} do
        assert.error_matches(function() wss.serve {tls = tls} end, "'?cert'?.*'?key'?")
      end
    end)
  end)

  describe("that cannot be used", function()
    local function assert_told(pattern, result, err)
      if result then pcall(function() result:stop(0) end) end
      assert.is_nil(result)
      assert.matches("^tls: " .. pattern, err)
      assert.not_matches("[\n\r]", err)
      assert.not_matches("PRIVATE KEY", err)
    end

    local function wrong(name)
      local made, other = certificates.server, certificates.renewed
      return ({
        ["a file that is not there"] = {cert = "/nowhere/cert.pem", key = made.key},
        ["a key that is not there"] = {cert = made.chain, key = "/nowhere/key.pem"},
        ["a key that is no key"] = {cert = made.chain, key = made.cert},
        ["text that is no certificate"] = {
          cert = "-----BEGIN CERTIFICATE-----\nbm8=\n-----END CERTIFICATE-----\n", key = made.key},
        ["a file that is no PEM"] = {cert = "Makefile", key = made.key},
        ["a key of another kind"] = {cert = made.chain, key = certificates.rsa.key},
        ["another's key"] = {cert = made.chain, key = other.key},
        ["a wrong password"] = {cert = certificates.encrypted.chain,
          key = certificates.encrypted.key, password = "open barley"},
        ["no password where one is needed"] = {cert = certificates.encrypted.chain,
          key = certificates.encrypted.key},
        ["a client's authority that is not there"] = {client_ca = "/nowhere/ca.pem",
          cert = made.chain, key = made.key},
        ["no cipher that is known"] = {ciphers = "NONSENSE", cert = made.chain, key = made.key},
        ["no suite that is known"] = {ciphersuites = "TLS_NONSENSE", cert = made.chain,
          key = made.key},
        ["a keylog that cannot be written"] = {keylog = "/nowhere/keys", cert = made.chain,
          key = made.key},
      })[name]
    end

    for name, pattern in pairs {
      ["a file that is not there"] = "cert: /nowhere/cert%.pem: No such file",
      ["a key that is not there"] = "key: /nowhere/key%.pem: No such file",
      ["a key that is no key"] = "key: %S+: no private key in PEM",
      ["text that is no certificate"] = "cert: ",
      ["a file that is no PEM"] = "cert: Makefile: no certificate in PEM",
      ["a key of another kind"] = "key: %S+: does not match the certificate",
      ["another's key"] = "key: %S+: does not match the certificate",
      ["a wrong password"] = "key: %S+: wrong password",
      ["no password where one is needed"] = "key: %S+: needs a password",
      ["a client's authority that is not there"] = "client_ca: /nowhere/ca%.pem: No such file",
      ["no cipher that is known"] = "ciphers: ",
      ["no suite that is known"] = "ciphersuites: ",
      ["a keylog that cannot be written"] = "keylog: /nowhere/keys: No such file",
    } do
      it("gives nil and what is wrong: " .. name, function()
        assert_told(pattern, websock.tls(wrong(name)))
        assert_told(pattern, websock.listen {port = 0, handler = print, tls = wrong(name)})
        if not name:find "client's" then
          assert_told(pattern, websock.connect("wss://127.0.0.1:1/", {tls = wrong(name)}))
        end
      end)
    end

    it("gives nil and what is wrong: authorities", function()
      for file, pattern in pairs {
        ["/nowhere/ca.pem"] = "ca_file: /nowhere/ca%.pem: No such file",
        [certificates.server.key] = "ca_file: %S+: no certificate in PEM",
      } do
        assert_told(pattern, websock.connect("wss://127.0.0.1:1/", {tls = {ca_file = file}}))
      end
      for folder, pattern in pairs {
        ["/nowhere"] = "ca_path: /nowhere: No such file",
        [certificates.server.key] = "ca_path: %S+: Not a directory",
        [("x"):rep(5000)] = "ca_path: x+",
      } do
        assert_told(pattern, websock.connect("wss://127.0.0.1:1/", {tls = {ca_path = folder}}))
      end
    end)

    it("asks for no password on the terminal", function()
      local made = certificates.encrypted
      local code = ([[print(require "websock".tls {cert = %q, key = %q})]]):format(made.chain, made.key)
      local status, output = process.run({"timeout", "60", "script", "-qec",
        process.quote(process.lua("-e", code)), "/dev/null"},
        {env = {LD_PRELOAD = os.getenv "SANITIZED"}})
      assert.equal(0, status, output)
      assert.matches("^nil%s+tls: [^\r\n]*password[^\r\n]*\r?\n$", output)
    end)

    it("is the programmer's mistake where the type is wrong", function()
      for key, value in pairs {
        verify = "yes", ca_file = 1, ca_path = {}, cert = 1, key = true, password = 7,
        server_name = 4, min_version = 1.2, ciphers = {}, ciphersuites = false, client_ca = 1,
        keylog = {}, alpn = 5,
      } do
        for _, use in ipairs {
          function(tls) return websock.tls(tls) end,
          function(tls) return websock.listen {port = 0, handler = print, tls = tls} end,
          function(tls) return websock.connect("wss://127.0.0.1:1/", {tls = tls}) end,
        } do
          local ok, err = pcall(use, {[key] = value})
          assert.is_false(ok, key)
          assert.matches("^spec/websock/base/tls_spec%.lua:%d+: ", err)
          assert.matches("'[%w.]*" .. key .. "'", err)
        end
      end
    end)

    it("is the programmer's mistake where a key is unknown", function()
      for _, use in ipairs {
        function(tls) return websock.tls(tls) end,
        function(tls) return websock.listen {port = 0, handler = print, tls = tls} end,
        function(tls) return websock.connect("wss://127.0.0.1:1/", {tls = tls}) end,
        function(tls) return websock.accept({}, {tls = tls}) end,
      } do
        local ok, err = pcall(use, {verfy = false})
        assert.is_false(ok)
        assert.matches("^spec/websock/base/tls_spec%.lua:%d+: ", err)
        assert.matches("'[%w.]*verfy'", err)
      end
    end)

    it("is the programmer's mistake where a version is unknown", function()
      for _, version in ipairs {"", "1.4", "1.1", "1.0", "3", "TLS1.2", "SSLv3"} do
        assert.error_matches(function() websock.tls {min_version = version} end, "min_version")
      end
    end)

    it("is the programmer's mistake where it is no table", function()
      for _, value in ipairs {true, "yes", 5, print} do
        assert.error_matches(function() websock.tls(value) end, "tls")
        assert.error_matches(function() websock.connect("wss://127.0.0.1:1/", {tls = value}) end, "tls")
      end
    end)
  end)

  describe("verifies", function()
    it("against the system's store unless told otherwise", function()
      local server = wss.serve()
      assert_fails("unknown authority", server, {})
      local ws, err = websock.connect(wss.url(server), {timeout = 30})
      assert.is_nil(ws)
      assert.matches("^tls: .*unknown authority", err)
    end)

    -- OpenSSL's own variables say where that is.
    for name, value in pairs {
      SSL_CERT_FILE = function() return certificates.ca.cert end,
      SSL_CERT_DIR = function() return certificates.hashed "ca" end,
    } do
      it("against the system's store, where " .. name .. " says", function()
        local server = wss.serve()
        local code = ([[
          local websock = require "websock"
          local ws, err = websock.connect(%q, {timeout = 30})
          print(ws and ws:state() or err)
          if ws then ws:close() end]]):format(wss.url(server))
        local status, output = process.run(process.lua("-e", code), {turn = websock.step,
          env = {[name] = value(), LD_PRELOAD = os.getenv "SANITIZED"}})
        assert.same({0, "open\n"}, {status, output})
      end)
    end

    it("against a file, PEM text, a folder", function()
      local server = wss.serve()
      for _, tls in ipairs {{ca_file = certificates.ca.cert}, {ca_file = text(certificates.ca.cert)},
          {ca_path = certificates.hashed "ca"}} do
        wss.assert_echo(wss.connect(server, tls), "trusted")
      end
      for _, tls in ipairs {{ca_file = certificates.stranger.cert},
          {ca_file = text(certificates.stranger.cert)}, {ca_path = certificates.hashed "stranger"}} do
        assert_fails("unknown authority", server, tls)
      end
    end)

    it("against several authorities in one file", function()
      local both = text(certificates.stranger.cert) .. text(certificates.ca.cert)
      wss.connect(wss.serve(), {ca_file = both})
      wss.connect(wss.serve {tls = of "strange_server"}, {ca_file = both})
    end)

    it("and takes ca_file alone, without the system's store", function()
      local server = wss.serve()
      local code = ([[
        local websock = require "websock"
        print(websock.connect(%q, {timeout = 30, tls = {ca_file = %q}}))]])
        :format(wss.url(server), certificates.stranger.cert)
      local status, output = process.run(process.lua("-e", code), {turn = websock.step,
        env = {SSL_CERT_FILE = certificates.ca.cert, LD_PRELOAD = os.getenv "SANITIZED"}})
      assert.equal(0, status)
      assert.matches("^nil\ttls: [^\n]*unknown authority", output)
    end)

    it("the name in the URL, and the address where it is one", function()
      local server = wss.serve {host = "*", tls = of "server"}
      for _, host in ipairs {"localhost", "LOCALHOST", "127.0.0.1", "[::1]"} do
        wss.assert_echo(wss.connect(server, nil, host), host)
      end
    end)

    it("not the common name", function()
      local server = wss.serve {tls = of "address_only"}
      assert_fails("another host", server)
      wss.connect(server, nil, "127.0.0.1")
    end)

    it("the server_name instead of the URL's host", function()
      local server = wss.serve {tls = of "host_only"}
      wss.connect(server, wss.trusting {server_name = "localhost"}, "127.0.0.1")
      assert_fails("another host", server, wss.trusting {server_name = "elsewhere.example"})
      local addressed = wss.serve {tls = of "address_only"}
      wss.connect(addressed, wss.trusting {server_name = "127.0.0.1"})
      assert_fails("another host", addressed, wss.trusting {server_name = "127.0.0.2"})
    end)

    it("one host's name, however it was meant", function()
      local server = wss.serve {tls = of "wildcard"}
      for _, name in ipairs {"", ".", ".example.com", ".com", "*.example.com", "a.example.com%x",
          "%x", "a b", ("a"):rep(300)} do
        assert_fails("not a host name", server, wss.trusting {server_name = name})
      end
    end)

    it("addresses in any form of digits, and without their zone", function()
      local server = wss.serve()
      for _, name in ipairs {"127.1", "2130706433", "0:0:0:0:0:0:0:1", "::1%lo"} do
        wss.connect(server, wss.trusting {server_name = name})
      end
    end)

    it("of a table with a metatable, too", function()
      local server = wss.serve {tls = of "strange_server"}
      for _, tls in ipairs {wss.trusting(), {}, {verify = true}} do
        assert_fails("unknown authority", server, setmetatable(tls, {}))
        assert_fails("unknown authority", server, setmetatable(tls, {__name = "websock.tls"}))
      end
    end)

    it("wildcards of one label", function()
      local server = wss.serve {tls = of "wildcard"}
      wss.connect(server, wss.trusting {server_name = "a.example.com"})
      for _, name in ipairs {"example.com", "a.b.example.com", "aexample.com"} do
        assert_fails("another host", server, wss.trusting {server_name = name})
      end
    end)

    it("nothing with verify = false", function()
      for _, name in ipairs {"self_signed", "expired", "wrong_name", "strange_server"} do
        local ws = wss.connect(wss.serve {tls = of(name)}, {verify = false})
        wss.assert_echo(ws, name)
      end
    end)

    it("a certificate that is for clients only: refused", function()
      local server = wss.serve {tls = of "client"}
      assert_fails("purpose", server, wss.trusting {server_name = "localhost"})
    end)
  end)

  describe("names the server", function()
    local function seen(host, tls)
      local port, peer = luasec_server(secure.server_params "server")
      websock.spawn(function() wss.dial(port, tls, host) end)
      return (assert(peer())).tls:getsniname()
    end

    it("by the URL's host", function()
      assert.equal("localhost", seen("localhost"))
    end)

    it("by server_name", function()
      assert.equal("some.example", seen("127.0.0.1", {verify = false, server_name = "some.example"}))
    end)

    it("without a dot at its end", function()
      assert.equal("some.example", seen("127.0.0.1", {verify = false, server_name = "some.example."}))
    end)

    it("never by an address", function()
      assert.is_nil(seen("127.0.0.1"))
      assert.is_nil(seen("127.0.0.1", {verify = false, server_name = "::1"}))
    end)
  end)

  describe("client_ca", function()
    local client = function(name, more)
      local tls = wss.trusting(certificates.of(name))
      for key, value in pairs(more or {}) do tls[key] = value end
      return tls
    end

    -- With TLS 1.3 a client has shaken hands before the server has looked at its
    -- certificate: the refusal comes after that.
    for _, version in ipairs {"tlsv1_2", "tlsv1_3"} do
      it("lets nobody in without a certificate of its: " .. version, function()
        local errors = {}
        local server = wss.serve {
          tls = of("server", {client_ca = certificates.ca.cert}),
          on_error = function(err) errors[#errors + 1] = err end,
          handler = function() errors[#errors + 1] = "was let in" end,
        }
        for _, name in ipairs {"none", "strange_client", "self_signed"} do
          local made = name ~= "none" and certificates[name] or nil
          local peer = secure.client(ends.port(server), {protocol = version,
            certificate = made and made.chain, key = made and made.key})
          if peer then
            peer:send "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
            local bytes, err = peer:rest()
            assert.equal("", bytes)
            assert.matches("alert", err)
            peer:close()
          end
        end
        assert.same({}, errors)
      end)
    end

    it("lets those in whom it has signed", function()
      for _, ca in ipairs {certificates.ca.cert, text(certificates.ca.cert)} do
        local server = wss.serve {tls = of("server", {client_ca = ca})}
        wss.assert_echo(wss.connect(server, client "client"), "let in")
        assert_fails("certificate", server)
        assert_fails("authority of our certificate", server, client "strange_client")
      end
    end)

    it("refuses a server's certificate", function()
      local server = wss.serve {tls = of("server", {client_ca = certificates.ca.cert})}
      assert_fails("certificate", server, client "renewed")
    end)

    it("is asked of a server only: nobody is asked without", function()
      local asked = secure.client(ends.port(wss.serve()), {cafile = certificates.ca.cert,
        verify = "peer"}, "localhost")
      assert(asked):close()
    end)
  end)

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

    it("of a server, 1.3", function()
      local server = wss.serve {tls = of("server", {min_version = "1.3"})}
      assert.equal("TLSv1.3", version_of(server))
      local version, err = version_of(server, {protocol = "tlsv1_2"})
      assert.is_nil(version)
      assert.matches("version", err)
      wss.assert_echo(wss.connect(server), "1.3")
    end)

    it("of a client, 1.3", function()
      local port = luasec_server(secure.server_params("server", {protocol = "tlsv1_2"}))
      assert_fails("protocol version", port, wss.trusting {min_version = "1.3"})
    end)

    it("of a client, 1.2 against 1.1", function()
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

    it("and fails where there is none in common", function()
      local server = wss.serve {tls = of("server", {ciphersuites = "TLS_AES_128_GCM_SHA256",
        min_version = "1.3"})}
      assert_fails("in common", server, wss.trusting {ciphersuites = "TLS_CHACHA20_POLY1305_SHA256",
        min_version = "1.3"})
    end)

    it("leaves out those without a certificate, whoever asks for all", function()
      local all = {ciphers = "ALL:COMPLEMENTOFALL:@SECLEVEL=0"}
      local port = luasec_server {mode = "server", protocol = "tlsv1_2",
        ciphers = "aNULL:@SECLEVEL=0"}
      assert_fails("cipher", port, wss.trusting(all))
      local server = wss.serve {tls = of("server", all)}
      assert.is_nil(secure.client(ends.port(server), {protocol = "tlsv1_2",
        ciphers = "aNULL:eNULL:@SECLEVEL=0"}))
    end)

    it("keeps weak ciphers out by itself", function()
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

    it("is nothing where neither asks", function()
      local peer = assert(secure.client(ends.port(wss.serve()), {alpn = {"h2", "http/1.1"}}))
      assert.is_nil(peer.tls:getalpn())
      peer:close()
    end)

    it("of a server refuses who offers others only", function()
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
      it("gets what Wireshark wants, and adds to it: TLS " .. version, function()
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

    it("gets it from a client, too", function()
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

  describe("made once", function()
    it("is shared by clients and by servers", function()
      local tls = assert(websock.tls(of "server"))
      local trust = assert(websock.tls(wss.trusting()))
      local one, other = wss.serve {tls = tls}, wss.serve {tls = tls}
      for _, server in ipairs {one, other, one} do
        wss.assert_echo(wss.connect(server, trust), "shared")
      end
    end)

    it("outlives nobody's use of it", function()
      local server = wss.serve {tls = websock.tls(of "server")}
      local ws = wss.connect(server, websock.tls(wss.trusting()))
      collectgarbage()
      collectgarbage()
      wss.assert_echo(ws, "alive")
      wss.assert_echo(wss.connect(server), "and so is the server's")
    end)

    it("takes what the table held then", function()
      local options = wss.trusting()
      local tls = websock.tls(options)
      options.ca_file = certificates.stranger.cert
      wss.connect(wss.serve(), tls)
    end)

    it("is an object with a name", function()
      local tls = websock.tls {}
      assert.matches("^websock%.tls", tostring(tls))
    end)

    it("without certificate serves nobody", function()
      assert.error_matches(function() wss.serve {tls = websock.tls {}} end, "cert")
    end)

    it("is checked: nothing else passes for one", function()
      for _, value in ipairs {io.stdout, coroutine.create(print)} do
        assert.error_matches(function() wss.serve {tls = value} end, "tls")
      end
    end)
  end)

  describe("server:set_tls", function()
    -- The serial number of the certificate that a server shows.
    local function serial(server)
      local peer = assert(secure.client(ends.port(server), {}))
      local found = peer.tls:getpeercertificate():serial()
      peer:close()
      return found
    end

    it("gives new connections the new certificate, leaves the others", function()
      local server = wss.serve()
      local before, old = wss.connect(server), serial(server)
      assert.is_true(server:set_tls(of "renewed"))
      assert.not_equal(old, serial(server))
      wss.assert_echo(before, "still here")
      wss.assert_echo(wss.connect(server), "new")
      assert.is_true(server:set_tls(websock.tls(of "server")))
      assert.equal(old, serial(server))
      collectgarbage()
      collectgarbage()
      wss.assert_echo(before, "still here")
    end)

    it("changes nothing where the new one is wrong", function()
      local server = wss.serve()
      local old = serial(server)
      local ok, err = server:set_tls {cert = certificates.server.chain, key = "/nowhere/key.pem"}
      assert.is_nil(ok)
      assert.matches("^tls: key: /nowhere/key%.pem: No such file", err)
      assert.error_matches(function() server:set_tls {} end, "cert")
      assert.error_matches(function() server:set_tls {nonsense = 1} end, "nonsense")
      assert.error_matches(function() server:set_tls() end, "set_tls")
      assert.equal(old, serial(server))
    end)

    it("is for servers that have TLS", function()
      local server = wss.serve {tls = false}
      local tls = of "server"
      local ok, err = pcall(server.set_tls, server, tls)
      assert.is_false(ok)
      assert.matches("set_tls", err)
    end)
  end)

  it("is collected with what it held", function()
    local status, output = child.run(([[
      local function fill(n)
        for i = 1, n do
          assert(websock.tls {cert = %q, key = %q, ca_file = %q})
          if i %% 20 == 0 then collectgarbage() collectgarbage() end
        end
        for line in io.lines "/proc/self/status" do
          local kib = line:match "^VmRSS:%%s*(%%d+)"
          if kib then return tonumber(kib) end
        end
      end
      local before = fill(100)
      print(os.getenv "LD_PRELOAD" ~= nil and "fine" or fill(500) - before < 1000 and "fine")]])
      :format(certificates.server.chain, certificates.server.key, certificates.ca.cert))
    assert.same({0, "fine\n"}, {status, output})
  end)
end)
