-- The manual page of the command, and its help.

local arguments = require "websock.command.arguments"
local help = require "websock.command.help"
local process = require "support.process"

local PAGE = "man/man1/websock.1"

local function page()
  local file <close> = assert(io.open(PAGE))
  return (file:read "a":gsub("\\%-", "-"))
end

describe("the manual page", function()
  it("has a paragraph for every option and command", function()
    local text = page()
    for _, name in ipairs(arguments.OPTIONS) do
      assert.is_truthy(text:find("\n%.B[RI]* [^\n]*" .. name:gsub("%-", "%%-") .. "%f[^%w%-]"), name)
    end
    for name in help.COMMANDS:gmatch "\n? *(/%a+)" do
      assert.is_truthy(text:find("\n%.BI? " .. name .. "%f[%A]"), name)
    end
  end)

  it("names no option that there is not", function()
    for name in page():gmatch "%f[%S]%-%-[%a-]+" do
      assert.is_truthy(table.concat(arguments.OPTIONS, " "):find(name, 1, true), name)
    end
  end)

  it("is understood by groff without a warning", function()
    local status, said = process.run {"groff", "-man", "-Tutf8", "-ww", "-z", PAGE}
    assert.same({0, ""}, {status, said})
  end)
end)

describe("--help", function()
  it("fits a terminal", function()
    for line in help.USAGE:gmatch "[^\n]*" do assert.is_true(#line <= 80, line) end
  end)
end)
