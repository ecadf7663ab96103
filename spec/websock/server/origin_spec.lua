-- Which pages may connect from a browser (RFC 6455 section 10.2).

local origin = require "websock.server.origin"

local function allowed(origins, field, host, secure)
  if type(origins) == "table" then origins = origin.compile("listen", origins) end
  return origin.allowed(origins, field, host or "shop.example", secure)
end

describe("origin", function()
  it("may be missing: the client is no browser", function()
    assert.is_true(allowed("same", nil))
    assert.is_true(allowed({}, nil))
  end)

  it("may be anything with '*'", function()
    assert.is_true(allowed("*", "https://evil.example"))
    assert.is_true(allowed("*", "null"))
  end)

  it("is the same if host and port match Host", function()
    assert.is_true(allowed("same", "http://shop.example"))
    assert.is_true(allowed("same", "https://shop.example"))
    assert.is_true(allowed("same", "http://SHOP.Example"))
    assert.is_true(allowed("same", "http://shop.example", "Shop.EXAMPLE"))
    assert.is_true(allowed("same", "http://shop.example:8080", "shop.example:8080"))
    assert.is_true(allowed("same", "http://shop.example", "shop.example:80"))
    assert.is_true(allowed("same", "https://shop.example:443", "shop.example"))
    assert.is_true(allowed("same", "http://[::1]:8080", "[::1]:8080"))
    assert.is_true(allowed("same", "http://[::1]", "[::1]"))
  end)

  it("attack 18: another port, host, suffix, prefix or null is not the same", function()
    for _, field in ipairs {
      "http://evil.example", "http://shop.example.evil.example", "http://evilshop.example",
      "http://shop.exampl", "http://hop.example", "http://shop.example:8080", "null", "",
      "shop.example", "http://", "http://shop.example/", "http://shop.example/x",
      "http://shop.example@evil.example", "http://evil.example#shop.example",
      "http://evil.example?shop.example", "http://shop.example, http://evil.example",
      "http://shop.example:", "http://shop.example:80:80", "http://[::1]",
    } do
      assert.is_false(allowed("same", field), field)
    end
    assert.is_false(allowed("same", "http://shop.example", "shop.example:8080"))
    assert.is_false(allowed("same", "https://shop.example", "shop.example:80"))
    assert.is_false(allowed("same", "http://[::1]:1", "[::1]:2"))
    assert.is_false(origin.allowed("same", "http://a"))
    assert.is_false(allowed("same", "http://", ""))
  end)

  it("is https on a listener with TLS, and http or https behind a proxy", function()
    assert.is_true(allowed("same", "https://shop.example", nil, true))
    assert.is_true(allowed("same", "https://shop.example:8443", "shop.example:8443", true))
    for _, field in ipairs {"http://shop.example", "http://shop.example:443", "ftp://shop.example"} do
      assert.is_false(allowed("same", field, nil, true), field)
    end
    assert.is_false(allowed("same", "http://shop.example:8443", "shop.example:8443", true))
    assert.is_true(allowed("same", "http://shop.example:8443", "shop.example:8443"))
    assert.is_true(allowed("same", "https://shop.example:8443", "shop.example:8443"))
  end)

  it("with another scheme than http and https is never the same", function()
    for _, scheme in ipairs {"ws", "wss", "ftp", "file", "chrome-extension", "httpx", "xhttp"} do
      assert.is_false(allowed("same", scheme .. "://shop.example"), scheme)
    end
  end)

  it("may be one of a list, scheme and port included", function()
    local list = {"https://a.example", "http://b.example:8080"}
    assert.is_true(allowed(list, "https://a.example"))
    assert.is_true(allowed(list, "https://A.example"))
    assert.is_true(allowed(list, "https://a.example:443"))
    assert.is_true(allowed(list, "http://b.example:8080"))
    for _, field in ipairs {"http://a.example", "https://a.example:444", "http://b.example",
      "https://a.example.evil.example", "https://evil-a.example", "null", "",
      "http://shop.example"} do
      assert.is_false(allowed(list, field), field)
    end
    assert.is_false(allowed({}, "http://shop.example"))
  end)

  it("may match a wildcard, below its domain only", function()
    local list = {"*.a.example", "https://*.b.example:8443"}
    assert.is_true(allowed(list, "https://x.a.example"))
    assert.is_true(allowed(list, "http://x.y.a.example"))
    assert.is_true(allowed(list, "https://x.b.example:8443"))
    for _, field in ipairs {"https://a.example", "https://.a.example", "https://xa.example",
      "https://x.a.example.evil.example", "https://x.b.example", "http://x.b.example:8443",
      "https://evil.example/.a.example", "https://evil.example?.a.example", "null"} do
      assert.is_false(allowed(list, field), field)
    end
  end)

  it("without a scheme in a list is http or https, and nothing else", function()
    local list = {"a.example", "b.example:8080", "*.c.example", "[::1]:81"}
    for _, field in ipairs {"http://a.example", "https://a.example", "http://a.example:80",
      "https://a.example:443", "http://b.example:8080", "https://b.example:8080",
      "http://x.c.example", "https://x.c.example", "http://[::1]:81", "https://[::1]:81"} do
      assert.is_true(allowed(list, field), field)
    end
    for _, field in ipairs {"ws://a.example", "wss://a.example", "ftp://a.example", "ftp://b.example:8080",
      "chrome-extension://a.example", "chrome-extension://x.c.example", "a.example", "*.c.example",
      "http://a.example:443", "https://a.example:80", "http://b.example", "http://x.c.example:81",
      "http://[::1]", "x.c.example"} do
      assert.is_false(allowed(list, field), field)
    end
  end)

  it("matches every way of writing an entry", function()
    for entry, field in pairs {
      ["HTTPS://A.Example"] = "https://a.example", ["https://a.example:443"] = "https://a.example",
      ["http://a.example:0080"] = "http://a.example", ["*.A.Example"] = "https://x.a.example",
      ["http://[0:0:0:0:0:0:0:1]"] = "http://[::1]", ["[::FFFF:1.2.3.4]"] = "http://[::ffff:102:304]",
      ["http://127.0.0.1:8080"] = "http://127.0.0.1:8080", ["127.1"] = "http://127.0.0.1",
      ["a.example."] = "http://a.example.", ["my_host"] = "http://my_host",
      ["xn--mnchen-3ya.example"] = "https://xn--mnchen-3ya.example",
    } do
      assert.is_true(allowed({entry}, field), entry)
    end
  end)

  it("with another scheme is compared as it is", function()
    local list = {"chrome-extension://abcdef", "App://LocalHost", "file://"}
    for _, field in ipairs {"chrome-extension://abcdef", "app://localhost", "file://"} do
      assert.is_true(allowed(list, field), field)
    end
    for _, field in ipairs {"chrome-extension://abcdeg", "chrome-extension://", "file:///etc", "app://"} do
      assert.is_false(allowed(list, field), field)
    end
  end)

  it("that can never match raises, with the reason", function()
    local SLASH = "an origin has no path, and no slash at its end"
    local STAR = "'*' stands for what is before a domain, as in *.example.org, and nothing else"
    local PORT = "a port from 1 to 65535 expected"
    local SIX = "no host (an IPv6 address is written as in http://[::1]:8080)"
    for entry, why in pairs {
      ["https://a.example/"] = SLASH, ["https://a.example/x"] = SLASH, ["a.example/"] = SLASH,
      ["https://a.example:80/"] = SLASH, ["https://a.example?x"] = SLASH,
      ["https://a.example#x"] = SLASH, ["https://u@a.example"] = SLASH, ["file:///"] = SLASH,
      ["chrome-extension://abc/"] = SLASH,
      ["*"] = 'not in a list: origins = "*" allows all',
      ["*:8080"] = STAR, ["https://*"] = STAR, ["https://a.*.example"] = STAR, ["a*.example"] = STAR,
      ["*a.example"] = STAR, ["*.*.example"] = STAR, ["https://a.example:*"] = STAR,
      ["*.a.example:*"] = STAR, ["chrome-extension://*"] = STAR, ["a.*"] = STAR,
      ["*://a.example"] = STAR,
      ["https://a.example:0"] = PORT, ["https://a.example:65536"] = PORT, ["a.example:"] = PORT,
      ["a.example:http"] = PORT, ["https://a.example:80:80"] = SIX,
      ["fe80::1"] = SIX,
      [""] = "no host", ["https://"] = "no host", [":80"] = "no host", ["*."] = "no host",
      ["https://a..example"] = "no host", [".a.example"] = "no host", ["*..example"] = "no host",
      ["::1"] = SIX, ["https://[::1"] = SIX, ["https://[gg::1]"] = SIX,
      ["https://[fe80::1%lo]"] = SIX, ["https://1.2.3.400"] = "no host", ["300.1.1.1.1"] = "no host",
      ["https://a.1"] = "no host", ["a,b"] = "no host",
      ["*.127.0.0.1"] = "an address has nothing before it", ["*.[::1]"] = "an address has nothing before it",
      ["https://m\xc3\xbcnchen.example"] = "browsers send a host in ASCII, as xn--...",
      ["wss://a.example"] = "a page's origin begins with http:// or https://",
      ["ws://a.example:8080"] = "a page's origin begins with http:// or https://",
      [" https://a.example"] = "an origin has no blanks", ["https://a.example "] = "an origin has no blanks",
      ["a.example, b.example"] = "an origin has no blanks", ["a\n"] = "an origin has no blanks",
      ["app://a b"] = "an origin has no blanks",
    } do
      local ok, err = pcall(origin.compile, "listen", {"https://fine.example", entry})
      assert.is_false(ok, entry)
      assert.equal(("listen: option 'origins': '%s': %s"):format(entry, why), (err:gsub("^.-:%d+: ", "")))
    end
  end)

  it("null matches only if it is listed", function()
    assert.is_true(allowed({"null"}, "null"))
    assert.is_false(allowed({"*.example"}, "null"))
  end)
end)
