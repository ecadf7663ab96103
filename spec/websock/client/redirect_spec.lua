-- Redirects: which are followed, and what is sent to whom.

local websock = require "websock"
local certificates = require "support.certificates"
local descriptors = require "support.descriptors"
local ends = require "support.ends"
local raw = require "support.raw"
local wss = require "support.wss"

-- A server that answers with the status and the Location which to(request) returns, or
-- accepts if it returns nil. Returns the URL (without a path), and the list of requests.
local function serve(to, options)
  local seen = {}
  local all = {port = 0, origins = "*", handler = function(ws) ws:send(ws.request.target) end}
  for name, value in pairs(options or {}) do all[name] = value end
  function all.authorize(request)
    seen[#seen + 1] = request
    local status, location, more = to(request, #seen)
    if not status then return true end
    local fields = {Location = location}
    for name, value in pairs(more or {}) do fields[name] = value end
    return false, status, fields
  end
  local server = ends.listen(all)
  return ("%s://localhost:%d"):format(all.tls and "wss" or "ws", ends.port(server)), seen
end

local function accept() end

local AGENT = (websock._VERSION:gsub(" ", "/"))

local function secure(to, name, more)
  return serve(to, {tls = certificates.of(name or "server", more)})
end

-- Connects and returns ws; it ends with the test.
local function connect(url, options)
  local ws, err, response = websock.connect(url, options)
  if not ws then error(("%s %s"):format(err, response), 2) end
  ends.at_end(function() ws:abort() end)
  return ws
end

-- Raises unless the redirect is not followed, for this reason.
local function assert_not_followed(why, url, options)
  local ws, err, response = websock.connect(url, options)
  assert.same({nil, "refused", why}, {ws, err, response.not_followed})
  return response
end

describe("redirects", function()
  descriptors.watch(before_each, after_each, ends.finish)

  it("are not followed by default", function()
    local url, seen = serve(function() return 302, "/b" end)
    local response = assert_not_followed(nil, url)
    assert.same({1, 302, "302 Found", url .. "/"}, {#seen, response.status, tostring(response), response.url})
  end)

  it("of all five kinds are followed, and of no other one", function()
    for _, status in ipairs {301, 302, 303, 307, 308} do
      local url, seen = serve(function(request)
        if request.path == "/" then return status, "/b?c" end
      end)
      local ws = connect(url, {redirects = 1, protocols = {"p"}})
      assert.equal("/b?c", ws:receive())
      assert.same({url .. "/b?c", 101}, {ws.response.url, ws.response.status})
      assert.same({"GET", "p"}, {seen[2].method, seen[2].headers["sec-websocket-protocol"]})
    end
    for _, status in ipairs {300, 304, 305, 401, 503} do
      assert_not_followed(nil, (serve(function() return status, "/b" end)), {redirects = 5})
    end
    assert_not_followed(nil, (serve(function() return 302 end)), {redirects = 5})
  end)

  it("are relative to the URL that was asked", function()
    for location, target in pairs {["c"] = "/a/c", ["../c"] = "/c", ["?d"] = "/a/b?d", ["/d/../e"] = "/e",
      ["./"] = "/a/", ["c#part"] = "/a/c", ["x:80/y"] = false} do
      local url = serve(function(request)
        if request.target == "/a/b?q" then return 302, location end
      end)
      if target then
        assert.equal(target, connect(url .. "/a/b?q", {redirects = 1}):receive())
      else
        assert_not_followed("url: ws:// or wss:// expected", url .. "/a/b?q", {redirects = 1})
      end
    end
  end)

  it("may have http URLs, and lead to other servers", function()
    local there, seen = serve(accept)
    local here = serve(function() return 302, there:gsub("^ws", "http") .. "/b" end)
    assert.equal(there .. "/b", connect(here, {redirects = 1}).response.url)
    assert.equal(there:match "//(.*)", seen[1].headers.host)
  end)

  it("are counted", function()
    local url, seen = serve(function(request)
      local n = tonumber(request.path:sub(2)) or 0
      if n < 3 then return 302, "/" .. n + 1 end
    end)
    assert.equal("/3", connect(url, {redirects = 3}):receive())
    assert.equal(4, #seen)
    local response = assert_not_followed("2 followed before", url, {redirects = 2})
    assert.equal("302 Found (not followed: 2 followed before)", tostring(response))
    assert.same({url .. "/2", 7}, {response.url, #seen})
  end)

  it("end at a loop", function()
    local url, seen = serve(function(request) return 302, request.path == "/" and "/b" or "/" end)
    assert_not_followed("a loop", url, {redirects = 10})
    assert.equal(2, #seen)
    assert_not_followed("a loop", (serve(function() return 302, "" end)), {redirects = 10})
  end)

  it("to the same URL are no loop if a cookie was set", function()
    local url = serve(function(request)
      if not request.headers.cookie then return 302, "", {["Set-Cookie"] = "a=b"} end
    end)
    assert.equal("/", connect(url, {redirects = 10, cookies = websock.cookies()}):receive())
  end)

  describe("as a function", function()
    it("are asked for each URL", function()
      local url, asked = serve(function(request)
        if #request.path < 4 then return 302, request.path .. "x" end
      end), {}
      local ws = connect((url:gsub("//", "//me:secret@")), {redirects = function(to)
        asked[#asked + 1] = to
        websock.sleep(0)  -- it may wait
        return true
      end})
      assert.same({url .. "/x", url .. "/xx", url .. "/xxx"}, asked)
      assert.equal("/xxx", ws:receive())
      assert_not_followed("the option 'redirects' says no", url, {redirects = function(to)
        return not to:find "xx"
      end})
    end)

    it("are followed twenty times at most", function()
      local url, seen = serve(function(_, n) return 302, "/" .. n end)
      assert_not_followed("20 followed before", url, {redirects = function() return true end})
      assert.equal(21, #seen)
    end)

    it("may raise", function()
      local url = serve(function() return 302, "/b" end)
      assert.error_matches(function() websock.connect(url, {redirects = function() error "mine" end}) end, "mine")
    end)
  end)

  it("are covered by the timeout together", function()
    local silent = raw.server()
    ends.at_end(function() silent:close() end)
    local url = serve(function() return 302, "ws://127.0.0.1:" .. silent.port end)
    assert.same({nil, "timeout"}, {websock.connect(url, {redirects = 1, timeout = 0.1})})
  end)

  -- A server whose answer leads to `to`, with this body, and whose connection stays open.
  local function with_body(to, fields, body)
    return ends.serve(function(peer)
      peer:head()
      peer:send(("HTTP/1.1 302 Found\r\nLocation: %s\r\n%s\r\n%s"):format(to, fields, body))
      peer:rest()
    end)
  end

  it("are followed when their head is here, whatever becomes of the body", function()
    local there = serve(accept)
    for fields, body in pairs {[""] = "", ["Content-Length: 9\r\n"] = "half", ["X: y\r\n"] = ("x"):rep(100000),
      ["Transfer-Encoding: chunked\r\n"] = "5\r\nhe"} do
      local url = with_body(there .. "/b", fields, body)
      assert.equal("/b", connect(url, {redirects = 1, timeout = raw.patience}):receive())
      assert.equal("/b", connect(with_body(there .. "/b", fields, body), {
        redirects = function() return true end, timeout = raw.patience,
      }):receive())
    end
  end)

  it("have a body if they could not be followed anyway", function()
    local function body_of(options)
      local url = with_body("/b", "Content-Length: 5\r\n", "there")
      options.timeout = raw.patience
      if options.socket then options.socket = assert(require "socket".connect("127.0.0.1", url:match ":(%d+)")) end
      return select(3, websock.connect(url, options)).body
    end
    assert.equal("there", body_of {})
    assert.equal("there", body_of {redirects = 1, socket = true})
    local second = with_body("/c", "Content-Length: 6\r\n", "second")
    local first = serve(function() return 302, second end)
    assert.equal("second", select(3, websock.connect(first, {redirects = 1, timeout = raw.patience})).body)
  end)

  it("that lead nowhere have the error of the last attempt", function()
    local silent = raw.server()
    silent:close()
    local url = serve(function() return 302, "ws://127.0.0.1:" .. silent.port end)
    assert.same({nil, "connect: connection refused"}, {websock.connect(url, {redirects = 1})})
  end)

  it("with an invalid Location are not followed", function()
    for location, why in pairs {["ws://a b/"] = "url: blanks and control characters are not allowed",
      ["ftp://a/"] = "url: ws:// or wss:// expected", ["ws://:1/"] = "url: no valid host",
      ["//a:99999/"] = "url: no valid port"} do
      assert_not_followed(why, (serve(function() return 302, location end)), {redirects = 1})
    end
  end)

  describe("attack 20:", function()
    local OWN = {Authorization = "Bearer mine", Cookie = "a=b", ["X-Token"] = "t", ["User-Agent"] = "mine",
      Origin = "http://mine"}

    -- What of the above a request has.
    local function own_of(request)
      local found = {}
      for name in pairs(OWN) do found[name] = request.headers[name] end
      return found
    end

    it("what belongs to an origin stays there", function()
      local there, seen = serve(accept)
      local here, before = serve(function() return 302, there end)
      connect((here:gsub("//", "//me:secret@")), {redirects = 1, headers = OWN, origin = "http://page"})
      assert.same(OWN, own_of(before[1]))
      assert.same({["User-Agent"] = AGENT, Origin = "http://page"}, own_of(seen[1]))
      connect((here:gsub("//", "//me:secret@")), {redirects = 1, headers = {["user-agent"] = false}})
      assert.equal("Basic bWU6c2VjcmV0", before[2].headers.authorization)
      assert.same({}, own_of(seen[2]))
    end)

    it("it goes to the same origin", function()
      local url, seen
      url, seen = serve(function(request)
        if request.path == "/" then return 302, url .. "/b" elseif request.path == "/b" then return 302, "c" end
      end)
      connect(url, {redirects = 2, headers = OWN})
      assert.same({OWN, OWN, OWN}, {own_of(seen[1]), own_of(seen[2]), own_of(seen[3])})
      connect((url:gsub("//", "//me:secret@")), {redirects = 2})
      for i = 4, 6 do assert.equal("Basic bWU6c2VjcmV0", seen[i].headers.authorization) end
    end)

    it("it is not sent again after another origin was visited", function()
      local here, seen
      local there = serve(function() return 302, here .. "/delete" end)
      here, seen = serve(function(request) if request.path == "/" then return 302, there end end)
      connect((here:gsub("//", "//me:secret@")), {redirects = 2, headers = {["X-Token"] = "t"}})
      assert.same({"t", "Basic bWU6c2VjcmV0"}, {seen[1].headers["x-token"], seen[1].headers.authorization})
      assert.same({["User-Agent"] = AGENT}, own_of(seen[2]))
    end)

    it("another port, scheme or host is another origin", function()
      local url, seen = serve(function(request)
        if request.path == "/" then return 302, "//127.0.0.1:" .. request.headers.host:match "%d+$" .. "/b" end
      end)
      connect(url, {redirects = 1, headers = OWN})
      assert.is_nil(seen[2].headers.authorization)
    end)

    it("a Location may bring a user of its own", function()
      local there, seen = serve(accept)
      local here = serve(function() return 302, (there:gsub("//", "//you:pw@")) end)
      connect((here:gsub("//", "//me:secret@")), {redirects = 1})
      assert.equal("Basic eW91OnB3", seen[1].headers.authorization)
    end)

    it("wss never becomes ws", function()
      local plain, seen = serve(accept)
      for _, location in ipairs {plain, (plain:gsub("^ws", "http"))} do
        local url = secure(function() return 302, location end)
        assert_not_followed("from wss:// to ws://", url, {redirects = 5, tls = wss.trusting()})
        assert_not_followed("from wss:// to ws://", url, {redirects = function() return true end, tls = wss.trusting()})
      end
      assert.equal(0, #seen)
    end)

    it("ws may become wss, with the default settings", function()
      local url = serve(function() return 302, (secure(accept)) end)
      assert.same({nil, "tls: certificate of an unknown authority"}, {websock.connect(url, {redirects = 1})})
    end)

    it("a client certificate and server_name stay with their origin", function()
      local made = certificates.client
      local mine = wss.trusting {cert = made.chain, key = made.key, server_name = "example.com"}
      local there = secure(accept)
      local asking = {client_ca = certificates.ca.cert}
      local strict = secure(accept, "server", asking)
      local to
      local here = secure(function() return 302, to end, "wrong_name", asking)
      for _, tls in ipairs {mine, assert(websock.tls(mine))} do
        to = there
        assert.equal("/", connect(here, {redirects = 1, tls = tls}):receive())
        to = strict
        local ws, err = websock.connect(here, {redirects = 1, tls = tls})
        assert.is_nil(ws)
        assert.equal("tls: peer asks for a client certificate", err)
      end
    end)

    it("a context of TLS without these is used everywhere", function()
      local there = secure(accept)
      local here = secure(function() return 302, there end)
      assert.equal("/", connect(here, {redirects = 1, tls = assert(websock.tls(wss.trusting()))}):receive())
    end)

    it("cookies stay with their host", function()
      local there, seen = serve(accept)
      local here = serve(function()
        return 302, (there:gsub("localhost", "127.0.0.1")), {["Set-Cookie"] = "a=secret"}
      end)
      connect(here, {redirects = 1, cookies = websock.cookies()})
      assert.is_nil(seen[1].headers.cookie)
    end)
  end)

  describe("beside", function()
    it("`socket` are not followed", function()
      local url = serve(function() return 302, "/b" end)
      local sock = assert(require "socket".connect("127.0.0.1", url:match "%d+$"))
      assert_not_followed("the option 'socket' is one connection", url, {redirects = 1, socket = sock})
    end)

    it("`unix` are followed within the origin", function()
      local path = os.tmpname()
      os.remove(path)
      local to = "/b"
      local _, seen = serve(function(request) if request.path == "/" then return 302, to end end,
        {port = false, unix = path})
      assert.equal("/b", connect("ws://shop.example", {redirects = 1, unix = path}):receive())
      to = "ws://other.example/"
      assert_not_followed("the option 'unix' is one server", "ws://shop.example", {redirects = 1, unix = path})
      assert.equal(3, #seen)
    end)
  end)

  it("are followed by reconnect", function()
    local url = serve(function(request) if request.path == "/" then return 302, "/b" end end)
    for ws in websock.reconnect(url, {redirects = 1}) do
      if ws then
        assert.equal("/b", ws:receive())
        websock.stop()
      end
    end
  end)
end)
