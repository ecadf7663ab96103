-- SOCKS 4A, without a socket.

local answers = require "support.answers"
local tunnel = require "websock.proxy.tunnel"
local url = require "websock.proxy.url"

local plain = assert(url.parse "socks4a://proxy.example")
local with_user = assert(url.parse "socks4a://ada@proxy.example")

local PLACE = "proxy: socks4a://proxy.example:1080"

local function reply(code, first)
  return string.char(first or 0, code) .. "\0\80\127\0\0\1"
end

local function outcome(answer, proxy, host)
  local results, sent
  answers.each(answer, function(source)
    local received, err = tunnel(source, proxy or plain, host or "a.example", 443)
    if received then received = received .. table.concat(source.pieces) end
    results, sent = results or {received, err}, sent or source.sent
    assert.same(results, {received, err})
  end)
  return results, sent
end

describe("a SOCKS 4A proxy", function()
  it("is asked for a name, or an address", function()
    assert.same({{""}, "\4\1\1\187\0\0\0\1\0a.example\0"}, {outcome(reply(90))})
    assert.same({{""}, "\4\1\1\187\127\0\0\1\0"}, {outcome(reply(90), plain, "127.0.0.1")})
    assert.same({{""}, "\4\1\1\187\0\0\0\1ada\0a.example\0"}, {outcome(reply(90), with_user)})
  end)

  it("accepts, and what follows is kept", function()
    assert.same({"behind"}, (outcome(reply(90) .. "behind")))
  end)

  it("refuses in words", function()
    for code, text in pairs {[91] = "request rejected or failed",
      [92] = "request rejected: it cannot ask the client's identd",
      [93] = "request rejected: the client's identd names another user", [94] = "failure 94"} do
      assert.same({nil, PLACE .. " says: " .. text}, (outcome(reply(code))))
    end
  end)

  it("sends no SOCKS 4", function()
    assert.same({nil, PLACE .. ": its answer is no SOCKS 4"}, (outcome(reply(90, 5))))
    assert.same({nil, PLACE .. ": its answer is no SOCKS 4"}, (outcome "HTTP/1.1 400"))
  end)

  it("ends in the middle of its answer", function()
    answers.each_beginning(reply(90), function(source)
      assert.same({nil, PLACE .. ": the connection ended before its answer"},
        {tunnel(source, plain, "a.example", 443)})
    end)
  end)

  it("has no addresses of IPv6", function()
    assert.same({nil, PLACE .. ": SOCKS 4 has no addresses of IPv6"},
      {tunnel(answers.source {}, plain, "::1", 443)})
  end)
end)
