-- The command `websock` as a client, a process against our own server in another, its options.

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
      assert.equal("\xff\xfe\rabc", out)
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

    it("sends lines that begin with a slash", function()
      local status, out = client("/close\n//\n/\n")
      assert.equal("/close\n//\n/\n", out)
      assert.equal(0, status)
    end)

    it("--cookie and --auth send their fields", function()
      local _, out = client("do header cookie\ndo header authorization\n",
        "--cookie", "a=1", "--cookie", "b=x y", "--auth", "Aladdin:open sesame")
      assert.equal("a=1; b=x y\nBasic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\n", out)
    end)

    it("--redirects follows so many", function()
      local status, out, err = command.client(url .. "moved", "hi\n", "--redirects", "1")
      assert.same({0, "hi\n"}, {status, out})
      assert.matches("^connected to " .. url .. "there\n", err)
      status, out, err = command.client(url .. "moved", "hi\n")
      assert.equal(("websock: %smoved: refused: 302 Found to /there (try --redirects 5)\n"):format(url), err)
      assert.same({1, ""}, {status, out})
      err = select(3, command.client(url .. "round", "hi\n", "--redirects", "3"))
      assert.equal(("websock: %sround: refused: 302 Found (not followed: a loop)\n"):format(url), err)
    end)

    it("--count ends after so many messages", function()
      local status, out, err = client("a\nb\nc\n", "--count", "2")
      assert.equal("a\nb\n", out)
      assert.matches("closed 1000\n$", err)
      assert.equal(0, status)
    end)

    it("--count waits for them after the end of input", function()
      local status, out = client("do later evening\n", "--count", "1")
      assert.equal("evening\n", out)
      assert.equal(0, status)
    end)

    it("--count fails if they do not come", function()
      local status, out = client("do close 1000\n", "--count", "1")
      assert.same({1, ""}, {status, out})
    end)

    it("--send-file sends a file as one message, before the lines", function()
      local path = os.tmpname()
      local file = assert(io.open(path, "wb"))
      file:write(("line\n"):rep(200000), "/end")
      file:close()
      local status, out = client("after\n", "--send-file", path, "--json", "--max-message", "0")
      assert.equal(1, status)  -- "after" is not JSON
      local text = ("line\\n"):rep(200000) .. "/end"
      assert.is_truthy(out:find('{"type":"text","data":"' .. text .. '"}\n', 1, true))
      os.remove(path)
    end)

    it("--send-file - sends standard input as one message", function()
      local status, out = client("a\n/b\r\n", "--send-file", "-")
      assert.equal("a\n/b\r\n\n", out)
      assert.equal(0, status)
    end)

    it("--send-file needs text without --binary, and a file that can be read", function()
      local status, _, err = client("\xff", "--send-file", "-")
      assert.matches("^websock: %-%-send%-file: %-: not UTF%-8", err)
      assert.equal(2, status)
      local out
      status, out = client("\xff", "--send-file", "-", "--binary")
      assert.same({0, "\xff"}, {status, out})
      for _, name in ipairs {"/nonexistent", "/"} do
        status, _, err = client("", "--send-file", name)
        assert.matches("^websock: %-%-send%-file: " .. name .. ": ", err)
        assert.equal(2, status)
      end
    end)

    it("--compress agrees on compression", function()
      local _, _, err = client(("a"):rep(1000) .. "\n", "--compress", "--verbose")
      assert.matches("\n%*> Sec%-WebSocket%-Extensions: permessage%-deflate", err)
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

  describe("asked about itself", function()
    it("--help prints the usage", function()
      local status, out, err = command.run {"--help"}
      assert.matches("^usage: websock ", out)
      assert.equal("", err)
      assert.equal(0, status)
    end)

    it("--help names every option", function()
      local _, out = command.run {"-h"}
      for _, name in ipairs(require "websock.command.arguments".OPTIONS) do
        assert.is_truthy(out:find(name, 1, true), name)
      end
    end)

    it("--help says which close codes are normal", function()
      local _, out = command.run {"--help"}
      assert.matches("closed normally: with 1000, 1001, 1005 %(no code%)", out)
    end)

    it("--version prints the version", function()
      local status, out = command.run {"--version"}
      assert.matches("^websock %S+\n$", out)
      assert.equal(0, status)
    end)
  end)
end)
