-- NO_PROXY.

local exempt = require "websock.proxy.exempt"

local function assert_covers(list, host, port)
  assert.is_true(exempt(list, host, port or 80), list .. " covers " .. host)
end

local function assert_spares(list, host, port)
  assert.is_false(exempt(list, host, port or 80), list .. " does not cover " .. host)
end

describe("NO_PROXY", function()
  it("covers a name and its subdomains", function()
    for _, list in ipairs {"example.org", ".example.org", "*.example.org", "EXAMPLE.org", "example.org."} do
      assert_covers(list, "example.org")
      assert_covers(list, "www.example.org")
      assert_covers(list, "A.B.Example.ORG.")
      assert_spares(list, "anexample.org")
      assert_spares(list, "example.org.net")
      assert_spares(list, "example")
    end
  end)

  it("covers an entry of several", function()
    for _, list in ipairs {"a,b,c", "a b c", " a , b,\tc ,", ",,b,,"} do assert_covers(list, "b") end
    assert_spares("a,b,c", "d")
    for _, list in ipairs {"", ",", ".", "*.", ":80", "[]"} do assert_spares(list, "d") end
  end)

  it("covers everything by *", function()
    assert_covers("*", "a")
    assert_covers("a, *", "127.0.0.1")
    assert_covers("*", "::1")
  end)

  it("covers a port only, where it names one", function()
    assert_covers("a:8080", "a", 8080)
    assert_covers("a:8080", "b.a", 8080)
    assert_spares("a:8080", "a", 80)
    assert_covers("127.0.0.1:8080", "127.0.0.1", 8080)
    assert_spares("127.0.0.1:8080", "127.0.0.1", 8081)
    assert_covers("[::1]:8080", "::1", 8080)
    assert_spares("[::1]:8080", "::1", 8081)
  end)

  it("covers addresses, however they are written", function()
    assert_covers("127.0.0.1", "127.0.0.1")
    assert_covers("::1", "0:0:0:0:0:0:0:1")
    assert_covers("[::1]", "::1")
    assert_covers("2001:DB8::1", "2001:db8:0::1")
    assert_spares("127.0.0.1", "127.0.0.2")
    assert_spares("0.0.1", "127.0.0.1")  -- no suffix of an address
    assert_spares("::1", "127.0.0.1")
  end)

  it("covers blocks of addresses", function()
    assert_covers("10.0.0.0/8", "10.255.0.1")
    assert_spares("10.0.0.0/8", "11.0.0.1")
    assert_covers("192.168.1.128/25", "192.168.1.128")
    assert_covers("192.168.1.128/25", "192.168.1.255")
    assert_spares("192.168.1.128/25", "192.168.1.127")
    assert_covers("192.0.2.7/32", "192.0.2.7")
    assert_spares("192.0.2.7/32", "192.0.2.6")
    assert_covers("0.0.0.0/0", "203.0.113.9")
    assert_spares("0.0.0.0/0", "::1")
    assert_spares("10.0.0.0/33", "10.0.0.0")
    assert_covers("fd00::/8", "fdff::1")
    assert_spares("fd00::/8", "fe00::1")
    assert_covers("2001:db8::/33", "2001:db8:7fff::")
    assert_spares("2001:db8::/33", "2001:db8:8000::")
    assert_spares("10.0.0.0/8", "name")
    assert_spares("name/8", "10.0.0.1")
  end)
end)
