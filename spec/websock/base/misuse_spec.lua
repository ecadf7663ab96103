-- Errors about a programmer's mistake point at the programmer's line.

local misuse = require "websock.base.misuse"
local options = require "websock.base.options"

local here = debug.getinfo(1, "S").short_src

local function line() return debug.getinfo(2, "l").currentline end

-- "here:line: message" of the error that f raises.
local function position(f)
  local ok, err = pcall(f)
  assert.is_false(ok)
  local source, at, text = err:match "^(.-):(%d+): (.*)$"
  return source, math.tointeger(tonumber(at)), text
end

describe("misuse", function()
  it("formats its message", function()
    local _, _, text = position(function() misuse("%s: %d", "a", 3) end)
    assert.equal("a: 3", text)
  end)

  it("points at the caller's line", function()
    local expected
    local source, at = position(function()
      expected = line() + 1
      misuse "no"
    end)
    assert.equal(here, source)
    assert.equal(expected, at)
  end)

  it("passes over the library's functions", function()
    local expected
    local source, at, text = position(function()
      expected = line() + 1
      options.check("connect", {nonsense = 1})
      return true
    end)
    assert.same({here, expected}, {source, at})
    assert.equal("connect: unknown option 'nonsense'", text)
  end)

  it("passes over C functions on the way", function()
    local expected
    local source, at = position(function()
      expected = line() + 1
      table.sort({1, 2}, function() return misuse "in a sort" end)
      return true
    end)
    assert.equal(here, source)
    assert.equal(expected, at)
  end)

  it("has no position if only the library is on the stack", function()
    local thread = coroutine.create(options.check)
    local ok, err = coroutine.resume(thread, "connect", 1)
    assert.is_false(ok)
    assert.equal("connect: options: table expected, got number", err)
  end)
end)
