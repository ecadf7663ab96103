-- The TLS table: which certificates are trusted, and for which name.

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

  describe("verifies", function()
    it("against the system's store by default", function()
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
      it("against the system's store, which " .. name .. " names", function()
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

    it("the name in the URL, or the address", function()
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

    it("only the name of one host", function()
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

    it("the name in a table with a metatable", function()
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
      it("refuses clients without a certificate of that authority: " .. version, function()
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

    it("accepts clients whose certificate it has signed", function()
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

    it("is a server's: without it no client is asked", function()
      local asked = secure.client(ends.port(wss.serve()), {cafile = certificates.ca.cert,
        verify = "peer"}, "localhost")
      assert(asked):close()
    end)
  end)
end)
