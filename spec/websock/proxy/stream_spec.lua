-- Lines and bytes of a source.

local answers = require "support.answers"
local stream = require "websock.proxy.stream"

describe("a stream", function()
  it("reads so many bytes, and keeps the rest", function()
    answers.each("abcdef", function(source)
      local reader = stream.new(source)
      assert.same({"ab", "", "c"}, {reader:read(2), reader:read(0), reader:read(1)})
      assert.equal("d", reader:read(1))
      local rest = reader:rest()
      assert.equal("ef", rest .. table.concat(source.pieces))
      assert.equal("", reader:rest())
    end)
  end)

  it("reads lines with either end", function()
    answers.each("one\r\ntwo\n\r\n\rthree\r\n4", function(source)
      local reader = stream.new(source)
      assert.same({"one", 5}, {reader:line(99)})
      assert.same({"two", 4}, {reader:line(99)})
      assert.same({"", 2}, {reader:line(99)})
      assert.same({"\rthree", 8}, {reader:line(99)})
      assert.same({nil, "eof"}, {reader:line(99)})
      assert.equal("4", reader:rest())
    end)
  end)

  it("reads lines up to a limit, their end included", function()
    for _, most in ipairs {4, 5, 6} do
      answers.each("abc\r\nrest", function(source)
        local line, size = stream.new(source):line(most)
        assert.same(most < 5 and {nil, "too long"} or {"abc", 5}, {line, size})
      end)
    end
  end)

  it("returns the source's error", function()
    local reader = stream.new(answers.source({"ab"}, "timeout"))
    assert.same({nil, "timeout"}, {reader:read(3)})
    assert.same({nil, "timeout"}, {reader:line(3)})
    assert.equal("ab", reader:rest())
  end)

  it("reads what came before a write failed", function()
    local source = answers.source {"why\n"}
    source.broken = "reset"
    local reader = stream.new(source)
    reader:write "request"
    assert.equal("why", (reader:line(9)))
    assert.equal("request", source.sent)
  end)
end)
