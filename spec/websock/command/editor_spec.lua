-- The line that is being typed: its keys, its editing, its row on the screen.

local Editor = require "websock.command.editor"
local keys_of = require "websock.command.keys"
local row = require "websock.command.row"

describe("keys", function()
  local function names(bytes)
    local keys, rest = keys_of(bytes)
    local out = {}
    for i, key in ipairs(keys) do out[i] = key.name or "'" .. key.char end
    return table.concat(out, " "), rest
  end

  it("are characters, names and sequences", function()
    assert.equal("'a '\u{e9} '\u{1f600} left home enter word right",
      (names "a\u{e9}\u{1f600}\27[D\1\n\27f"))
  end)

  it("may come in pieces", function()
    local all = "\u{e9}\27[1;5D\27OA\u{1f600}\27[3~"
    for cut = 0, #all do
      local first, rest = names(all:sub(1, cut))
      local second, none = names(rest .. all:sub(cut + 1))
      assert.equal("'\u{e9} word left up '\u{1f600} delete",
        (first .. " " .. second):gsub("^ ", ""):gsub(" $", ""))
      assert.equal("", none)
    end
  end)

  it("that are unknown do nothing, and bytes that are no text are kept", function()
    assert.equal("'a '\xff 'b '\xc3 'c", (names "\27[99xa\27x\xff\0b\xc3c"))
  end)
end)

describe("the editor", function()
  local editor

  local function press(bytes)
    local what, line
    for _, key in ipairs((keys_of(bytes))) do what, line = editor:key(key) end
    return what, line
  end

  before_each(function() editor = Editor.new() end)

  local cases = {
    ["abc\2\2x"] = "axbc", ["abc\1x"] = "xabc", ["abc\1\6x"] = "axbc",
    ["\u{e9}\u{e8}\127x"] = "\u{e9}x", ["abc\1\4"] = "bc", ["abc\2\27[3~"] = "ab",
    ["one two\23x"] = "one x", ["one two \23x"] = "one x", ["one two\1\11"] = "",
    ["one two\2\2\2\21"] = "two", ["one two\21x\25"] = "xone two",
    ["one two\27b\27bx"] = "xone two", ["one two\1\27fx"] = "onex two",
    ["\127\2\27[3~\11\21\23\25"] = "", ["\27[A\27[Bx"] = "x",
  }
  for typed, text in pairs(cases) do
    it("does what is typed: " .. ("%q"):format(typed), function()
      press(typed)
      assert.equal(text, editor:text())
    end)
  end

  it("returns lines, and its end", function()
    assert.same({"line", "a"}, {press "a\n"})
    assert.same({"line", ""}, {press "\r"})
    assert.is_nil((press "a\1\4"))
    assert.equal("ended", (press "\4"))
  end)

  it("recalls lines, and the one that was not finished", function()
    press "one\ntwo\ntwo\n\nthr"
    local seen = {}
    for _, key in ipairs {"\16", "\16", "\16", "\14", "\14", "\14"} do
      press(key)
      seen[#seen + 1] = editor:text()
    end
    assert.same({"two", "one", "one", "two", "thr", "thr"}, seen)
    press "\16x"
    press "\n\16\16"
    assert.equal("two", editor:text())  -- as it was sent
  end)

  it("keeps bytes that are no text", function()
    press "\x80\xff\n\16"
    assert.equal("\x80\xff", editor:text())
  end)
end)

describe("a row", function()
  local function of(text, at, columns)
    local chars = {}
    for i, key in ipairs((keys_of(text))) do chars[i] = key.char end
    return {row(chars, at, columns)}
  end

  it("shows the line, and where the cursor is", function()
    assert.same({"abc", 1}, of("abc", 2, 10))
    assert.same({"abc", 3}, of("abc", 4, 10))
    assert.same({"", 0}, of("", 1, 10))
  end)

  it("counts columns, not bytes", function()
    assert.same({"\u{e9}\u{4e2d}e\u{301}x", 5}, of("\u{e9}\u{4e2d}e\u{301}x", 6, 10))
    assert.same({"^Ix", 2}, of("\tx", 2, 10))
  end)

  it("shows the part around the cursor", function()
    assert.same({"6789", 4}, of("0123456789", 11, 5))
    assert.same({"01234", 0}, of("0123456789", 1, 5))
    assert.same({"1234", 4}, of("01234", 6, 5))
    assert.same({"01234", 4}, of("0123456789", 5, 5))
  end)
end)
