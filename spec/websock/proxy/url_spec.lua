-- URLs of proxies.

local url = require "websock.proxy.url"

local function parsed(text, scheme) return assert(url.parse(text, scheme)) end

local function wrong(text)
  local proxy, err = url.parse(text)
  assert.is_nil(proxy)
  return err
end

describe("the URL of a proxy", function()
  it("has scheme, host and port", function()
    local proxy = parsed "http://proxy.example:3128"
    assert.same({scheme = "http", host = "proxy.example", port = 3128,
      text = "http://proxy.example:3128"}, proxy)
  end)

  it("may end with a slash, and has its scheme in any case", function()
    assert.equal("socks5h://proxy.example:1", parsed("SOCKS5H://proxy.example:1/").text)
  end)

  it("has the port of its scheme otherwise", function()
    for scheme, port in pairs {http = 80, https = 443, socks4a = 1080, socks5 = 1080,
      socks5h = 1080} do
      assert.equal(port, parsed(scheme .. "://a").port)
    end
  end)

  it("may have an address of IPv6", function()
    local proxy = parsed "http://[::1]:3128"
    assert.same({"::1", "http://[::1]:3128"}, {proxy.host, proxy.text})
  end)

  it("has user and password, which its text leaves out", function()
    local proxy = parsed "http://ada:open%20se%2Fsame@proxy.example:3128"
    assert.same({"ada", "open se/same", "http://proxy.example:3128"},
      {proxy.user, proxy.password, proxy.text})
    assert.is_nil(parsed("http://@proxy.example").user)
    assert.is_nil(parsed("http://:@proxy.example").user)
  end)

  it("may lack the scheme, where one is given", function()
    assert.equal("http://proxy.example:3128", parsed("proxy.example:3128", "http").text)
    assert.equal("http://proxy.example:3128", parsed("ada:x@proxy.example:3128", "http").text)
  end)

  it("is refused with what is wrong", function()
    local expected = "a URL of http, https, socks4a, socks5 or socks5h expected"
    for _, text in ipairs {"", "proxy.example:3128", "ftp://a:1", "socks4://a", "://a"} do
      assert.equal(expected, wrong(text))
    end
    assert.equal("no valid host", wrong "http://:3128")
    assert.equal("no valid host", wrong "http://")
    assert.equal("no valid host", wrong "http://a\r\nb")
    assert.equal("no valid port", wrong "http://a:0")
    assert.equal("no valid port", wrong "http://a:65536")
    assert.matches("only host and port", wrong "http://a/path")
    assert.matches("only host and port", wrong "http://a?b")
  end)

  it("is refused without repeating the password", function()
    for _, text in ipairs {"http://ada:sesame", "nonsense://ada:sesame@a", "http://ada:ses/ame@a",
      "http://a:sesame:b@:1", "socks4a://ada:sesame@a", "http://ada:sesame%0d@a"} do
      assert.not_matches("ses", wrong(text))
    end
  end)

  it("has a user and password that its protocol can carry", function()
    assert.equal("a user with ':'", wrong "http://a%3Ab:c@d")
    assert.equal("control characters in user or password", wrong "https://a:c%0A@d")
    assert.equal("a password without a user", wrong "socks5://:c@d")
    local long = ("x"):rep(255)
    assert.equal(long, parsed("socks5://" .. long .. ":" .. long .. "@d").user)
    assert.matches("255 bytes", wrong("socks5://" .. long .. "x:c@d"))
    assert.matches("255 bytes", wrong("socks5h://a:" .. long .. "x@d"))
    assert.matches("socks4a has no place", wrong "socks4a://a:b@d")
    assert.equal("a user with a zero byte", wrong "socks4a://a%00@d")
    assert.equal("a", parsed("socks4a://a@d").user)
  end)

  it("stands in errors with its variable", function()
    local proxy = parsed "http://ada:sesame@a:1"
    assert.equal("proxy: http://a:1: dns: x", url.failure(proxy, "dns: x"))
    assert.equal("proxy: http://a:1 says: x", url.failure(proxy, "says: x"))
    proxy.from = "all_proxy"
    assert.equal("proxy: http://a:1 (from all_proxy): x", url.failure(proxy, "x"))
    assert.equal("timeout", url.failure(proxy, "timeout"))
  end)
end)
