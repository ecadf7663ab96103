-- Which failures last, told by what they are.

local verdict = require "websock.client.verdict"

local CODES = {1002, 1003, 1007, 1010}

local function is_fatal(failure, codes) return verdict.is_fatal(failure, codes or CODES) end

describe("verdict", function()
  it("is fatal for 4xx, but for 408 and 429", function()
    for status, fatal in pairs {[400] = true, [401] = true, [403] = true, [404] = true, [426] = true,
      [499] = true, [408] = false, [429] = false, [399] = false, [302] = false, [500] = false,
      [502] = false, [503] = false, [200] = false} do
      assert.equal(fatal, is_fatal {err = "refused", response = {status = status}}, status)
    end
  end)

  it("is fatal for certificates, but for one of which the clock may be to blame", function()
    for err, fatal in pairs {
      ["tls: certificate has expired"] = true, ["tls: certificate is self-signed"] = true,
      ["tls: certificate of an unknown authority"] = true, ["tls: certificate has been revoked"] = true,
      ["tls: certificate is for another host than a"] = true, ["tls: certificate is not yet valid"] = false,
      ["tls: peer asks for a client certificate"] = true, ["tls: peer refuses our certificate"] = true,
      ["tls: peer says that our certificate has expired"] = true, ["tls: not a TLS server"] = false,
      ["tls: the connection ended in the handshake"] = false, ["timeout"] = false, ["dns: try again"] = false,
      ["connect: connection refused"] = false, ["handshake: no HTTP"] = false,
    } do
      assert.equal(fatal, is_fatal {err = err}, err)
    end
  end)

  it("is fatal for what a proxy says of us", function()
    for err, fatal in pairs {
      ["http://a:1 says: 407 No (give user)"] = true, ["http://a:1 (from ALL_PROXY) says: 403 No"] = true,
      ["http://a:1 says: 408"] = false, ["http://a:1 says: 429 Slow"] = false,
      ["http://a:1 says: 502 Bad Gateway"] = false, ["http://a:1: connect: connection refused"] = false,
      ["socks5://a:1 says: user or password refused"] = true,
      ["socks5://a:1 says: not allowed by its rules"] = true,
      ["socks5://a:1 says: host unreachable"] = false,
      ["https://a:1: tls: certificate has expired"] = true,
      ["https://a:1 (from X): tls: certificate is self-signed"] = true,
      ["https://a:1: tls: certificate is not yet valid"] = false,
      ["https://a:1: tls: not a TLS server"] = false, ["ALL_PROXY: no valid host"] = true,
    } do
      assert.equal(fatal, is_fatal {err = "proxy: " .. err}, err)
    end
  end)

  it("is fatal for what is wrong with URL or options, and not for a user's error", function()
    assert.is_true(is_fatal {err = "url: no valid host", lasts = true})
    assert.is_false(is_fatal {err = {}})
    assert.is_false(is_fatal {err = "no token"})
  end)

  it("is fatal for these close codes", function()
    for code, fatal in pairs {[1002] = true, [1003] = true, [1007] = true, [1010] = true, [1000] = false,
      [1001] = false, [1006] = false, [1011] = false, [1012] = false, [4000] = false} do
      assert.equal(fatal, is_fatal {err = "closed", ws = {close_code = code}})
    end
    assert.is_true(is_fatal({err = "closed", ws = {close_code = 4000}}, {4000}))
    assert.is_false(is_fatal({err = "closed", ws = {close_code = 1002}}, {}))
    assert.is_false(is_fatal {err = "closed", ws = {}})
  end)

  it("has a text", function()
    assert.equal("timeout", verdict.text {err = "timeout"})
    assert.equal("closed with 1002 no", verdict.text {err = "closed", ws = {close_code = 1002, close_reason = "no"}})
    assert.equal("closed with 1010", verdict.text {err = "closed", ws = {close_code = 1010, close_reason = ""}})
    assert.equal("refused: 401 No", verdict.text {err = "refused", response = "401 No"})
  end)
end)
