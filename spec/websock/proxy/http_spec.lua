-- Proxies of HTTP, without a socket.

local answers = require "support.answers"
local tunnel = require "websock.proxy.tunnel"
local url = require "websock.proxy.url"
local version = require "websock.base.version"

local plain = assert(url.parse "http://proxy.example:3128")
local with_user = assert(url.parse "http://Aladdin:open%20sesame@proxy.example:3128")

local OK = "HTTP/1.1 200 Connection established\r\nVia: x\r\nContent-Length: 3\r\n\r\n"

-- What comes of an answer, in each way to cut it. Bytes behind it may still be in the
-- source.
local function outcome(answer, proxy)
  local results
  answers.each(answer, function(source)
    local received, err = tunnel(source, proxy or plain, "a.example", 443)
    if received then received = received .. table.concat(source.pieces) end
    results = results or {received, err}
    assert.same(results, {received, err})
  end)
  return results[1], results[2]
end

local function sent(proxy, host, port)
  local source = answers.source {OK}
  assert(tunnel(source, proxy, host, port))
  return source.sent
end

describe("a proxy of HTTP", function()
  it("is asked by CONNECT", function()
    assert.equal("CONNECT a.example:80 HTTP/1.1\r\nHost: a.example:80\r\nUser-Agent: websock/"
      .. version .. "\r\n\r\n", sent(plain, "a.example", 80))
    assert.matches("^CONNECT %[::1%]:443 HTTP/1.1\r\nHost: %[::1%]:443\r\n",
      sent(plain, "::1", 443))
  end)

  it("is told no zone of an address", function()
    assert.matches("^CONNECT %[fe80::1%]:443 HTTP", sent(plain, "fe80::1%eth0", 443))
  end)

  it("gets user and password", function()  -- the example of RFC 7617 section 2
    assert.matches("\r\nProxy%-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n$",
      sent(with_user, "a.example", 443))
  end)

  it("accepts, and what follows is kept", function()
    assert.equal("", outcome(OK))
    assert.equal("behind\r\n\r\n", outcome(OK .. "behind\r\n\r\n"))
    assert.equal("x", outcome "HTTP/1.0 200\n\nx")
    assert.equal("", outcome "HTTP/1.1 204 Fine\r\n\r\n")
    assert.equal("x", outcome("HTTP/1.1 103 Wait\r\nA: b\r\n\r\n" .. OK .. "x"))
  end)

  it("refuses with status and reason", function()
    local function said(answer, proxy) return select(2, outcome(answer, proxy)) end
    local place = "proxy: http://proxy.example:3128 says: "
    assert.equal(place .. "503 Service Unavailable",
      said "HTTP/1.1 503 Service Unavailable\r\nA: b\r\n\r\n<html>")
    assert.equal(place .. "502", said "HTTP/1.1 502\r\n\r\n")
    assert.equal(place .. "301 Moved", said "HTTP/1.1 301 Moved\r\nLocation: http://b\r\n\r\n")
    assert.equal(place .. "403 ^[[2JGo away", said "HTTP/1.1 403 \27[2JGo away\r\n\r\n")
    assert.equal(place .. "500 " .. ("x"):rep(200),
      said("HTTP/1.1 500 " .. ("x"):rep(300) .. "\r\n\r\n"))
    assert.equal(place .. "407 No (give user and password in the proxy's URL)",
      said "HTTP/1.1 407 No\r\n\r\n")
    assert.equal(place .. "407 No (it does not take this user and password)",
      said("HTTP/1.1 407 No\r\n\r\n", with_user))
    assert.equal(place .. "401 No (it does not take this user and password)",
      said("HTTP/1.1 401 No\r\n\r\n", with_user))
  end)

  it("sends no HTTP", function()
    for _, garbage in ipairs {"\r\n", "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/2 200 OK\r\n",
      "HTTP/1.1 20 OK\r\n", "HTTP/1.1 2000 OK\r\n", "\5\0\n", "http/1.1 200 OK\r\n"} do
      assert.same({nil, "proxy: http://proxy.example:3128: its answer is no HTTP"},
        {outcome(garbage)})
    end
  end)

  it("ends in the middle of its answer", function()
    answers.each_beginning(OK, function(source)
      assert.same({nil, "proxy: http://proxy.example:3128: the connection ended before its answer"},
        {tunnel(source, plain, "a.example", 443)})
    end)
  end)

  it("is given up at the deadline, and after a reset", function()
    assert.same({nil, "timeout"}, {tunnel(answers.source({"HTTP/1.1 2"}, "timeout"), plain, "a", 1)})
    assert.same({nil, "proxy: http://proxy.example:3128: connection reset"},
      {tunnel(answers.source({}, "reset"), plain, "a", 1)})
  end)

  it("answers with a head of 16 KiB at most", function()
    local function head(size)
      local empty = "HTTP/1.1 200 OK\r\nX: \r\n\r\n"
      return "HTTP/1.1 200 OK\r\nX: " .. ("x"):rep(size - #empty) .. "\r\n\r\n"
    end
    for more = -1, 1 do
      local answer = head(16384 + more)
      local received, err = tunnel(answers.source {answer}, plain, "a", 1)
      assert.same(more > 0
        and {nil, "proxy: http://proxy.example:3128: its answer's head is over 16 KiB"} or {"", nil},
        {received, err})
    end
    local endless = ("HTTP/1.1 100 Continue\r\n\r\n"):rep(1000)
    assert.matches("over 16 KiB", select(2, tunnel(answers.source {endless}, plain, "a", 1)))
  end)
end)
