-- A peer's text in a form that may be shown to a person.

local printable = require "websock.base.printable"

describe("printable", function()
  it("leaves harmless text as it is", function()
    for _, text in ipairs {"", "hello", "γειά σου", "naïve 💬", "a b~", "\u{A0}", "\u{2027}", "\u{2060}",
        "\u{10FFFF}", ("x"):rep(100000)} do
      assert.equal(text, printable(text))
    end
  end)

  it("spells controls as cat -v does", function()
    assert.equal("^[[2J^[]0;title^G", printable "\27[2J\27]0;title\7")
    assert.equal("^@^A^_ ^?", printable "\0\1\31 \127")
    assert.equal("a^M^Jclosed 1000^I", printable "a\r\nclosed 1000\t")
  end)

  it("leaves the controls that it is told to leave", function()
    assert.equal("a\n\tb^[", printable("a\n\tb\27", "\n\t"))
    assert.equal("%^M", printable("%\r", "%"))
  end)

  it("spells C1 controls, as bytes and as characters", function()
    assert.equal("M-^[2J", printable "\x9b2J")
    assert.equal("<U+009B>2J", printable "\u{9B}2J")
    assert.equal("<U+0080><U+009F>", printable "\u{80}\u{9F}")
    assert.equal("M-^@M-^_M- ", printable "\x80\x9f\xa0")
  end)

  it("spells characters that turn a line's direction or end it", function()
    for _, code in ipairs {0x61c, 0x200e, 0x200f, 0x2028, 0x2029, 0x202a, 0x202e, 0x2066, 0x2069} do
      assert.equal(("a<U+%04X>b"):format(code), printable("a" .. utf8.char(code) .. "b"))
    end
  end)

  it("spells bytes that are not UTF-8, next to characters", function()
    assert.equal("éM-^?é", printable "é\xffé")
    assert.equal("éM-C", printable "é\xc3")
    assert.equal("M-mM- M-^@", printable "\xed\xa0\x80")  -- a surrogate
    assert.equal("M-@M-^[", printable "\xc0\x9b")          -- an overlong escape
    assert.equal("aM-bM-^@b", printable "a\xe2\x80b")      -- a character that is cut off
  end)

  it("leaves no sequence of a terminal's in any text #heavy", function()
    math.randomseed(7)
    for _ = 1, 2000 do
      local bytes = {}
      for i = 1, math.random(0, 20) do bytes[i] = math.random(0, 255) end
      local shown = printable(string.char(table.unpack(bytes)))
      assert.is_truthy(utf8.len(shown))
      assert.is_nil(shown:find "%c")
      for _, code in utf8.codes(shown) do assert.is_false(code >= 0x80 and code <= 0x9f) end
    end
  end)
end)
