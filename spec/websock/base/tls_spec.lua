-- The TLS table: its forms, its errors, contexts that are shared and replaced. Its keys
-- are tested in tls_verify_spec.lua and tls_agreed_spec.lua, connections over TLS in
-- spec/websock/link/wss_spec.lua.

local websock = require "websock"
local certificates = require "support.certificates"
local child = require "support.child"
local ends = require "support.ends"
local process = require "support.process"
local secure = require "support.secure"
local wss = require "support.wss"

local text = certificates.text
local of = certificates.of
local assert_fails = wss.assert_fails

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

    it("raises if a type is wrong", function()
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

    it("raises if a key is unknown", function()
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

    it("raises if a version is unknown", function()
      for _, version in ipairs {"", "1.4", "1.1", "1.0", "3", "TLS1.2", "SSLv3"} do
        assert.error_matches(function() websock.tls {min_version = version} end, "min_version")
      end
    end)

    it("raises if it is no table", function()
      for _, value in ipairs {true, "yes", 5, print} do
        assert.error_matches(function() websock.tls(value) end, "tls")
        assert.error_matches(function() websock.connect("wss://127.0.0.1:1/", {tls = value}) end, "tls")
      end
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

    it("stays as long as it is used", function()
      local server = wss.serve {tls = websock.tls(of "server")}
      local ws = wss.connect(server, websock.tls(wss.trusting()))
      collectgarbage()
      collectgarbage()
      wss.assert_echo(ws, "alive")
      wss.assert_echo(wss.connect(server), "and so is the server's")
    end)

    it("keeps what the table held at that time", function()
      local options = wss.trusting()
      local tls = websock.tls(options)
      options.ca_file = certificates.stranger.cert
      wss.connect(wss.serve(), tls)
    end)

    it("is an object with a name", function()
      local tls = websock.tls {}
      assert.matches("^websock%.tls", tostring(tls))
    end)

    it("without a certificate cannot be a server's", function()
      assert.error_matches(function() wss.serve {tls = websock.tls {}} end, "cert")
    end)

    it("is checked: no other object is accepted", function()
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

    it("gives new connections the new certificate, and leaves the others", function()
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

    it("changes nothing if the new one is wrong", function()
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

  it("is collected, and the certificates with it", function()
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
