-- What the command `websock` shows on a terminal, and how it shows text of the peer.

local command = require "support.command"
local process = require "support.process"

describe("websock, the command", function()
  local peer, url

  setup(function() peer, url = command.peer() end)

  teardown(function() peer:stop() end)

  local function client(input, ...) return command.client(url, input, ...) end

  -- Runs it on a terminal: returns the output, of both streams, and the exit status.
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
      assert.equal("\x9b2J\27c\n", out)
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
