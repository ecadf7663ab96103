-- URLs (RFC 6455 section 3, RFC 3986): their parts, and which are invalid.

local url = require "websock.client.url"

local function parts(text)
  local parsed = assert(url.parse(text))
  return {parsed.scheme, parsed.host, parsed.port, parsed.target, parsed.field}
end

local function refused(text, pattern)
  local parsed, err = url.parse(text)
  assert.is_nil(parsed, text)
  assert.matches("^url: ", err)
  assert.matches(pattern, err)
end

describe("url", function()
  it("parses ws and wss, with their default ports", function()
    assert.same({"ws", "a.example", 80, "/", "a.example"}, parts "ws://a.example")
    assert.same({"wss", "a.example", 443, "/", "a.example"}, parts "wss://a.example/")
    assert.same({"ws", "a", 81, "/b/c?d=e&f", "a:81"}, parts "ws://a:81/b/c?d=e&f")
  end)

  it("takes http and https as synonyms, in upper and lower case", function()
    assert.same({"ws", "a", 80, "/", "a"}, parts "HTTP://a")
    assert.same({"wss", "a", 443, "/", "a"}, parts "https://a")
    assert.same({"ws", "a", 443, "/", "a:443"}, parts "Ws://a:443")
  end)

  it("begins every target with a slash (RFC 6455 3)", function()
    assert.equal("/?q=1", url.parse("ws://a?q=1").target)
    assert.equal("/?", url.parse("ws://a?").target)
  end)

  it("leaves a default or empty port out of the Host field (RFC 6455 4.1)", function()
    assert.equal("a", url.parse("ws://a:80/").field)
    assert.equal("a", url.parse("wss://a:443/").field)
    assert.equal("a:80", url.parse("wss://a:80/").field)
    assert.same({"ws", "a", 80, "/", "a"}, parts "ws://a:")
  end)

  it("takes IPv6 literals, in brackets in the Host field", function()
    assert.same({"ws", "::1", 80, "/", "[::1]"}, parts "ws://[::1]")
    assert.same({"ws", "::1", 8080, "/x", "[::1]:8080"}, parts "ws://[::1]:8080/x")
    assert.same({"ws", "::ffff:1.2.3.4", 80, "/", "[::ffff:1.2.3.4]"},
      parts "ws://[::ffff:1.2.3.4]/")
  end)

  it("gives a URL back as text, without what it need not say", function()
    for given, expected in pairs {["HTTPS://me:pw@A.example:443"] = "wss://A.example/",
      ["ws://[::1]:8080/a?b"] = "ws://[::1]:8080/a?b", ["ws://[fe80::1%lo]:80"] = "ws://[fe80::1%lo]/"} do
      assert.equal(expected, url.text(assert(url.parse(given))))
    end
  end)

  -- The examples of RFC 3986 section 5.4, without those that keep a fragment.
  it("resolves references (RFC 3986 5.2)", function()
    local base = assert(url.parse "ws://a/b/c/d;p?q")
    for reference, expected in pairs {
      ["ws://h/x"] = "ws://h/x", ["g"] = "ws://a/b/c/g", ["./g"] = "ws://a/b/c/g", ["g/"] = "ws://a/b/c/g/",
      ["/g"] = "ws://a/g", ["//g"] = "ws://g", ["?y"] = "ws://a/b/c/d;p?y", ["g?y"] = "ws://a/b/c/g?y",
      ["#s"] = "ws://a/b/c/d;p?q", ["g#s"] = "ws://a/b/c/g", [";x"] = "ws://a/b/c/;x", ["g;x"] = "ws://a/b/c/g;x",
      [""] = "ws://a/b/c/d;p?q", ["."] = "ws://a/b/c/", ["./"] = "ws://a/b/c/", [".."] = "ws://a/b/",
      ["../"] = "ws://a/b/", ["../g"] = "ws://a/b/g", ["../.."] = "ws://a/", ["../../"] = "ws://a/",
      ["../../g"] = "ws://a/g", ["../../../g"] = "ws://a/g", ["../../../../g"] = "ws://a/g", ["/./g"] = "ws://a/g",
      ["/../g"] = "ws://a/g", ["g."] = "ws://a/b/c/g.", [".g"] = "ws://a/b/c/.g", ["g.."] = "ws://a/b/c/g..",
      ["..g"] = "ws://a/b/c/..g", ["./../g"] = "ws://a/b/g", ["./g/."] = "ws://a/b/c/g/",
      ["g/./h"] = "ws://a/b/c/g/h", ["g/../h"] = "ws://a/b/c/h", ["g;x=1/./y"] = "ws://a/b/c/g;x=1/y",
      ["g;x=1/../y"] = "ws://a/b/c/y", ["g?y/./x"] = "ws://a/b/c/g?y/./x", ["g?y/../x"] = "ws://a/b/c/g?y/../x",
      ["wss://h/x/../y#z"] = "wss://h/y", ["//u@h:1?z"] = "ws://u@h:1?z", ["mailto:a"] = "mailto:a",
    } do
      assert.equal(expected, url.resolve(base, reference), reference)
    end
    assert.equal("wss://[::1]:8/b", url.resolve(assert(url.parse "wss://me:pw@[::1]:8"), "b"))
  end)

  it("tells origins apart (RFC 6454 5)", function()
    local function same(a, b) return url.is_same_origin(assert(url.parse(a)), assert(url.parse(b))) end
    for _, other in ipairs {"ws://a/x?y", "http://a:80", "ws://me@A/"} do
      assert.is_true(same("ws://a", other), other)
    end
    for _, other in ipairs {"wss://a", "ws://a:81", "ws://b", "ws://a.b", "wss://a:80"} do
      assert.is_false(same("ws://a", other), other)
    end
  end)

  it("keeps an address's zone out of the Host field (RFC 6874)", function()
    local parsed = assert(url.parse "ws://[fe80::1%lo]:81/")
    assert.equal("fe80::1%lo", parsed.host)
    assert.equal("[fe80::1]:81", parsed.field)
  end)

  it("decodes userinfo", function()
    local parsed = assert(url.parse "ws://al%40ice:p%3Aw@a:81/x")
    assert.same({"al@ice", "p:w", "a", 81, "a:81"},
      {parsed.user, parsed.password, parsed.host, parsed.port, parsed.field})
    parsed = assert(url.parse "ws://alice@a")
    assert.same({"alice", ""}, {parsed.user, parsed.password})
    assert.is_nil(url.parse("ws://a").user)
  end)

  it("encodes bytes that no target can hold, and no others (RFC 3986 2.1)", function()
    assert.equal("/%C3%A4%22%3C%7B|", (url.parse('ws://a/ä"<{|').target:gsub("%%7C", "|")))
    assert.equal("/a%20b-._~!$&'()*+,;=:@/?x", url.parse("ws://a/a%20b-._~!$&'()*+,;=:@/?x").target)
  end)

  it("refuses other schemes", function()
    for _, text in ipairs {"ftp://a", "a", "", "//a", "ws:/a", "ws:a", "1ws://a"} do
      refused(text, "ws:// or wss://")
    end
  end)

  it("refuses fragments (RFC 6455 3)", function()
    refused("ws://a/#b", "fragment")
    refused("ws://a#", "fragment")
  end)

  it("refuses invalid hosts", function()
    for _, text in ipairs {"ws://", "ws:///x", "ws://:80", "ws://[::1", "ws://::1/",
      "ws://[gg::1]/", "ws://a\\b/", "ws://\xC3\xA4/", "ws://a@/"} do
      refused(text, "host")
    end
  end)

  it("takes ports from 1 to 65535", function()
    assert.equal(1, url.parse("ws://a:1").port)
    assert.equal(65535, url.parse("ws://a:65535").port)
    for _, port in ipairs {"0", "65536", "00000", "99999999999999999999"} do
      refused("ws://a:" .. port, "port")
    end
    refused("ws://[::1]x", "port")
  end)

  -- Texts with this byte anywhere in them.
  local function each_with(byte, f)
    for _, text in ipairs {"ws://a/%sb", "ws://a%s/", "%sws://a", "ws://u%s@a", "ws://a/?%s", "ws://a/%s"} do
      f((text:gsub("%%s", {["%s"] = byte})))
    end
  end

  it("attack 21: raises on CR, LF and NUL anywhere", function()
    for _, byte in ipairs {"\r", "\n", "\0", "\r\n", " \n"} do
      each_with(byte, function(text)
        assert.error_matches(function() url.parse(text) end, "connect: url: CR, LF and NUL are not allowed")
      end)
    end
  end)

  it("refuses blanks and other control characters anywhere", function()
    for _, byte in ipairs {"\t", " ", "\127", "\1", "\27"} do
      each_with(byte, function(text) refused(text, "blanks and control characters are not allowed") end)
    end
  end)

  it("raises on values that are no strings", function()
    assert.error_matches(function() url.parse() end, "connect: url: string expected, got nil")
    assert.error_matches(function() url.parse(1) end, "url: string expected, got number")
  end)
end)
