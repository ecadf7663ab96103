-- The command `websock` as a server, and over TLS.

local socket = require "socket"
local command = require "support.command"
local process = require "support.process"

describe("websock, the command", function()
  describe("as a server", function()
    it("echoes, and prints who connects and leaves", function()
      local server <close> = command.start {"--listen", "0"}
      local address = server:expect("err", "^listening on (ws://127%.0%.0%.1:%d+/)\n")
      local status, out = command.run({address}, "hi\n")
      assert.equal("hi\n", out)
      assert.equal(0, status)
      server:expect("err", "(127%.0%.0%.1:%d+) connected\n")
      server:expect("err", "(127%.0%.0%.1:%d+) closed 1000\n")
      server:signal("TERM")
      assert.equal(0, (server:wait()))
    end)

    it("ends cleanly on Ctrl-C with a client connected, which gets 1001", function()
      local server <close> = command.start {"--listen", "0", "--quiet"}
      local address = server:expect("err", "^listening on (%S+)\n")
      local guest <close> = command.start {address}
      guest:write("hi\n")
      guest:expect("out", "(hi)\n")
      server:signal("INT")
      local guest_status, _, guest_err = guest:wait()
      assert.matches("closed 1001", guest_err)
      assert.equal(0, guest_status)
      local status, _, err = server:wait()
      assert.equal(0, status)
      assert.equal(("listening on %s\n"):format(address), err)
    end)

    it("ends at once on a second Ctrl-C, though a client is silent", function()
      local server <close> = command.start {"--listen", "0"}
      local deaf = require("support.raw").open(server:expect("err", "^listening on ws://127%.0%.0%.1:(%d+)/\n"))
      server:signal "INT"
      assert.equal(1001, (deaf:closed()))  -- and is not answered
      server:signal "INT"
      assert.equal(130, (server:wait()))
      deaf:close()
    end)

    it("--host, --protocol and --max-message set the server's options", function()
      local server <close> = command.start {"--listen", "0", "--host", "127.0.0.2",
        "--protocol", "soap", "--max-message", "5"}
      local address = server:expect("err", "^listening on (ws://127%.0%.0%.2:%d+/)\n")
      local status, out, err = command.run({"--protocol", "soap", address}, "12345\n")
      assert.equal("12345\n", out)
      assert.matches("speaking soap", err)
      assert.equal(0, status)
      status, out, err = command.run({"--linger", "60", address}, "123456\n")
      assert.equal("", out)
      assert.matches("closed 1009", err)
      assert.equal(1, status)
    end)

    it("--origin lets pages from elsewhere in, and '*' all", function()
      for _, case in ipairs {{{"http://a.example", "http://b.example"}, "http://b.example"},
          {{"*"}, "http://c.example"}, {{}, nil, "http://c.example"},
          {{"http://a.example"}, nil, "http://c.example"}} do
        local args = {"--listen", "0"}
        for _, origin in ipairs(case[1]) do table.move({"--origin", origin}, 1, 2, #args + 1, args) end
        local server <close> = command.start(args)
        local address = server:expect("err", "^listening on (%S+)\n")
        local status, out, err = command.run({"--origin", case[2] or case[3], address}, "hi\n")
        if case[2] then
          assert.same({0, "hi\n"}, {status, out})
        else
          assert.matches("refused: 403 Forbidden\n| Origin not allowed%.\n|   Origin: " .. case[3], err)
          server:expect("err", "(websock: warn: origin refused: )")
        end
      end
    end)

    it("says when the port is taken", function()
      local listener = assert(socket.bind("127.0.0.1", 0))
      local _, port = listener:getsockname()
      local status, out, err = command.run {"--listen", tostring(port)}
      listener:close()
      assert.equal("", out)
      assert.equal(("websock: cannot listen on 127.0.0.1:%s: address in use\n")
        :format(port), err)
      assert.equal(1, status)
    end)
  end)

  describe("over TLS", function()
    local certificates = require "support.certificates"
    local server, address

    setup(function()
      local made = certificates.server
      server = command.start {"--listen", "0", "--cert", made.chain, "--key", made.key}
      address = server:expect("err", "^listening on (wss://127%.0%.0%.1:%d+/)\n")
    end)

    teardown(function() server:stop() end)

    it("--ca trusts an authority", function()
      local status, out, err = command.run({"--ca", certificates.ca.cert, address}, "hi\n")
      assert.equal("hi\n", out)
      assert.equal(("connected to %s\nclosed 1000\n"):format(address), err)
      assert.equal(0, status)
    end)

    it("other authorities are not trusted, with --ca or without", function()
      for _, args in ipairs {{address}, {"--ca", certificates.stranger.cert, address}} do
        local status, out, err = command.run(args, "hi\n")
        assert.equal("", out)
        assert.matches("^websock: wss://%S+: tls: [^\n]*unknown authority[^\n]*\n$", err)
        assert.equal(1, status)
      end
    end)

    it("--insecure trusts any certificate", function()
      local status, out = command.run({"--insecure", (address:gsub("127%.0%.0%.1", "localhost"))},
        "hi\n")
      assert.equal("hi\n", out)
      assert.equal(0, status)
    end)

    it("https:// is the same", function()
      local url_of_page = address:gsub("^wss", "https")
      local status, out = command.run({"--ca", certificates.ca.cert, url_of_page}, "hi\n")
      assert.equal("hi\n", out)
      assert.equal(0, status)
    end)

    it("names a file that cannot be used", function()
      local status, _, err = command.run {"--ca", "/nowhere/ca.pem", address}
      assert.matches("^websock: wss://%S+: tls: ca_file: /nowhere/ca%.pem: No such file [^\n]*\n$", err)
      assert.equal(1, status)
      status, _, err = command.run {"--listen", "0", "--cert", certificates.server.chain,
        "--key", certificates.renewed.key}
      assert.matches("^websock: cannot listen on %S+: tls: key: %S+: does not match the certificate\n$", err)
      assert.equal(1, status)
    end)

    it("--cert and --key are a client's certificate, too", function()
      local wss = require "support.wss"
      local ends = require "support.ends"
      local websock = require "websock"
      local theirs = wss.serve {tls = {cert = certificates.server.chain, key = certificates.server.key,
        client_ca = certificates.ca.cert}}
      local made = certificates.client
      -- in the background, because the server in this process has to turn
      local child = process.start({"sh", "-c", 'echo hi | exec scripts/lua bin/websock --quiet "$@"',
        "sh", "--ca", certificates.ca.cert, "--cert", made.cert, "--key", made.key, wss.url(theirs)},
        {turn = websock.step, env = {LD_PRELOAD = os.getenv "SANITIZED"}})
      local status, output = child:wait()
      child:stop()
      ends.finish()
      assert.same({0, "hi\n"}, {status, output})
    end)
  end)
end)
