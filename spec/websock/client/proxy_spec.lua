-- The option `proxy`: real proxies, and some that do what they should not.

local websock = require "websock"
local certificates = require "support.certificates"
local descriptors = require "support.descriptors"
local ends = require "support.ends"
local environment = require "websock.proxy.environment"
local proxies = require "support.proxies"
local wss = require "support.wss"

local PATIENCE = 240
local trusted = {ca_file = certificates.ca.cert}

-- Each starts a proxy and returns its URL; `options` are more ones of connect.
local KINDS = {
  {name = "http", url = function() return "http://127.0.0.1:" .. proxies.http() end},
  {name = "http, with a password", url = function()
    return "http://ada:%73esame@127.0.0.1:" .. proxies.http "ada sesame"
  end},
  {name = "https", options = {proxy_tls = trusted}, url = function()
    return "https://localhost:" .. proxies.https()
  end},
  {name = "https, with a password", options = {proxy_tls = trusted}, url = function()
    return "https://ada:sesame@127.0.0.1:" .. proxies.https "ada sesame"
  end},
  {name = "socks5", url = function() return "socks5://127.0.0.1:" .. proxies.socks5() end},
  {name = "socks5h", url = function() return "socks5h://127.0.0.1:" .. proxies.socks5() end},
  {name = "socks5h, with a password", url = function()
    return "socks5h://ada:sesame@localhost:" .. proxies.socks5("ada", "sesame")
  end},
  {name = "socks4a", url = function() return "socks4a://ada@127.0.0.1:" .. proxies.socks4a() end},
}

-- Connects through a proxy to an echo server.
local function connect(scheme, proxy, options)
  local all = {proxy = proxy, timeout = PATIENCE, max_message = 16 << 20,
    tls = scheme == "wss" and wss.trusting() or nil}
  for name, value in pairs(options or {}) do all[name] = value end
  local server = wss.serve {tls = scheme == "wss" and certificates.of "server",
    max_message = 16 << 20}
  return websock.connect(("%s://localhost:%d/"):format(scheme, ends.port(server)), all)
end

-- The same; ends with the test.
local function connected(...)
  local ws, err = connect(...)
  assert.is_nil(err)
  ends.at_end(function() ws:abort() end)
  return ws
end

-- A proxy for one connection, which f(peer) handles: its place.
local function fake(f)
  return (ends.serve(f):gsub("^ws://", ""))
end

-- What comes of connecting by way of a proxy that f handles.
local function outcome(scheme, f, options)
  local place = fake(f)
  local all = {proxy = scheme .. "://" .. place, timeout = PATIENCE}
  for name, value in pairs(options or {}) do all[name] = value end
  local ws, err, response = websock.connect("ws://shop.example/", all)
  assert.is_nil(ws)
  return err:gsub(place, "PLACE", 1), response
end

local function set_environment(variables)
  local get = environment.get
  environment.get = function(name) return variables[name] end
  ends.at_end(function() environment.get = get end)
end

describe("connect through a proxy:", function()
  descriptors.watch(before_each, after_each, ends.finish)

  for _, kind in ipairs(KINDS) do
    for _, scheme in ipairs {"ws", "wss"} do
      it(kind.name .. ", " .. scheme, function()
        local url = kind.url()
        local ws = connected(scheme, url, kind.options)
        assert.equal(url:match ":(%d+)$", tostring(select(2, ws:getpeername())))
        wss.assert_echo(ws, "hello")
        wss.assert_echo(ws, wss.bytes(3 << 20), "binary")
        assert.is_true(ws:close())
      end)
    end
  end

  it("many at once, one proxy in TLS", function()
    local url = "https://localhost:" .. proxies.https()
    local server = wss.serve {max_message = 16 << 20}
    local done = 0
    for i = 1, 8 do
      websock.spawn(function()
        local ws <close> = assert(websock.connect(wss.url(server), {proxy = url,
          proxy_tls = trusted, tls = wss.trusting(), timeout = PATIENCE, max_message = 16 << 20}))
        wss.assert_echo(ws, wss.bytes(200000 + i), "binary")
        done = done + 1
      end)
    end
    ends.turn_until(function() return done == 8 end)
  end)

  describe("names", function()
    -- The host that a SOCKS proxy is asked for.
    local function asked(scheme)
      local asked_for
      outcome(scheme, function(peer)
        peer:receive(3)
        peer:send "\5\0"
        local kind = peer:receive(4):byte(4)
        asked_for = kind == 3 and peer:receive(peer:receive(1):byte()) or kind
      end, {family = "inet"})
      return asked_for
    end

    it("are looked up by the proxy", function()
      assert.equal("shop.example", asked "socks5h")
      local port, request = proxies.socks4a()
      connected("ws", "socks4a://ada@127.0.0.1:" .. port)
      assert.same({user = "ada", host = "localhost"}, request)
    end)

    it("are looked up here for socks5", function()
      local _, err = websock.connect("ws://does-not-exist.invalid/",
        {proxy = "socks5://127.0.0.1:1", timeout = PATIENCE})
      assert.matches("^dns: ", err)
    end)

    it("of the proxy have errors of their own", function()
      local _, err = websock.connect("ws://a/", {proxy = "http://does-not-exist.invalid:3128",
        timeout = PATIENCE})
      assert.matches("^proxy: http://does%-not%-exist.invalid:3128: dns: ", err)
    end)
  end)

  describe("it refuses:", function()
    local function fails(...)
      local ws, err = connect(...)
      assert.is_nil(ws)
      return (err:gsub(":%d+", ":PORT", 1))
    end

    it("nobody listens", function()
      assert.equal("proxy: http://127.0.0.1:PORT: connect: connection refused",
        fails("ws", "http://127.0.0.1:1"))
    end)

    it("no password, or a wrong one", function()
      local http = proxies.http "ada sesame"
      assert.matches("^proxy: http://127.0.0.1:PORT says: 407 .*%(give user and password",
        fails("ws", "http://127.0.0.1:" .. http))
      assert.matches("^proxy: http://127.0.0.1:PORT says: 40[17] .*%(it does not take this user",
        fails("wss", "http://ada:wrong@127.0.0.1:" .. http))
      local socks = proxies.socks5("ada", "sesame")
      assert.equal("proxy: socks5h://127.0.0.1:PORT says: no connection without authentication"
        .. " (give user and password in its URL)", fails("ws", "socks5h://127.0.0.1:" .. socks))
      assert.equal("proxy: socks5h://127.0.0.1:PORT says: user or password refused",
        fails("wss", "socks5h://ada:wrong@127.0.0.1:" .. socks))
    end)

    it("it cannot reach the server", function()
      local function says(proxy)
        local ws, err = websock.connect("ws://127.0.0.1:1/", {proxy = proxy, timeout = PATIENCE})
        assert.is_nil(ws)
        return err
      end
      assert.matches("says: 5%d%d ", says("http://127.0.0.1:" .. proxies.http()))
      assert.matches("says: connection refused$", says("socks5h://127.0.0.1:" .. proxies.socks5()))
      assert.matches("says: connection refused$", says("socks5://127.0.0.1:" .. proxies.socks5()))
    end)

    it("its certificate is not the right one", function()
      local port = proxies.https(nil, "wrong_name")
      local url = "https://localhost:" .. port
      assert.equal("proxy: https://localhost:PORT: tls: certificate is for another host than localhost",
        fails("ws", url, {proxy_tls = trusted}))
      assert.matches("^proxy: https://localhost:PORT: tls: certificate ", fails("ws", url))
      connected("ws", url, {proxy_tls = {verify = false}})
    end)

    it("it has no TLS", function()
      assert.matches("^proxy: https://127.0.0.1:PORT: tls: ",
        fails("ws", "https://127.0.0.1:" .. fake(function(peer)
          peer:send "HTTP/1.1 400 Bad Request\r\n\r\n"
          peer:receive(1)
        end):match "%d+$"))
    end)

    it("the server's own certificate", function()
      local err = fails("wss", "https://localhost:" .. proxies.https(),
        {proxy_tls = trusted, tls = {}})
      assert.matches("^tls: certificate ", err)
    end)
  end)

  describe("its answer", function()
    it("may be followed by the server's at once", function()
      local err, response = outcome("http", function(peer)
        peer:head()
        peer:send "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno"
        peer:receive(9999)
      end)
      assert.same({"refused", 403, "no"}, {err, response.status, response.body})
    end)

    it("may come byte by byte", function()
      local err, response = outcome("socks5h", function(peer)
        local answer = "\5\0\5\0\0\1\127\0\0\1\0\80HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"
        for i = 1, #answer do
          peer:send(answer:sub(i, i))
          websock.sleep(0)
        end
        peer:receive(9999)
      end)
      assert.same({"refused", 403}, {err, response.status})
    end)

    it("is awaited until the timeout, also if it drips", function()
      assert.equal("timeout", (outcome("http", function() websock.park() end, {timeout = 0.05})))
      assert.equal("timeout", (outcome("https", function() websock.park() end, {timeout = 0.05})))
      assert.equal("timeout", (outcome("http", function(peer)
        peer:send "HTTP/1.1 200 OK\r\nX: "
        while peer:send "y" do websock.sleep(0.002) end
      end, {timeout = 0.05})))
    end)

    it("is garbage, or is cut", function()
      local function says(bytes)
        return function(peer)
          peer:send(bytes)
          peer:shutdown()
          peer:rest()
        end
      end
      assert.equal("proxy: http://PLACE: its answer is no HTTP",
        (outcome("http", says "SSH-2.0-OpenSSH_9.2\r\n")))
      assert.equal("proxy: http://PLACE: the connection ended before its answer",
        (outcome("http", says "HTTP/1.1 200 OK\r\n")))
      assert.equal("proxy: socks5h://PLACE: its answer is no SOCKS 5",
        (outcome("socks5h", says "HTTP/1.1 400 Bad Request\r\n\r\n")))
      assert.equal("proxy: socks4a://PLACE: the connection ended before its answer",
        (outcome("socks4a", says "\0\90")))
    end)

    it("comes before it has read our request", function()
      assert.equal("proxy: http://PLACE says: 503 Busy", (outcome("http", function(peer)
        peer:send "HTTP/1.1 503 Busy\r\n\r\n"
        peer:rest()
      end)))
    end)

    it("does not come: the connection was reset", function()
      assert.equal("proxy: http://PLACE: connection reset", (outcome("http", function(peer)
        peer:head()
        peer:reset()
      end)))
    end)
  end)

  it("coroutine.close closes the descriptor in the middle of it", function()
    for _, scheme in ipairs {"http", "https", "socks5h", "socks4a"} do
      local asked
      local place = fake(function(peer)
        asked = peer:receive(1)
        websock.park()
      end)
      local before = descriptors.count()
      local thread = websock.spawn(websock.connect, "ws://shop.example/",
        {proxy = scheme .. "://" .. place, timeout = 1000})
      ends.turn_until(function() return asked end)
      assert.is_true(coroutine.close(thread))
      assert.equal(before + 1, descriptors.count())  -- the fake proxy's end
      ends.finish()
    end
  end)

  it("several addresses are tried through a socks5 proxy", function()
    local core, tried = require "websock.core", {}
    local lookup = core.lookup
    core.lookup = function()
      local file, fd = descriptors.of(io.open, "Makefile")
      return setmetatable({fd = function() return fd end, take = function()
        return {{host = "127.0.0.3", family = "inet"}, {host = "127.0.0.4", family = "inet"}}
      end}, {__close = function() file:close() end})
    end
    ends.at_end(function() core.lookup = lookup end)
    local listener <close> = require("support.raw").server()
    websock.spawn(function()
      for _ = 1, 2 do
        local peer <close> = assert(listener:accept())
        peer:receive(3)
        peer:send "\5\0"
        tried[#tried + 1] = peer:receive(10):byte(8)
        peer:send "\5\4\0\1\0\0\0\0\0\0"
      end
    end)
    local url = "socks5://127.0.0.1:" .. listener.port
    assert.same({nil, "proxy: " .. url .. " says: host unreachable"},
      {websock.connect("ws://shop.example/", {proxy = url, timeout = PATIENCE})})
    assert.same({3, 4}, tried)
  end)

  describe("of the environment", function()
    it("is used if asked for", function()
      set_environment {all_proxy = "http://127.0.0.1:1"}
      local ws = connected("ws", nil)
      wss.assert_echo(ws, "straight")
      local _, err = connect("ws", true)
      assert.equal("proxy: http://127.0.0.1:1 (from all_proxy): connect: connection refused", err)
      connected("ws", false)
    end)

    it("takes the variable of the scheme, but for hosts of NO_PROXY", function()
      local url = "http://127.0.0.1:" .. proxies.http()
      set_environment {HTTPS_PROXY = url}
      assert.equal(url:match ":(%d+)$", tostring(select(2, connected("wss", true):getpeername())))
      assert.not_equal(url:match ":(%d+)$", tostring(select(2, connected("ws", true):getpeername())))
      set_environment {HTTPS_PROXY = url, NO_PROXY = "localhost"}
      assert.not_equal(url:match ":(%d+)$", tostring(select(2, connected("wss", true):getpeername())))
    end)

    it("may be wrong", function()
      set_environment {http_proxy = "socks://ada:sesame@a"}
      assert.same({nil, "proxy: http_proxy: a URL of http, https, socks4a, socks5 or socks5h expected"},
        {connect("ws", true)})
    end)
  end)

  it("mistakes raise, and repeat no password", function()
    local function raises(pattern, options)
      local ok, err = pcall(websock.connect, "ws://a/", options)
      assert.is_false(ok)
      assert.matches("^spec/websock/client/proxy_spec.lua:%d+: connect: " .. pattern, err)
      assert.not_matches("sesame", err)
    end
    raises("option 'proxy': a URL of http", {proxy = "proxy.example:3128"})
    raises("option 'proxy': no valid port", {proxy = "http://ada:sesame@a:0"})
    raises("option 'proxy': a password, which", {proxy = "socks4a://ada:sesame@a"})
    raises("option 'proxy': string or boolean expected", {proxy = 1})
    raises("option 'proxy' does not go with 'unix'", {proxy = true, unix = "/x"})
    raises("option 'proxy' does not go with 'socket'", {proxy = "http://a", socket = {}})
    raises("option 'proxy_tls' needs 'proxy'", {proxy_tls = {}})
    raises("option 'proxy_tls' is for an https proxy", {proxy = "http://a", proxy_tls = {}})
    raises("proxy_tls: unknown option 'ca'", {proxy = "https://a", proxy_tls = {ca = "x"}})
  end)

  it("a mistake in the files of proxy_tls is an error", function()
    local _, err = websock.connect("ws://a/", {proxy = "https://a:1", proxy_tls = {ca_file = "/none"}})
    assert.matches("^proxy: tls: ca_file: /none: ", err)
  end)

  it("reconnect gives up where trying again is of no use", function()
    local url = "http://127.0.0.1:" .. proxies.http "ada sesame"
    local seen
    for _ in websock.reconnect("ws://localhost:1/", {proxy = url, timeout = PATIENCE,
      on_retry = function(err, delay) seen = {err:match "says: %d+", delay} end}) do
      seen = "connected"
    end
    assert.same({"says: 407"}, seen)
  end)
end)
