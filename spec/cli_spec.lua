-- The command `websock`, run as a process against our own server in another.

local socket = require "socket"
local process = require "support.process"
local command = require "support.command"

-- A port that was free a moment ago: nobody answers there.
local function dead_url()
  local listener = assert(socket.bind("127.0.0.1", 0))
  local _, port = listener:getsockname()
  listener:close()
  return "ws://127.0.0.1:" .. port .. "/"
end

describe("websock, the command", function()
  local peer, url

  setup(function()
    peer = process.start(process.lua("spec/support/cli_peer.lua"),
      {env = {LD_PRELOAD = os.getenv("SANITIZED")}})
    url = "ws://127.0.0.1:" .. peer:expect("port (%d+)") .. "/"
  end)

  teardown(function() peer:stop() end)

  -- Runs the client on `input`; `...` are options.
  local function client(input, ...)
    local args = {...}
    args[#args + 1] = url
    return command.run(args, input)
  end

  describe("as a client", function()
    it("prints the echo of a pipe and leaves with 0", function()
      local status, out, err = client("hi\n")
      assert.equal("hi\n", out)
      assert.equal(0, status)
      assert.equal(("connected to %s\nclosed 1000\n"):format(url), err)
    end)

    it("reads a pipe as well as a file", function()
      local status, out = command.run({url}, "", 'printf "a\\nb\\n" | '
        .. 'scripts/lua bin/websock "$@" >"$OUT" 2>"$ERR"')
      assert.equal("a\nb\n", out)
      assert.equal(0, status)
    end)

    it("with no input connects and closes", function()
      local status, out = client("")
      assert.equal("", out)
      assert.equal(0, status)
    end)

    it("sends a last line that has no newline, and empty lines", function()
      local _, out = client("one\n\ntwo")
      assert.equal("one\n\ntwo\n", out)
    end)

    it("drops the carriage return of a line", function()
      local _, out = client("one\r\ntwo\r\n")
      assert.equal("one\ntwo\n", out)
    end)

    -- Lines that end around the places where a read of 4,096 bytes ends.
    it("splits long lines right", function()
      for _, length in ipairs {4094, 4095, 4096, 4097, 8191, 8192, 100000} do
        local input = ("a"):rep(length) .. "\n" .. ("b"):rep(length) .. "\n"
        local status, out = client(input)
        assert.is_true(out == input, length)
        assert.equal(0, status)
      end
    end)

    it("gets every answer to many lines", function()
      local lines = {}
      for i = 1, 3000 do lines[i] = "line " .. i end
      local input = table.concat(lines, "\n") .. "\n"
      local status, out = client(input)
      assert.is_true(out == input)
      assert.equal(0, status)
    end)

    it("refuses to send what is not UTF-8, and says so in its status", function()
      local status, out, err = client("\xff\nhello\n")
      assert.equal("hello\n", out)
      assert.matches("not UTF%-8", err)
      assert.equal(1, status)
    end)

    it("shows binary messages by their size", function()
      local _, out = client("do binary abc\n")
      assert.equal("<3 bytes of binary>\n", out)
    end)

    it("--binary sends and prints bytes as they are", function()
      local status, out = client("\xff\xfe\r\nabc\n", "--binary")
      assert.equal("\xff\xfe\r\nabc\n", out)
      assert.equal(0, status)
    end)

    it("prints what comes while no input does", function()
      local running <close> = command.start {url}
      running:write("do binary abcd\nhello\n")
      running:expect("out", "^<4 bytes of binary>\n(hello)\n")
      running:write("again\n")
      running:expect("out", "hello\n(again)\n")
      running:finish()
      assert.equal(0, (running:wait()))
    end)

    it("--linger waits for later messages", function()
      local status, out, err = client("do later evening\n", "--linger", "60")
      assert.equal("evening\n", out)
      assert.matches("closed 1000 that was it\n$", err)
      assert.equal(0, status)
    end)

    it("--quiet says nothing", function()
      local _, out, err = client("hi\n", "--quiet")
      assert.equal("hi\n", out)
      assert.equal("", err)
    end)

    it("-H and --header send fields", function()
      local _, out = client("do header x-one\ndo header x-two\n",
        "-H", "X-One: 1: yes", "--header=X-Two: a", "-H", "x-two: b")
      assert.equal("1: yes\na, b\n", out)
    end)

    it("--origin sends an Origin", function()
      local origin = url:gsub("^ws", "http"):gsub("/$", "")
      local _, out = client("do header origin\n", "--origin", origin)
      assert.equal(origin .. "\n", out)
    end)

    it("--protocol offers subprotocols and shows the chosen one", function()
      local _, out, err = client("do header sec-websocket-protocol\n",
        "--protocol", "soap", "--protocol", "chat")
      assert.equal("soap, chat\n", out)
      assert.matches("connected to %S+ speaking chat\n", err)
    end)

    it("--max-message refuses larger messages", function()
      local status, out = client("do size 100\n", "--max-message", "100")
      assert.equal(("x"):rep(100) .. "\n", out)
      assert.equal(0, status)
      local err
      status, out, err = client("do size 101\n", "--max-message", "100", "--linger", "60")
      assert.equal("", out)
      assert.matches("closed 1009", err)
      assert.equal(1, status)
    end)

    it("--max-message 0 sets no limit", function()
      local status, out = client("do size 1048577\n", "--max-message", "0", "--linger", "0")
      assert.equal(1048578, #out)
      assert.equal(0, status)
    end)
  end)

  -- On a terminal: what it gets, with both streams, and the exit status.
  local function on_terminal(input, ...)
    local words = {process.python, "spec/support/terminal.py", input, "env",
      "LD_PRELOAD=" .. (os.getenv "SANITIZED" or ""), "scripts/lua", "bin/websock", ...}
    local status, seen = process.run(words)
    return seen, status
  end

  local function hex(text)
    return (text:gsub(".", function(char) return ("%02x"):format(char:byte()) end))
  end

  describe("on a terminal", function()
    it("marks messages, and binary ones by their size", function()
      local seen, status = on_terminal("hi\ndo binary abc\n", url)
      assert.equal(("connected to %s\n< hi\n<3 bytes of binary>\nclosed 1000\n"):format(url), seen)
      assert.equal(0, status)
    end)

    it("spells out what it would obey, and lets no message look like a status line", function()
      for message, shown in pairs {
        ["\27[2J\27]0;title\7"] = "< ^[[2J^[]0;title^G",
        ["a\nclosed 1000"] = "< a\n| closed 1000",
        ["a\rwebsock: b\27M"] = "< a^Mwebsock: b^[M",
        ["\u{9b}2J"] = "< <U+009B>2J",
        ["\u{202e}gpj.exe"] = "< <U+202E>gpj.exe",
        ["tab\there, \u{e9}"] = "< tab\there, \u{e9}",
        ["a\n\nb\n"] = "< a\n| \n| b\n| ",
        [""] = "< ",
      } do
        local seen = on_terminal("do hex " .. hex(message) .. "\n", "--quiet", url)
        assert.equal(shown .. "\n", seen)
      end
    end)

    it("spells bytes out that --binary prints as they are elsewhere", function()
      assert.equal("< M-^[2J^[c\n", (on_terminal("\x9b2J\27c\n", "--quiet", "--binary", url)))
      local _, out = client("\x9b2J\27c\n", "--quiet", "--binary")
      assert.equal("\x9b2J\27c\n", out)
    end)
  end)

  describe("what a peer chooses", function()
    it("reaches a pipe as it came", function()
      local message = "\27[2J\r\nclosed 1000\u{9b}"
      local _, out = client("do hex " .. hex(message) .. "\n")
      assert.equal(message .. "\n", out)
    end)

    it("is spelled out in a close reason", function()
      local reason = "a\27[2J\nclosed 1000\r\u{9b}\u{202e}"
      local status, _, err = client("do closehex 4000 " .. hex(reason) .. "\n", "--linger", "60")
      assert.matches("\nclosed 4000 a^[[2J^Jclosed 1000^M<U+009B><U+202E>\n", err, 1, true)
      assert.equal(1, status)
    end)

    it("is spelled out and marked in a refusal", function()
      local status, _, err = command.run {url .. "hostile"}
      assert.equal(("websock: %shostile: refused: 403 Forbidden\n| ^[[2J^[]0;title^G<U+009B>2J\n"
        .. "| closed 1000^M\n"):format(url), err)
      assert.equal(1, status)
    end)

    it("is spelled out in a reason phrase", function()
      local bad = url:gsub(":%d+/", ":" .. peer:expect "bad (%d+)" .. "/")
      local _, _, err = command.run {bad}
      assert.equal(("websock: %s: refused: 403 M-^[2J<U+009B>2J\n"):format(bad), err)
    end)

    it("is shown of a refusal's text, to a kilobyte, and of nothing else", function()
      local _, _, err = command.run {url .. "long"}
      assert.matches("^[^\n]*: refused: 403 Forbidden\n| line\n| line\n", err)
      assert.is_true(#err < 2000)
      _, _, err = command.run {url .. "page"}
      assert.matches("^[^\n]*: refused: 403 Forbidden\n$", err)
    end)

    it("includes arguments that somebody else has written", function()
      for _, args in ipairs {{"--\27[2J"}, {"ws://a/\27[2J\n"}, {"no\27[2J"}, {"-H", "a\27: b", url}} do
        local _, _, err = command.run(args)
        assert.is_nil(err:find "\27")
      end
    end)
  end)

  describe("commands", function()
    it("/ping prints the round trip", function()
      local status, out, err = client("/ping\n")
      assert.equal("", out)
      assert.matches("ping: %d+%.%d+ ms\n", err)
      assert.equal(0, status)
    end)

    it("/close closes with the code and the reason given", function()
      local status, _, err = client("/close 4000 bye bye\nnever sent\n")
      assert.matches("closed 4000 bye bye\n$", err)
      assert.equal(0, status)
    end)

    it("/close alone closes with 1000", function()
      local running <close> = command.start {url}
      running:write("/close\n")
      local status, _, err = running:wait()
      assert.matches("closed 1000\n$", err)
      assert.equal(0, status)
    end)

    it("/close with a code that may not be sent is refused", function()
      local codes = {"abc", "12x", "-1000", "1e3", "99", "999", "1004", "1005",
        "1006", "1015", "2999", "5000", "99999", ("9"):rep(30)}
      local status, out, err = client("/close " .. table.concat(codes, " bye\n/close ")
        .. "\nstill here\n")
      assert.equal("still here\n", out)
      local expected = "connected to " .. url .. "\n"
      for _, code in ipairs(codes) do
        expected = expected .. "websock: /close: not a code that may be sent: " .. code
          .. " (1000-1003, 1007-1014, 3000-4999)\n"
      end
      assert.equal(expected .. "closed 1000\n", err)
      assert.equal(1, status)
    end)

    it("/close takes the codes that may be sent", function()
      for _, code in ipairs {1000, 1003, 1007, 1014, 3000, 4999} do
        local status, _, err = client("/close " .. code .. " bye\n")
        assert.matches("\nclosed " .. code .. " bye\n$", err)
        assert.equal(0, status)
      end
    end)

    it("/close with a reason that is too long is refused", function()
      local status, _, err = client("/close 1000 " .. ("x"):rep(124) .. "\n")
      assert.matches("\nwebsock: close: [^\n]*\nclosed 1000\n$", err)
      assert.equal(1, status)
    end)

    it("/help lists them", function()
      local status, out, err = client("/help\n", "--quiet")
      assert.equal("", out)
      assert.matches("^  /ping .*\n  /close .*\n  /help [^\n]*\n$", err)
      local _, help = command.run {"--help"}
      assert.is_truthy(help:find(err, 1, true))
      assert.equal(0, status)
    end)

    it("// sends a slash", function()
      local _, out = client("//ping\n///\n")
      assert.equal("/ping\n//\n", out)
    end)

    it("unknown ones are reported and not sent", function()
      local status, out, err = client("/etc/passwd\n/\nhi\n")
      assert.equal("hi\n", out)
      assert.matches("not sent: /etc/passwd\nThere are /ping, /close and /help;", err)
      assert.matches("not sent: /\n", err)
      assert.equal(1, status)
    end)
  end)

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

    it("keeps its status when nobody reads its output", function()
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
      ["not of the form"] = {"-H", "nonsense", "ws://localhost/"},
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

  describe("asked about itself", function()
    it("--help prints the usage", function()
      local status, out, err = command.run {"--help"}
      assert.matches("^usage: websock ", out)
      assert.equal("", err)
      assert.equal(0, status)
    end)

    it("--help names every option", function()
      local _, out = command.run {"-h"}
      for _, name in ipairs {"header", "protocol", "origin", "timeout", "linger",
          "max%-message", "binary", "quiet", "listen", "host", "ca", "insecure", "cert", "key",
          "version", "help"} do
        assert.matches("%-%-" .. name, out)
      end
    end)

    it("--help says which close codes are normal", function()
      local _, out = command.run {"--help"}
      assert.matches("Normal are the codes\n1000, 1001 and 1005", out)
    end)

    it("--version prints the version", function()
      local status, out = command.run {"--version"}
      assert.matches("^websock %S+\n$", out)
      assert.equal(0, status)
    end)
  end)

  describe("as a server", function()
    it("echoes, and tells who comes and goes", function()
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

    it("ends cleanly on Ctrl-C with a client connected, who hears 1001", function()
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

    it("ends at once on a second Ctrl-C, whoever is silent", function()
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

    it("nobody is trusted without it, or in its place", function()
      for _, args in ipairs {{address}, {"--ca", certificates.stranger.cert, address}} do
        local status, out, err = command.run(args, "hi\n")
        assert.equal("", out)
        assert.matches("^websock: wss://%S+: tls: [^\n]*unknown authority[^\n]*\n$", err)
        assert.equal(1, status)
      end
    end)

    it("--insecure trusts everybody", function()
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

    it("says what is wrong with a file", function()
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
      -- beside this server of ours, which has to turn
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
