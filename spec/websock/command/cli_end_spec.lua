-- The end of the command `websock`, and its status.

local socket = require "socket"
local command = require "support.command"

-- A port that was free a moment ago, so that nobody listens there.
local function dead_url()
  local listener = assert(socket.bind("127.0.0.1", 0))
  local _, port = listener:getsockname()
  listener:close()
  return "ws://127.0.0.1:" .. port .. "/"
end

describe("websock, the command", function()
  local peer, url

  setup(function() peer, url = command.peer() end)

  teardown(function() peer:stop() end)

  local function client(input, ...) return command.client(url, input, ...) end

  describe("the end", function()
    it("is a success when the server closes normally", function()
      local status, _, err = client("do close 1000 enough\n", "--linger", "60")
      assert.matches("closed 1000 enough\n$", err)
      assert.equal(0, status)
    end)

    it("is a failure when the server closes with an error", function()
      local status, _, err = client("do close 1011 oh\n", "--linger", "60")
      assert.matches("closed 1011 oh\n$", err)
      assert.equal(1, status)
    end)

    it("is a failure when the connection is lost", function()
      local status, _, err = client("do abort\n", "--linger", "60")
      assert.matches("closed 1006", err)
      assert.equal(1, status)
    end)

    it("does not wait for input once the server has closed", function()
      local running <close> = command.start {url}
      running:write("do close 1000 now\n")
      assert.equal(0, (running:wait()))
    end)

    it("comes with a close frame on Ctrl-C", function()
      local running <close> = command.start {url}
      running:expect("err", "(connected)")
      running:signal("INT")
      local status, _, err = running:wait()
      assert.matches("closed 1000\n$", err)
      assert.equal(0, status)
    end)

    it("comes on Ctrl-C, too, before there is a connection", function()
      local deaf = require("support.raw").server()
      local running <close> = command.start {"ws://127.0.0.1:" .. deaf.port .. "/"}
      local theirs = assert(deaf:accept())
      theirs:head()  -- and is not answered
      running:signal "INT"
      local status, _, err = running:wait()
      assert.same({1, ""}, {status, err})
      theirs:close()
      deaf:close()
    end)

    it("comes at once with a second Ctrl-C, or SIGTERM", function()
      local deaf = require("support.raw").server()
      for _, name in ipairs {"INT", "TERM"} do
        local running <close> = command.start {"ws://127.0.0.1:" .. deaf.port .. "/"}
        local theirs = assert(deaf:accept())
        theirs:welcome()
        running:expect("err", "(connected)")
        running:signal(name)
        assert(theirs:closed())  -- and is not answered
        running:signal(name)
        local status = running:wait()
        assert.equal(name == "INT" and 130 or 143, status)
        theirs:close()
      end
      deaf:close()
    end)

    it("comes with 1001 on SIGTERM", function()
      local running <close> = command.start {url}
      running:expect("err", "(connected)")
      running:signal("TERM")
      local status, _, err = running:wait()
      assert.matches("closed 1001\n$", err)
      assert.equal(0, status)
    end)

    it("comes as with empty ones if standard streams are closed", function()
      local program = 'exec scripts/lua bin/websock "$@" '
      local status, out, err = command.run({url}, "", program .. '<&- >"$OUT" 2>"$ERR"')
      assert.same({0, "", ("connected to %s\nclosed 1000\n"):format(url)}, {status, out, err})
      status, out, err = command.run({url}, "hello\n", program .. '<"$IN" >&- 2>"$ERR"')
      assert.same({0, "", ("connected to %s\nclosed 1000\n"):format(url)}, {status, out, err})
      status, out = command.run({url}, "hello\n", program .. '<"$IN" >"$OUT" 2>&-')
      assert.same({0, "hello\n"}, {status, out})
      assert.equal(0, (command.run({url}, "", program .. "<&- >&- 2>&-")))
    end)

    it("is a failure that is told if its output cannot be written", function()
      local status, _, err = command.run({"--quiet", url}, "hello\n",
        'exec scripts/lua bin/websock "$@" <"$IN" >/dev/full 2>"$ERR"')
      assert.same({1, "websock: cannot write: No space left on device\n"}, {status, err})
    end)

    it("keeps its status though nobody reads its output", function()
      local status, out = command.run({url}, ("line\n"):rep(20000), 'exec 4>"$OUT"; '
        .. '{ scripts/lua bin/websock "$@" <"$IN" 2>"$ERR"; echo $? >&4; } | head -n 1 >/dev/null')
      assert.equal("0\n", out)
      assert.equal(0, status)
    end)
  end)

  describe("failures", function()
    it("a refused connection", function()
      local status, out, err = command.run {dead_url()}
      assert.equal("", out)
      assert.matches("^websock: ws://%S+: connect: ", err)
      assert.equal(1, status)
    end)

    it("a refused handshake, with its status", function()
      local status, _, err = command.run {url .. "nowhere"}
      assert.matches("refused: 404", err)
      assert.equal(1, status)
    end)

    it("a server that never answers, after --timeout", function()
      local listener = assert(socket.bind("127.0.0.1", 0))
      local _, port = listener:getsockname()
      local status, _, err =
        command.run {"--timeout", "0.1", "ws://127.0.0.1:" .. port .. "/"}
      listener:close()
      assert.matches(": timeout\n$", err)
      assert.equal(1, status)
    end)

    local wrong = {
      ["no URL given"] = {},
      ["not a WebSocket URL: localhost"] = {"localhost"},
      ["localhost:9000 %(did you mean ws://localhost:9000%?%)"] = {"localhost:9000"},
      ["did you mean ws://%[::1%]:9000/chat%?"] = {"[::1]:9000/chat"},
      ["not a WebSocket URL: ws:localhost\n"] = {"ws:localhost"},
      ["not a WebSocket URL: ws:/localhost\n"] = {"ws:/localhost"},
      ["not a WebSocket URL: //localhost\n"] = {"//localhost"},
      ["more than one URL"] = {"ws://localhost/", "ws://localhost/"},
      ["unknown option %-%-foo"] = {"--foo"},
      ["unknown option %-x"] = {"-x"},
      ["%-%-timeout needs a value"] = {"--timeout"},
      ["not a number of seconds: soon"] = {"--timeout", "soon", "ws://localhost/"},
      ["not a number of seconds: %-1"] = {"--linger", "-1", "ws://localhost/"},
      ["not a whole number: 1.5"] = {"--max-message=1.5", "ws://localhost/"},
      ["%-%-redirects: not a whole number: %-1"] = {"--redirects", "-1", "ws://localhost/"},
      ["not of the form"] = {"-H", "nonsense", "ws://localhost/"},
      ["not a whole number from 1 up: 0"] = {"--count", "0", "ws://localhost/"},
      ["not of the form NAME=VALUE: x;y=1"] = {"--cookie", "x;y=1", "ws://localhost/"},
      ["not of the form USER:PASSWORD\n"] = {"--auth", "me", "ws://localhost/"},
      ["%-%-json does not go with %-%-binary"] = {"--json", "--binary", "ws://localhost/"},
      ["%-%-count does not go with %-%-listen"] = {"--listen", "0", "--count", "1"},
      ["%-%-quiet takes no value"] = {"--quiet=yes", "ws://localhost/"},
      ["not a port: 65536"] = {"--listen", "65536"},
      ["a URL does not go with %-%-listen"] = {"--listen", "0", "ws://localhost/"},
      ["%-%-binary does not go with %-%-listen"] = {"--listen", "0", "--binary"},
      ["more than one %-%-origin"] = {"--origin", "http://a", "--origin", "http://b", "ws://localhost/"},
      ["%-%-host needs %-%-listen"] = {"--host", "::1", "ws://localhost/"},
      ["%-%-insecure needs a wss:// URL"] = {"--insecure", "ws://localhost/"},
      ["%-%-ca needs a wss:// URL"] = {"--ca=x", "http://localhost/"},
      ["%-%-cert needs a wss:// URL"] = {"--cert", "x", "--key", "y", "ws://localhost/"},
      ["%-%-ca does not go with %-%-insecure"] = {"--ca=x", "--insecure", "wss://localhost/"},
      ["%-%-insecure does not go with %-%-listen"] = {"--insecure", "--listen", "0"},
      ["%-%-ca does not go with %-%-listen"] = {"--ca=x", "--listen", "0"},
      ["%-%-cert and %-%-key need each other"] = {"--cert", "x", "--listen", "0"},
      ["%-%-cert and %-%-key need each other\n"] = {"--key", "x", "wss://localhost/"},
    }
    for message, args in pairs(wrong) do
      it("wrong usage: " .. message:gsub("%%", ""), function()
        local status, out, err = command.run(args)
        assert.equal("", out)
        assert.matches(message, err)
        assert.matches("Try 'websock %-%-help'", err)
        assert.equal(2, status)
      end)
    end

    it("wrong usage that only the library sees, without a traceback", function()
      for _, args in ipairs {{"-H", "a(b: c", url}, {"--protocol", "a b", url},
          {"ftp://localhost/"}, {"ws://localhost:99999/"}, {"ws://"}} do
        local status, _, err = command.run(args)
        assert.matches("^websock: ", err)
        assert.not_matches("traceback", err)
        assert.not_matches(":%d+: ", err)
        assert.equal(2, status)
      end
    end)
  end)
end)
