-- The authority of a URL.

local authority = require "websock.base.authority"

describe("an authority", function()
  it("has host and port", function()
    assert.same({host = "a.example", port = 8080}, authority.parse("a.example:8080", 80))
    assert.same({host = "a", port = 80}, authority.parse("a", 80))
    assert.same({host = "a", port = 80}, authority.parse("a:", 80))
    assert.same({host = "::1", port = 80}, authority.parse("[::1]", 80))
    assert.same({host = "fe80::1%eth0", port = 1}, authority.parse("[fe80::1%eth0]:1", 80))
  end)

  it("may have user and password", function()
    assert.same({host = "a", port = 80, user = "b@c", password = "d:e"},
      authority.parse("b%40c:d%3ae@a", 80))
    assert.same({host = "a", port = 80, user = "b@c", password = ""}, authority.parse("b@c@a", 80))
    assert.same({host = "a", port = 80, user = "", password = ""}, authority.parse("@a", 80))
  end)

  it("is refused without a valid host or port", function()
    for _, text in ipairs {"", ":80", "a b", "::1", "[::1", "[a/b]", "user@", "a\nb"} do
      assert.is_nil((authority.parse(text, 80)), text)
    end
    for _, port in ipairs {"0", "65536", "99999999", "x", "-1", "1x"} do
      assert.same({nil, "no valid port"}, {authority.parse("a:" .. port, 80)})
    end
    assert.equal(65535, authority.parse("a:65535", 80).port)
  end)

  it("is written with brackets, and perhaps without a port", function()
    assert.equal("a:80", authority.text("a", 80))
    assert.equal("a", authority.text("a", 80, 80))
    assert.equal("[::1]:81", authority.text("::1", 81, 80))
    assert.equal("[::1]", authority.text("::1", 80, 80))
  end)
end)
