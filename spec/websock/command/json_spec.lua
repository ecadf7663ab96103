-- The command's --json.

local command = require "support.command"
local dkjson = require "dkjson"
local json = require "websock.command.json"

describe("websock --json", function()
  local peer, url

  setup(function() peer, url = command.peer() end)

  teardown(function() peer:stop() end)

  -- Runs it on lines; returns the status and the objects printed, which are all.
  local function run(lines, ...)
    local status, out, err = command.client(url, table.concat(lines, "\n"), "--json", ...)
    local objects = {}
    for line in out:gmatch "[^\n]*\n" do
      objects[#objects + 1] = assert(dkjson.decode(line))
    end
    assert.equal("", err)
    return status, objects
  end

  local function opened() return {type = "open", url = url} end

  local function closed(code, reason)
    return {type = "close", code = code, reason = reason or "", clean = true}
  end

  it("reads and prints messages", function()
    local status, objects = run {'{"type":"text","data":"h\\u00e9\\n\\u0000"}',
      '{"type":"binary","base64":"AAEC/w=="}', '{"type":"binary","base64":""}',
      '{"data":"/close","type":"text","more":1}'}
    assert.same({opened(), {type = "text", data = "h\u{e9}\n\0"}, {type = "binary", base64 = "AAEC/w=="},
      {type = "binary", base64 = ""}, {type = "text", data = "/close"}, closed(1000)}, objects)
    assert.equal(0, status)
  end)

  it("reads base64 of every length", function()
    local core = require "websock.core"
    for n = 0, 9 do
      local bytes = ("\0\xff\x3e"):rep(3):sub(1, n)
      json.output {}
      assert.same({"deliver", bytes, "binary"},
        {json.read('{"type":"binary","base64":"' .. core.base64(bytes) .. '"}')})
    end
  end)

  it("reads ping and close", function()
    local status, objects = run {'{"type":"ping"}', '{"type":"close","code":4000,"reason":"bye"}'}
    assert.equal("pong", objects[2].type)
    assert.is_true(objects[2].seconds >= 0)
    assert.same(closed(4000, "bye"), objects[3])
    assert.equal(0, status)
    status, objects = run {'{"type":"close"}'}
    assert.same({0, closed(1000)}, {status, objects[2]})
  end)

  it("says of each line what is wrong with it", function()
    local wrong = {
      ['{"type":"text"}'] = '"data" is missing', ['{"type":"text","data":1}'] = '"data" is missing',
      ['{"type":"text","data":"\\ud800"}'] = 'not UTF%-8, not sent %("type":"binary" sends',
      ['{"type":"binary"}'] = 'no "base64"',
      ['{"type":"binary","base64":"A"}'] = 'no "base64"', ['{"type":"binary","base64":"A==="}'] = 'no "base64"',
      ['{"type":"binary","base64":"AA=A"}'] = 'no "base64"', ['{"type":"close","code":1.5}'] = "not an integer",
      ['{"type":"close","code":1005}'] = "close: ", ['{"type":"close","reason":1}'] = "not a string",
      ["hello"] = "not JSON", ["{}"] = "an object with", ["[]"] = "an object with", ["1"] = "an object with",
      ['"text"'] = "an object with", ["{"] = "not JSON", ['{"type":"ping"} x'] = "more than one value",
      [("["):rep(300000)] = "not JSON",
    }
    local lines, patterns = {}, {}
    for line, pattern in pairs(wrong) do
      lines[#lines + 1], patterns[#patterns + 1] = line, pattern
    end
    local status, objects = run(lines)
    assert.equal(#lines + 2, #objects)
    for i, pattern in ipairs(patterns) do
      assert.equal("error", objects[i + 1].type)
      assert.matches(pattern, objects[i + 1].message)
    end
    assert.equal(1, status)
  end)

  it("prints failures", function()
    local status, out = command.run {"--json", url .. "nowhere"}
    local object = dkjson.decode(out)
    assert.equal("error", object.type)
    assert.matches("refused: 404", object.message)
    assert.equal(1, status)
  end)

  it("says what to install where there is no library", function()
    local status, _, err = command.run({"--json", url}, "",
      [[exec scripts/lua -e 'package.preload.dkjson = function() error "none" end
        arg = {[0] = "bin/websock", "--json", "ws://localhost/"} dofile "bin/websock"' >"$OUT" 2>"$ERR"]])
    assert.matches("^websock: %-%-json needs dkjson: install lua%-dkjson", err)
    assert.equal(2, status)
  end)
end)
