-- Who may connect from a browser (RFC 6455 section 10.2).

local origin = require "websock.origin"

local function allowed(origins, field, host)
  return origin.allowed(origins, field, host or "shop.example")
end

describe("origin", function()
  it("passes who sends none: no browser", function()
    assert.is_true(allowed("same", nil))
    assert.is_true(allowed({}, nil))
  end)

  it("passes anything where '*' says so", function()
    assert.is_true(allowed("*", "https://evil.example"))
    assert.is_true(allowed("*", "null"))
  end)

  it("is the same when scheme's port and host match Host", function()
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

  it("null only when it is listed", function()
    assert.is_true(allowed({"null"}, "null"))
    assert.is_false(allowed({"*.example"}, "null"))
  end)
end)
