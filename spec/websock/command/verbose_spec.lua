-- The command's --verbose: the handshake and the frames, as lines of text.

local command = require "support.command"
local frames = require "support.frames"
local raw = require "support.raw"
local Trace = require "websock.command.trace"

describe("websock --verbose", function()
  it("shows the handshake and every frame, on standard error", function()
    local listener = raw.server()
    local running <close> = command.start {"--verbose", "-H", "X-A: b",
      "ws://127.0.0.1:" .. listener.port .. "/chat?x"}
    local theirs = assert(listener:accept())
    theirs:welcome()
    theirs:send(frames.plain(9, "a\27b") .. frames.plain(1, "he", false) .. frames.plain(0, "llo")
      .. frames.plain(2, ("x"):rep(70000)))
    running:expect("err", "(%*< binary, 70000 bytes)\n")
    running:write "hi\n"
    assert.equal(1, theirs:frame().opcode == 10 and theirs:frame().opcode)
    theirs:send(frames.plain(8, frames.close_payload(4000, "bye\n")))
    local status, out, err = running:wait()
    assert.equal("hello\n<70000 bytes of binary>\n", out)
    assert.matches("^%*> GET /chat%?x HTTP/1%.1\n%*> [^\r]*\n%*> X%-A: b\n", err)
    local shown = err:gsub(".*\n(%*< HTTP/1%.1 101)", "%1")
    for _, line in ipairs {"*< ping, 3 bytes \"a^[b\"", "*> pong, 3 bytes \"a^[b\"", "*< text, 2 bytes, more follows",
        "*< continuation, 3 bytes", "*< binary, 70000 bytes", "*> text, 2 bytes",
        "*< close, 6 bytes 4000 bye^J", "*> close, 6 bytes 4000 bye^J"} do
      assert.is_truthy(shown:find("\n" .. line, 1, true), line .. " in\n" .. shown)
    end
    assert.matches("\nclosed 4000 bye%^J\n", err)
    assert.equal(1, status)
    theirs:close()
    listener:close()
  end)

  it("shows a refusal, but not its body", function()
    local peer, url = command.peer()
    local _, out, err = command.run {"-v", url .. "page"}
    assert.equal("", out)
    assert.matches("\n%*< HTTP/1%.1 403 Forbidden\n.*\nwebsock: [^\n]*refused: 403 Forbidden\n$", err)
    assert.not_matches("<p>", err)
    peer:stop()
  end)
end)

describe("a trace", function()
  local shown, trace

  -- A trace whose tap gives these pieces.
  local function show(pieces)
    shown = {}
    trace = Trace.new(function(line) shown[#shown + 1] = line end)
    local i = 0
    trace.tap = {take = function()
      i = i + 1
      if pieces[i] then return table.unpack(pieces[i]) end
    end}
    trace:drain()
    return shown
  end

  it("shows the same however the bytes are cut", function()
    local bytes = "HTTP/1.1 101 Yes\r\nA: b\r\n\r\n" .. frames.plain(9, "") .. frames.masked(1, ("x"):rep(130))
      .. frames.compressed(2, ("x"):rep(65536)) .. frames.masked(8, frames.close_payload(1000, "a"))
      .. frames.plain(8, frames.close_payload(1001)) .. frames.plain(8, "")
    local expected = {"*< HTTP/1.1 101 Yes", "*< A: b", "*< ping, 0 bytes", "*< text, 130 bytes",
      "*< binary, 65536 bytes, compressed", "*< close, 3 bytes 1000 a",
      "*< close, 2 bytes 1001", "*< close, 0 bytes"}
    assert.same(expected, show {{"new", ""}, {"received", bytes}})
    for size = 1, 40 do
      local pieces = {{"new", ""}}
      for at = 1, #bytes, size do pieces[#pieces + 1] = {"received", bytes:sub(at, at + size - 1)} end
      assert.same(expected, show(pieces))
    end
  end)

  it("keeps the directions, and connections, apart", function()
    assert.same({"*> GET / HTTP/1.1", "*< HTTP/1.1 302 There", "*> GET /b HTTP/1.1"},
      show {{"new", ""}, {"sent", "GET / HTTP/1.1\r\n"}, {"sent", "\r\n"},
        {"received", "HTTP/1.1 302 There\r\n\r\nbody"}, {"new", ""}, {"sent", "GET /b HTTP/1.1\r\n\r\n"}})
  end)

  it("shows frames of opcodes that there are not, and spells controls out", function()
    assert.same({"*< HTTP/1.1 101", "*< X: ^[[2J", "*< opcode 3, 0 bytes", "*< opcode 11, 1 bytes \"a\""},
      show {{"new", ""}, {"received", "HTTP/1.1 101\r\nX: \27[2J\r\n\r\n\x83\0\x8b\1a"}})
  end)
end)
