-- The server's side of the opening handshake on the wire: targets, the request that all
-- hooks share, and that pieces of any size give the same answer.

local websock = require "websock"
local certificates = require "support.certificates"
local ends = require "support.ends"
local frames = require "support.frames"
local raw = require "support.raw"
local secure = require "support.secure"

local function status(line) return line:match "^HTTP/1%.1 (%d+)" end

-- The connection's request for this request line.
local function request_for(line, fields)
  local request
  local server = ends.listen {port = 0, handler = function(ws) request = ws.request end}
  ends.open(server, fields, line)
  ends.turn_until(function() return request end)
  return request
end

-- A wire-level client, before its handshake, over each of the transports.
local transports = {
  ws = {dial = function(server) return raw.client(ends.port(server)) end},
  wss = {
    tls = certificates.of "server",
    dial = function(server) return assert(secure.client(ends.port(server))) end,
  },
}

-- The status that answers these bytes, sent in one piece.
local function answered(transport, server, bytes)
  local peer <close> = transports[transport].dial(server)
  peer:send(bytes)
  return tonumber(status(assert(peer:head())))
end

describe("handshake", function()
  after_each(function() ends.finish() end)

  it("splits targets into path and query, undecoded", function()
    for target, expected in pairs {
      ["/"] = {"/", nil}, ["/a/b"] = {"/a/b", nil}, ["/a?"] = {"/a", ""}, ["/?a=b?c"] = {"/", "a=b?c"},
      ["/%2e%2E/%00?%41"] = {"/%2e%2E/%00", "%41"}, ["//x"] = {"//x", nil},
      ["http://127.0.0.1/abs?q"] = {"/abs", "q"}, ["http://127.0.0.1"] = {"/", nil},
      ["http://127.0.0.1?q"] = {"/", "q"},
    } do
      local request = request_for("GET " .. target .. " HTTP/1.1")
      assert.equal(target, request.target)
      assert.same({expected[1], expected[2]}, {request.path, request.query}, target)
    end
  end)

  it("joins repeated fields, and finds them in any case", function()
    local request = request_for(nil, {["X-A"] = {"1", "2"}})
    assert.equal("1, 2", request.headers["x-a"])
    assert.equal("1, 2", request.headers["X-A"])
    assert.is_nil(request.headers["x-b"])
  end)

  it("lists the fields as they came, the same from a hook and after the 101", function()
    local seen = {}
    local server = ends.listen {port = 0, handler = function(ws) seen[#seen + 1] = ws.request.fields end,
      authorize = function(request)
        if request.query then seen[#seen + 1] = request.fields end
        return true
      end}
    local expected = {
      {"Host", "a"}, {"UPGRADE", "websocket"}, {"Connection", "Upgrade"}, {"x-a", "1: 2, 3"}, {"X-Empty", ""},
      {"Sec-WebSocket-Key", frames.key}, {"X-A", "4"}, {"Sec-WebSocket-Version", "13"}, {"x-a", "Montr\xC3\xA9al"},
    }
    local lines = {}
    for i, field in ipairs(expected) do lines[i] = field[1] .. ":  " .. field[2] .. " \r\n" end
    for _, target in ipairs {"/?early", "/late"} do
      local peer <close> = ends.dial(server)
      peer:send("GET " .. target .. " HTTP/1.1\r\n" .. table.concat(lines) .. "\r\n")
      assert.equal("101", status(assert(peer:head())))
    end
    ends.turn_until(function() return #seen == 3 end)
    for _, fields in ipairs(seen) do assert.same(expected, fields) end
  end)

  it("passes one request to all hooks", function()
    local seen = {}
    local server = ends.listen {
      port = 0,
      authorize = function(request) seen[1] = request return true end,
      protocols = function(_, request) seen[2] = request end,
      headers = function(request) seen[3] = request end,
      handler = function(ws) seen[4] = ws.request end,
    }
    ends.open(server)
    ends.turn_until(function() return seen[4] end)
    assert.is_true(seen[1] == seen[2] and seen[2] == seen[3] and seen[3] == seen[4])
  end)

  it("answers with the Accept of RFC 6455 1.3", function()
    local _, fields = ends.open(ends.listen {port = 0, handler = function() end})
    assert.equal(frames.accept, fields["sec-websocket-accept"])
  end)

  it("gives the same answer whole, byte by byte and in pieces", function()
    local server = ends.listen {port = 0, handler = function(ws)
      for message in ws:messages() do ws:send(message) end
    end}
    local bytes = frames.request() .. frames.masked("text", "with it")
    for name, pieces in frames.splits(bytes) do
      local peer = ends.dial(server)
      for _, piece in ipairs(pieces) do
        peer:send(piece)
        websock.step()
      end
      assert.equal("101", status(assert(peer:head())), name)
      assert.equal("with it", peer:frame().payload, name)
      peer:close()
    end
  end)

  it("does not take a field for another whose name is longer by 64 bytes, or as long", function()
    local server = ends.listen {port = 0, handler = function() end}
    for _, name in ipairs {"Host", "Upgrade", "Sec-WebSocket-Key", "Sec-WebSocket-Version"} do
      for _, other in ipairs {("X"):rep(#name), ("X"):rep(#name + 64)} do
        local text, line = frames.request(), "\r\n" .. name:gsub("%-", "%%-") .. ":"
        assert.equal(101, answered("ws", server, (text:gsub("\r\n", "\r\n" .. other .. ": 13\r\n", 1))))
        assert.equal(400, answered("ws", server, (text:gsub(line, "\r\n" .. other .. ":"))))
      end
    end
  end)

  it("attack 11: each field left out or repeated is refused, the server goes on", function()
    local served = 0
    local server = ends.listen {port = 0, handler = function() served = served + 1 end}
    for _, name in ipairs {"Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version"} do
      for _, value in ipairs {false, {"x", "x"}, ""} do
        local peer = ends.dial(server)
        peer:send(frames.request {[name] = value})
        local code = tonumber(status(assert(peer:head())))
        assert.is_true(code >= 400 and code <= 426, name)
        peer:close()
      end
    end
    assert.equal(0, served)
    ends.open(server)
    ends.turn_until(function() return served == 1 end)
  end)

  for transport, how in pairs(transports) do
    it("attack 11: members of Connection and Upgrade may repeat, single fields may not, over "
        .. transport, function()
      local server = ends.listen {port = 0, tls = how.tls, handler = function() end}
      for _, fields in ipairs {
        {Upgrade = {"websocket", "websocket"}}, {Upgrade = "websocket, WebSocket"},
        {Connection = {"Upgrade", "Upgrade"}}, {Connection = "upgrade,keep-alive, Upgrade"},
        {Upgrade = "websocket,,websocket/13", Connection = {"Upgrade", "close", "Upgrade"}},
      } do
        assert.equal(101, answered(transport, server, frames.request(fields)))
      end
      for name, value in pairs {Host = "127.0.0.1", Origin = "http://127.0.0.1",
        ["Sec-WebSocket-Key"] = frames.key, ["Sec-WebSocket-Version"] = "13"} do
        assert.equal(400, answered(transport, server, frames.request {[name] = {value, value}}), name)
      end
    end)

    it("attack 14: bytes from 0x80 up are allowed in fields that it does not read, over " .. transport, function()
      local seen
      local server = ends.listen {port = 0, tls = how.tls, handler = function(ws) seen = ws.request end,
        http = function(request) return 200, nil, request.headers["cf-ipcity"] end}
      for _, value in ipairs {"Montr\xC3\xA9al", "\x80", "\xFF \xE9"} do
        seen = nil
        assert.equal(101, answered(transport, server, frames.request {["CF-IPCity"] = value}))
        ends.turn_until(function() return seen end)
        assert.equal(value, seen.headers["CF-IPCity"])
        local peer <close> = how.dial(server)
        peer:send("GET / HTTP/1.1\r\nHost: a\r\nCF-IPCity: " .. value .. "\r\n\r\n")
        assert.equal("200", status(assert(peer:head())))
        assert.equal(value, peer:rest())
      end
      for _, name in ipairs {"Host", "Origin", "Connection", "Upgrade", "Content-Length", "Transfer-Encoding",
        "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Sec-WebSocket-Protocol", "sec-websocket-extensions",
        "Sec-WebSocket-Anything"} do
        assert.equal(400, answered(transport, server, frames.request {[name] = "Montr\xC3\xA9al"}), name)
      end
    end)

    it("attack 14: NUL is 400 anywhere, over " .. transport, function()
      local server = ends.listen {port = 0, tls = how.tls, handler = function() end}
      for _, bytes in ipairs {
        frames.request {["X-City"] = "a\0b"}, frames.request {["X\0"] = "a"},
        frames.request(nil, "GET /\0 HTTP/1.1"), frames.request(nil, "G\0T / HTTP/1.1"),
        frames.request {Host = "a\0"}, "\0",
      } do
        assert.equal(400, answered(transport, server, bytes))
      end
    end)

    it("the answer to a wrong or missing version has the right one, over " .. transport, function()
      local server = ends.listen {port = 0, tls = how.tls, handler = function() end}
      for code, versions in pairs {
        ["426"] = {"8", "7", "0", "14", "12", "012"},
        ["400"] = {false, "", "x", "-13", "13, 8", {"13", "13"}},
      } do
        for _, version in ipairs(versions) do
          local peer <close> = how.dial(server)
          peer:send(frames.request {["Sec-WebSocket-Version"] = version})
          local line, fields = assert(peer:head())
          assert.equal(code, status(line))
          assert.equal("13", fields["sec-websocket-version"])
        end
      end
    end)

    it("CONNECT and TRACE reach no hook, over " .. transport, function()
      local asked = {}
      local server = ends.listen {port = 0, tls = how.tls, handler = function() end,
        authorize = function() asked[#asked + 1] = "authorize" return true end,
        http = function(request) asked[#asked + 1] = request.method return 200 end}
      for _, line in ipairs {"CONNECT a:443 HTTP/1.1", "CONNECT / HTTP/1.1", "TRACE / HTTP/1.1",
        "TRACE * HTTP/1.1", "TRACE / HTTP/1.0"} do
        assert.equal(501, answered(transport, server, line .. "\r\nHost: a\r\nCookie: b\r\n\r\n"))
        assert.equal(501, answered(transport, server, frames.request(nil, line)))
      end
      assert.same({}, asked)
      assert.equal(200, answered(transport, server, "trace / HTTP/1.1\r\nHost: a\r\n\r\n"))
      assert.same({"trace"}, asked)
    end)

    it("a target that is too long gets 414, a method 501, over " .. transport, function()
      local server = ends.listen {port = 0, tls = how.tls, max_header = 200, handler = function() end,
        http = function() return 200 end}
      local function target(n) return "GET /" .. ("a"):rep(n - 1) .. " HTTP/1.1\r\n" end
      local longest = 200 - #"GET  HTTP/1.1\r\n"
      for more, code in pairs {[-#"Host: a\r\n\r\n"] = 200, [-1] = 431, [0] = 431, [1] = 414, [300] = 414} do
        assert.equal(code, answered(transport, server, target(longest + more) .. "Host: a\r\n\r\n"), more)
      end
      local after = " / HTTP/1.1\r\nHost: a\r\n\r\n"
      for n, code in pairs {[200 - #after] = 200, [199] = 414, [200] = 501, [201] = 501, [1000] = 501} do
        assert.equal(code, answered(transport, server, ("M"):rep(n) .. after), n)
      end
    end)
  end

  it("attack 22: bytes after a refused upgrade are not taken for a request", function()
    local asked = {}
    local server = ends.listen {port = 0, handler = function() end, http = function(request)
      asked[#asked + 1] = request.path
      return 200
    end}
    local peer = ends.dial(server)
    peer:send(frames.request({["Sec-WebSocket-Version"] = "9"})
      .. "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
    local line = peer:head()
    assert.equal("426", status(line))
    local rest = peer:rest()
    assert.is_nil(rest:find("HTTP/1.1 ", 1, true))
    assert.same({}, asked)
  end)
end)
