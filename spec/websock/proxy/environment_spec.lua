-- The proxy that the environment names.

local environment = require "websock.proxy.environment"

local function find(variables, scheme, host, port)
  local get = environment.get
  finally(function() environment.get = get end)
  environment.get = function(name) return variables[name] end
  local proxy, err = environment.find {scheme = scheme or "ws", host = host or "a", port = port or 80}
  environment.get = get
  return proxy and proxy.text .. " " .. proxy.from, err
end

describe("the environment", function()
  it("names none", function()
    assert.is_nil(find {})
    assert.is_nil(find {http_proxy = "", ALL_PROXY = ""})
    assert.is_nil(find({https_proxy = "http://p:1"}, "ws"))
    assert.is_nil(find({http_proxy = "http://p:1"}, "wss"))
  end)

  it("names one for each scheme, or one for all", function()
    assert.equal("http://p:1 HTTP_PROXY", find({HTTP_PROXY = "http://p:1"}, "ws"))
    assert.equal("http://p:1 HTTPS_PROXY", find({HTTPS_PROXY = "http://p:1"}, "wss"))
    for _, scheme in ipairs {"ws", "wss"} do
      assert.equal("socks5h://p:1 ALL_PROXY", find({ALL_PROXY = "socks5h://p:1"}, scheme))
      assert.equal("http://p:1 all_proxy", find({all_proxy = "http://p:1"}, scheme))
    end
  end)

  it("counts in lower case first, and the scheme's before that for all", function()
    assert.equal("http://p:1 https_proxy", find({https_proxy = "http://p:1",
      HTTPS_PROXY = "http://p:2", all_proxy = "http://p:3"}, "wss"))
    assert.equal("http://p:2 HTTPS_PROXY", find({https_proxy = "", HTTPS_PROXY = "http://p:2",
      all_proxy = "http://p:3"}, "wss"))
    assert.equal("http://p:3 all_proxy", find({all_proxy = "http://p:3", ALL_PROXY = "http://p:4"}))
  end)

  it("is not asked for HTTP_PROXY in a CGI program", function()
    local variables = {HTTP_PROXY = "http://evil:1", REQUEST_METHOD = "GET"}
    assert.is_nil(find(variables))
    variables.ALL_PROXY = "http://p:1"
    assert.equal("http://p:1 ALL_PROXY", find(variables))
    variables.http_proxy = "http://p:2"
    assert.equal("http://p:2 http_proxy", find(variables))
  end)

  it("names hosts without a proxy", function()
    local variables = {all_proxy = "http://p:1", NO_PROXY = "example.org:80"}
    assert.is_nil(find(variables, "ws", "www.example.org"))
    assert.equal("http://p:1 all_proxy", find(variables, "wss", "www.example.org", 443))
    variables.no_proxy = "other.example"
    assert.equal("http://p:1 all_proxy", find(variables, "ws", "www.example.org"))
    assert.is_nil(find(variables, "ws", "other.example"))
  end)

  it("may name one without a scheme", function()
    assert.equal("http://p:3128 http_proxy", find {http_proxy = "p:3128"})
  end)

  it("may be wrong, and the error names the variable, not the password", function()
    local proxy, err = find {ALL_PROXY = "socks://ada:sesame@p:1"}
    assert.is_nil(proxy)
    assert.equal("proxy: ALL_PROXY: a URL of http, https, socks4a, socks5 or socks5h expected", err)
  end)
end)
