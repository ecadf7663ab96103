-- Jars of cookies (RFC 6265), with a clock of our own; then their use.

local websock = require "websock"
local date = require "websock.client.date"
local descriptors = require "support.descriptors"
local ends = require "support.ends"

local NOW = 1000000000  -- Sun, 09 Sep 2001 01:46:40 GMT

describe("a jar", function()
  local real, now, jar = date.now, nil, nil

  before_each(function()
    now = NOW
    date.now = function() return now end
    jar = websock.cookies()
  end)

  after_each(function() date.now = real end)

  -- What a jar that got this line from ws://www.example.org/a/b sends to a URL.
  local function sent(line, url, options)
    local fresh = websock.cookies(options)
    fresh:set("ws://www.example.org/a/b", line)
    return fresh:get(url or "ws://www.example.org/a/b")
  end

  local function only(of)
    local found = nil
    for cookie in (of or jar):each() do
      assert.is_nil(found)
      found = cookie
    end
    return found
  end

  it("gives back what was set", function()
    assert.is_nil(jar:get "ws://a/")
    assert.is_true(jar:set("ws://a/", "b=c"))
    assert.is_true(jar:set("ws://a/", "d=e"))
    assert.same({"b=c; d=e", "c", "e"}, {jar:get "ws://a/", jar:get("ws://a/", "b"), jar:get("ws://a/", "d")})
    assert.is_nil(jar:get("ws://a/", "f"))
    assert.matches("^websock.cookies %(2%)", tostring(jar))
  end)

  describe("reads a line (5.2):", function()
    it("name and value", function()
      for line, expected in pairs {["a=b"] = "a=b", [" a = b ; Path=/"] = "a=b", ["a=b=c"] = "a=b=c", ["a="] = "a=",
        ['a="b c"'] = 'a="b c"', ["\ta=b\t"] = "a=b", ["a b=c"] = "a b=c", ["A=\xC3\xA4"] = "A=\xC3\xA4"} do
        assert.equal(expected, sent(line), line)
      end
    end)

    it("which must be there", function()
      for _, line in ipairs {"", "a", ";", "=b", " =b", "; a=b", "a; b=c"} do
        assert.same({nil, "cookie: name=value expected"}, {jar:set("ws://a", line)})
      end
      for _, byte in ipairs {"\0", "\r", "\n", "\1", "\31", "\127"} do
        assert.same({nil, "cookie: control characters are not allowed"}, {jar:set("ws://a", "a=b" .. byte)})
      end
      assert.is_nil(only())
    end)

    it("attributes in any case, of which the last counts and unknown ones do not", function()
      jar:set("wss://a/x/y", "b=c; SECURE; httponly ;pAtH=/q; Path=/x; SameSite=Lax; ;=; max-age = 5; Expires")
      assert.same({name = "b", value = "c", domain = "a", host_only = true, path = "/x", secure = true,
        http_only = true, expires = NOW + 5}, only())
    end)

    it("attack 12: of many blanks or semicolons in linear time #slow", function()
      local function seconds(line)
        local begun = os.clock()
        for _ = 1, 5 do sent(line) end
        return os.clock() - begun
      end
      for _, piece in ipairs {" ", ";", "=", "\t", " ;", "; Expires=1 ", ",1"} do
        local n = 1 << 13
        local few = seconds("a=b; c=d" .. piece:rep(n // #piece) .. "e")
        local many = seconds("a=b; c=d" .. piece:rep(8 * n // #piece) .. "e")
        assert.is_true(many < 30 * few + 0.5, piece)  -- 64 times, if it were quadratic
      end
    end)

    it("no more than 4,096 bytes of name and value", function()
      assert.is_true(jar:set("ws://a", "a=" .. ("b"):rep(4095) .. "; Path=/"))
      assert.same({nil, "cookie: name and value have more than 4096 bytes"},
        {jar:set("ws://a", "a=" .. ("b"):rep(4096))})
    end)
  end)

  describe("keeps a cookie", function()
    it("until Expires, a date of 5.1.1", function()
      for text, seconds in pairs {["Sun, 09 Sep 2001 01:47:00 GMT"] = 20, ["Sunday, 09-Sep-01 01:47:00 GMT"] = 20,
        ["09 Sep 2001 01:46:41"] = 1} do
        now = NOW
        jar:set("ws://a", "b=c; Expires=" .. text)
        assert.equal(NOW + seconds, only().expires)
        now = NOW + seconds - 1
        assert.equal("b=c", jar:get "ws://a")
        now = NOW + seconds
        assert.is_nil(jar:get "ws://a")
        assert.is_nil(only())
      end
    end)

    it("for Max-Age seconds, whatever Expires says", function()
      for _, line in ipairs {"b=c; Max-Age=10; Expires=Sun, 09 Sep 2031 01:47:00 GMT",
        "b=c; Expires=Sun, 09 Sep 1991 01:47:00 GMT; Max-Age=10"} do
        jar:set("ws://a", line)
        assert.equal(NOW + 10, only().expires)
      end
      jar:set("ws://a", "b=c; Max-Age=" .. ("9"):rep(400))
      assert.equal(math.huge, only().expires)
    end)

    it("without an end if it has none, or none that can be read", function()
      for _, line in ipairs {"b=c", "b=c; Expires=soon", "b=c; Max-Age=", "b=c; Max-Age=1.5", "b=c; Max-Age=+5",
        "b=c; Max-Age=x"} do
        jar:set("ws://a", line)
        assert.is_nil(only().expires)
      end
    end)

    it("in place of the same one, at its place in the order; or drops that", function()
      jar:set("ws://a", "b=1")
      jar:set("ws://a", "c=2")
      jar:set("ws://a", "b=3")
      jar:set("ws://a/", "b=4; Path=/x")
      assert.equal("b=4; b=3; c=2", jar:get "ws://a/x")
      jar:set("ws://a", "b=; Max-Age=0")
      jar:set("ws://a", "c=; Expires=Thu, 01 Jan 1970 00:00:00 GMT")
      assert.equal("b=4", jar:get "ws://a/x")
      jar:set("ws://a", "b=; Path=/x; Max-Age=-1")
      assert.is_nil(only())
    end)
  end)

  describe("gives a cookie", function()
    it("to the host that has set it only", function()
      for _, line in ipairs {"b=c", "b=c; Domain=", "b=c; Domain=example.org", "b=c; Domain=.example.org",
        "b=c; Domain=WWW.example.org"} do
        assert.equal("b=c", sent(line), line)
        assert.equal("b=c", sent(line, "ws://WWW.Example.Org:81/a/"))
        for _, host in ipairs {"example.org", "x.www.example.org", "xwww.example.org", "org"} do
          assert.is_nil(sent(line, "ws://" .. host .. "/a/"), host)
        end
      end
    end)

    it("to the hosts of a domain that the jar names", function()
      for _, domain in ipairs {"example.org", ".Example.ORG"} do
        local options = {domains = {domain}}
        for _, host in ipairs {"www.example.org", "example.org", "a.b.example.org"} do
          assert.equal("b=c", sent("b=c; Domain=example.org", "ws://" .. host .. "/a/", options))
        end
        for _, host in ipairs {"badexample.org", "example.org.evil", "org"} do
          assert.is_nil(sent("b=c; Domain=example.org", "ws://" .. host .. "/a/", options))
        end
        assert.is_nil(sent("b=c", "ws://example.org/a/", options))
        assert.is_nil(sent("b=c; Domain=www.example.org", "ws://x.www.example.org/a/", options))
      end
    end)

    it("not for a domain of others, nor part of an address", function()
      for _, domain in ipairs {"other.org", "x.www.example.org", "ww.example.org", "ample.org"} do
        local mine = websock.cookies {domains = {domain}}
        assert.same({nil, "cookie: the host is not in that domain"},
          {mine:set("ws://www.example.org", "b=c; Domain=" .. domain)})
      end
      assert.is_nil(jar:set("ws://127.0.0.1", "b=c; Domain=0.0.1"))
      assert.is_nil(jar:set("ws://[::1]", "b=c; Domain=1"))
      assert.is_true(jar:set("ws://127.0.0.1", "b=c; Domain=127.0.0.1"))
      assert.equal("b=c", jar:get "ws://127.0.0.1")
    end)

    it("to paths below its own (5.1.4)", function()
      for line, paths in pairs {
        ["b=c"] = {["/a/b"] = true, ["/a/"] = true, ["/a"] = true, ["/a/x/y?z"] = true, ["/ab"] = false, ["/"] = false},
        ["b=c; Path=/a/b/"] = {["/a/b/"] = true, ["/a/b/c"] = true, ["/a/b"] = false, ["/a/bc"] = false},
        ["b=c; Path=/"] = {["/"] = true, ["/x"] = true, ["?/a"] = true},
        ["b=c; Path=a"] = {["/a/b"] = true, ["/"] = false},
        ["b=c; Path="] = {["/a/b"] = true, ["/"] = false},
      } do
        for path, is_sent in pairs(paths) do
          assert.equal(is_sent and "b=c" or nil, sent(line, "ws://www.example.org" .. path), line .. " " .. path)
        end
      end
      jar:set("ws://a", "b=1")
      jar:set("ws://a/x", "c=2")
      jar:set("ws://a/x?y/z", "d=3")
      assert.equal("b=1; c=2; d=3", jar:get "ws://a/other")
    end)

    it("that is secure to wss only", function()
      assert.is_nil(sent "b=c; Secure")
      assert.equal("b=c", sent("b=c; Secure", "wss://www.example.org/a/"))
      assert.equal("b=c", sent("b=c", "wss://www.example.org/a/"))
    end)

    it("with longer paths first, then in the order of creation (5.4)", function()
      for _, line in ipairs {"a=1; Path=/", "b=2; Path=/x/y", "c=3; Path=/x", "d=4; Path=/x/y", "e=5; Path=/"} do
        jar:set("ws://a", line)
      end
      assert.equal("b=2; d=4; c=3; a=1; e=5", jar:get "ws://a/x/y/z")
    end)
  end)

  it("holds 50 cookies of a host, and drops the one used longest ago", function()
    for i = 1, 50 do jar:set("ws://a", ("n%d=%d; Path=/%d"):format(i, i, i)) end
    jar:get "ws://a/1"
    jar:set("ws://a", "more=x")
    assert.equal("n1=1; more=x", jar:get "ws://a/1")
    assert.equal("more=x", jar:get "ws://a/2")
    assert.equal("n3=3; more=x", jar:get "ws://a/3")
  end)

  it("holds 3,000 cookies #slow", function()
    for i = 1, 60 do
      for j = 1, 50 do jar:set("ws://h" .. i, "n" .. j .. "=1") end
    end
    jar:set("ws://other", "a=b")
    local n = 0
    for _ in jar:each() do n = n + 1 end
    assert.equal(3000, n)
    assert.equal("a=b", jar:get "ws://other")
    assert.is_nil(jar:get("ws://h1", "n1"))
    assert.equal("1", jar:get("ws://h1", "n2"))
  end)

  it("may change while it is iterated over", function()
    for i = 1, 4 do jar:set("ws://a", "n" .. i .. "=1") end
    local names = {}
    for cookie in jar:each() do
      names[#names + 1] = cookie.name
      jar:set("ws://a", cookie.name .. "=; Max-Age=0")
    end
    assert.same({"n1", "n2", "n3", "n4"}, names)
    assert.is_nil(only())
  end)

  it("gives copies", function()
    jar:set("ws://a", "b=c")
    only().value = "changed"
    assert.equal("b=c", jar:get "ws://a")
  end)

  it("refuses URLs that are none, and raises about mistakes", function()
    assert.same({nil, "url: ws:// or wss:// expected"}, {jar:set("a", "b=c")})
    assert.same({nil, "url: ws:// or wss:// expected"}, {jar:get "a"})
    assert.error_matches(function() jar:set("ws://a", 5) end, "set: cookie: string expected, got number")
    assert.error_matches(function() jar:get(5) end, "get: url: string expected, got number")
    assert.error_matches(function() websock.cookies {domain = "a"} end, "cookies: unknown option 'domain' .*domains")
    assert.error_matches(function() websock.cookies {domains = {"1.2.3.4"}} end,
      "option 'domains': a list of domain names")
  end)
end)

describe("the option `cookies`", function()
  descriptors.watch(before_each, after_each, ends.finish)

  -- A server that answers the n-th request with answers[n]: {status, Set-Cookie}. Returns
  -- the URL, and the Cookie fields of the requests.
  local function serve(answers)
    local seen, n = {}, 0
    local server = ends.listen {port = 0, handler = function() end, authorize = function(request)
      n = n + 1
      seen[n] = request.headers.cookie or ""
      local answer = answers[n]
      if answer[1] == 101 then return true end
      return false, answer[1], {["Set-Cookie"] = answer[2], Location = answer[3]}
    end, headers = function() return {["Set-Cookie"] = answers[n][2]} end}
    return "ws://localhost:" .. ends.port(server), seen
  end

  it("keeps those of every answer for the next requests", function()
    local url, seen = serve {{101, {"a=1", "b=2; Path=/x"}}, {403, "c=3"}, {302, "d=4", "/y"}, {101, "a=5"}, {101}}
    local jar = websock.cookies()
    jar:set(url, "mine=0")
    local options = {cookies = jar, redirects = 1}
    for _ = 1, 4 do
      local ws = websock.connect(url .. "/x", options)
      if ws then ws:close() end
    end
    assert.same({"mine=0", "b=2; mine=0; a=1", "b=2; mine=0; a=1; c=3", "mine=0; a=1; c=3; d=4",
      "b=2; mine=0; a=5; c=3; d=4"}, seen)
  end)

  it("serves reconnect", function()
    local url, seen = serve {{503, "a=1"}, {101, "b=2"}, {101}}
    local n = 0
    for _ in websock.reconnect(url, {cookies = websock.cookies(), backoff = {max = 0.001}}) do
      n = n + 1
      if n == 2 then break end
    end
    assert.same({"", "a=1", "a=1; b=2"}, seen)
  end)

  it("gives way to a Cookie in `headers`", function()
    local url, seen = serve {{403}, {403}}
    local jar = websock.cookies()
    jar:set(url, "a=b")
    websock.connect(url, {cookies = jar, headers = {cookie = "c=d"}})
    websock.connect(url, {cookies = jar, headers = {Cookie = false}})
    assert.same({"c=d", ""}, seen)
  end)

  it("keeps nothing that a request could not carry", function()
    local url, seen = serve {{403, {"a=\xff\xe4", "b=c\td"}}, {403}}
    local jar = websock.cookies()
    for _ = 1, 2 do assert.equal("refused", select(2, websock.connect(url, {cookies = jar}))) end
    assert.equal("a=\xff\xe4; b=c\td", seen[2])
  end)

  it("raises for anything but a jar", function()
    assert.error_matches(function() websock.connect("ws://a", {cookies = {}}) end,
      "option 'cookies': what websock.cookies%(%) has made expected")
  end)
end)
