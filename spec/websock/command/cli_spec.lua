-- The command `websock` as a client, a process against our own server in another, and
-- the commands that it obeys.

local command = require "support.command"

describe("websock, the command", function()
  local peer, url

  setup(function() peer, url = command.peer() end)

  teardown(function() peer:stop() end)

  local function client(input, ...) return command.client(url, input, ...) end

  describe("as a client", function()
    it("prints the echo of a pipe and ends with 0", function()
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
    it("keeps long lines whole", function()
      for _, length in ipairs {4094, 4095, 4096, 4097, 8191, 8192, 100000} do
        local input = ("a"):rep(length) .. "\n" .. ("b"):rep(length) .. "\n"
        local status, out = client(input)
        assert.is_true(out == input, length)
        assert.equal(0, status)
      end
    end)

    it("gets all answers to many lines", function()
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

    it("prints messages while no input comes", function()
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

    it("--quiet prints no status lines", function()
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
end)
