-- Headers and subprotocols that a program gives for its handshakes, checked by the
-- core's rules: the one that breaks a rule is named.

local rehearse = require "websock.base.rehearse"

local NO_TOKEN = "a field's name is no token"

describe("rehearse", function()
  it("accepts what may be sent", function()
    for _, role in ipairs {"client", "server", "answer"} do
      assert.is_nil(rehearse.culprit(role, {}))
      assert.is_nil(rehearse.culprit(role, {"X-A", "1", "X-B", "", "X-A", "2\t3"}))
    end
    rehearse.protocols("test", {})
    rehearse.protocols("test", {"chat.v2", "chat"})
    rehearse.origin("test", "https://a.example")
  end)

  it("finds the first field that may not be sent, wherever it is", function()
    for _, role in ipairs {"client", "server", "answer"} do
      for _, at in ipairs {1, 3, 5} do
        local flat = {"X-A", "1", "X-B", "2", "X-C", "3"}
        flat[at] = "a b"
        assert.equal("header 'a b': " .. NO_TOKEN, rehearse.culprit(role, flat))
        flat[at] = "X-D"
        flat[at + 1] = "\1"
        assert.equal("header 'X-D': a field's value has an invalid byte", rehearse.culprit(role, flat))
      end
    end
  end)

  it("knows the fields that the library itself adds to each kind of head", function()
    for name, roles in pairs {["Host"] = "client", ["Sec-WebSocket-Accept"] = "client server",
      ["Content-Length"] = "client server answer", ["Connection"] = "client server answer"} do
      for role in roles:gmatch "%l+" do
        local said = rehearse.culprit(role, {name, "x"})
        assert.equal(1, said:find("header '" .. name .. "': a field that the library sets itself", 1, true))
      end
    end
    assert.is_nil(rehearse.culprit("answer", {"Upgrade", "h2c"}))
  end)

  it("shows no control characters", function()
    assert.equal("header 'a?[2J': " .. NO_TOKEN, rehearse.culprit("client", {"a\27[2J", "x"}))
    assert.error_matches(function() rehearse.protocols("test", {"\27"}) end, "test: protocol '%?': ")
    assert.error_matches(function() rehearse.origin("test", "\27") end, "test: option 'origin': '%?': ")
  end)
end)
