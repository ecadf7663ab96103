-- What the command `websock` shows on a terminal, and how it shows text of the peer.

local command = require "support.command"
local process = require "support.process"

describe("websock, the command", function()
  local peer, url

  setup(function() peer, url = command.peer() end)

  teardown(function() peer:stop() end)

  local function client(input, ...) return command.client(url, input, ...) end

  -- Runs it on a terminal that edits lines by itself: returns the output, of both streams,
  -- and the exit status.
  local function on_terminal(input, ...)
    local words = {process.python, "spec/support/terminal.py", input, "env", "TERM=dumb",
      "LD_PRELOAD=" .. (os.getenv "SANITIZED" or ""), "scripts/lua", "bin/websock", ...}
    local status, seen = process.run(words)
    return seen, status
  end

  local function hex(text)
    return (text:gsub(".", function(char) return ("%02x"):format(char:byte()) end))
  end

  describe("on a terminal", function()
    it("marks messages, and shows binary ones by their size", function()
      local seen, status = on_terminal("hi\ndo binary abc\n", url)
      assert.equal(("connected to %s\n< hi\n<3 bytes of binary>\nclosed 1000\n"):format(url), seen)
      assert.equal(0, status)
    end)

    it("spells out control characters, and lets no message look like a status line", function()
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
      assert.equal("\x9b2J\27c", out)
    end)
  end)

  describe("commands", function()
    it("/ping prints the round trip", function()
      local seen, status = on_terminal("/ping\n", "--quiet", url)
      assert.matches("^ping: %d+%.%d+ ms\n$", seen)
      assert.equal(0, status)
    end)

    it("/close closes with the code and the reason given", function()
      local seen, status = on_terminal("/close 4000 bye bye\nnever sent\n", url)
      assert.matches("closed 4000 bye bye\n$", seen)
      assert.equal(0, status)
    end)

    it("/close with a code that may not be sent is refused", function()
      local codes = {"abc", "12x", "-1000", "1e3", "99", "999", "1004", "1005",
        "1006", "1015", "2999", "5000", "99999", ("9"):rep(30)}
      local seen, status = on_terminal("/close " .. table.concat(codes, " bye\n/close ")
        .. "\n", "--quiet", url)
      local expected = ""
      for _, code in ipairs(codes) do
        expected = expected .. "websock: /close: not a code that may be sent: " .. code
          .. " (1000-1003, 1007-1014, 3000-4999)\n"
      end
      assert.equal(expected, seen)
      assert.equal(1, status)
    end)

    it("/close takes the codes that may be sent", function()
      for _, code in ipairs {1000, 1003, 1007, 1014, 3000, 4999} do
        local seen, status = on_terminal("/close " .. code .. " bye\n", url)
        assert.matches("\nclosed " .. code .. " bye\n$", seen)
        assert.equal(0, status)
      end
    end)

    it("/close with a reason that is too long is refused", function()
      local seen, status = on_terminal("/close 1000 " .. ("x"):rep(124) .. "\n", url)
      assert.matches("\nwebsock: close: [^\n]*\nclosed 1000\n$", seen)
      assert.equal(1, status)
    end)

    it("/help lists them", function()
      local seen, status = on_terminal("/help\n", "--quiet", url)
      assert.matches("^  /ping .*\n  /close .*\n  /help [^\n]*\n$", seen)
      local _, help = command.run {"--help"}
      assert.is_truthy(help:find(seen, 1, true))
      assert.equal(0, status)
    end)

    it("// sends a slash", function()
      assert.equal("< /ping\n< //\n", (on_terminal("//ping\n///\n", "--quiet", url)))
    end)

    it("unknown ones are reported and not sent", function()
      local seen, status = on_terminal("/etc/passwd\n/\n", "--quiet", url)
      assert.matches("not sent: /etc/passwd\nThere are /ping, /close and /help;", seen)
      assert.matches("not sent: /\n", seen)
      assert.equal(1, status)
    end)
  end)

  it("says that a terminal has cut a line off", function()
    local seen, status = on_terminal(("x"):rep(5000) .. "\n", "--quiet", url)
    assert.equal("websock: not sent: the terminal cuts lines after 4095 bytes;"
      .. " use a pipe or --send-file\n", seen)
    assert.equal(1, status)
    seen = on_terminal(("x"):rep(4094) .. "\n", "--quiet", url)
    assert.equal("< " .. ("x"):rep(4094) .. "\n", seen)
  end)

  -- Types on a terminal whose lines the command edits. steps: what typist.py does.
  local function edit(steps, ...)
    local words = {process.python, "spec/support/typist.py", table.concat(steps, "\n"), "env",
      "--default-signal=QUIT", "TERM=xterm", "LD_PRELOAD=" .. (os.getenv "SANITIZED" or ""), ...}
    local status, seen = process.run(words)
    return seen, status
  end

  local function plainly(steps, ...)
    return edit(steps, "NO_COLOR=1", "scripts/lua", "bin/websock", "--quiet", ...)
  end

  describe("its editor", function()
    it("shows what is typed after >, and messages above that", function()
      local seen, status = plainly({"('> ',)", "'hello\\n'", "('< hello',)", "('> ',)", "'\\x04'"}, url)
      assert.matches("\r\27%[K> hello\n", seen)
      assert.matches("\r\27%[K< hello\n\r\27%[K> \r\27%[2C", seen)
      assert.equal(0, status)
    end)

    it("draws an unfinished line again below a message", function()
      local seen = plainly({"('> ',)", "'do later evening\\nunfini'", "('< evening',)",
        "('> unfini',)"}, url)
      assert.matches("\r\27%[K< evening\n\r\27%[K> unfini\r\27%[8C", seen)
    end)

    it("obeys keys, and has a history", function()
      local seen, status = plainly({"('> ',)", "'bc\\x01a\\x05d\\x7fe\\n'", "('< abce',)",
        "'\\x1b[A\\x1b[D\\x1b[D\\x1b[3~\\n'", "('< abe',)", "'/ping\\n'", "('ping: ',)", "'\\x04'"}, url)
      assert.equal(0, status, seen)
    end)

    it("takes lines that are longer than the terminal's", function()
      local steps = {"('> ',)", "'" .. ("x"):rep(9000) .. "\\n'", "('< " .. ("x"):rep(9000) .. "',)",
        "'\\x04'"}
      local seen, status = plainly(steps, url)
      assert.equal(0, status, #seen)
    end)

    it("has colours where the terminal has them", function()
      local seen = edit({"('>',)", "'hello\\n'", "('<',)", "'\\x04'"}, "NO_COLOR=",
        "scripts/lua", "bin/websock", "--quiet", url)
      assert.matches("\27[1m>\27[m hello\n", seen, 1, true)
      assert.matches("\27[1;36m<\27[m hello\n", seen, 1, true)
    end)

    it("follows the terminal's width", function()
      local line = ("x"):rep(30)
      local seen, status = plainly({"('> ',)", "'" .. line .. "'", "('> " .. line .. "\\r',)", "20",
        "('> " .. ("x"):rep(17) .. "\\r',)", "100", "('> " .. line .. "\\r',)", "'\\n'", "('< ',)",
        "'\\x04'"}, url)
      assert.equal(0, status, seen)
    end)

    -- Runs it under a shell that knows jobs but, unlike bash, leaves the terminal's settings
    -- to its jobs.
    local function as_job(steps, after)
      local words = {"sh", "-mc", '"$@"; ' .. after, "sh", "scripts/lua", "bin/websock", "--quiet", url}
      return edit(steps, "NO_COLOR=1", table.unpack(words))
    end

    it("leaves the terminal as it was on Ctrl-Z, and is back with the job", function()
      local seen, status = as_job({"('> ',)", "'ab'", "('> ab',)", "'\\x1a'", "('stopped: icanon',)",
        "('> ab',)", "'c\\n'", "('< abc',)", "'\\x04'"},
        "echo stopped: $(stty -a | grep -o '.icanon'); fg >/dev/null")
      assert.equal(0, status, seen)
    end)

    it("leaves the terminal as it was on Ctrl-\\, which ends it", function()
      local seen, status = as_job({"('> ',)", "'ab'", "('> ab',)", "'\\x1c'"}, "")
      assert.equal(128 + 3, status, seen)
    end)

    it("is back after SIGSTOP and SIGCONT, whatever has become of the terminal", function()
      local seen, status = plainly({"('> ',)", "'ab'", "('> ab',)", "['STOP', 'CONT']", "('> ab',)", "'c'",
        "('> abc',)", "'\\n'", "('< abc',)", "'\\x04'"}, url)
      assert.equal(0, status, seen)
    end)

    it("leaves the terminal as it was on Ctrl-C", function()
      local seen, status = plainly({"('> ',)", "'abc\\x03'"}, url)
      assert.equal(0, status, seen)
    end)
  end)

  describe("text of the peer", function()
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

    it("is shown if it is the text of a refusal, up to a kilobyte, and no other body", function()
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
end)
