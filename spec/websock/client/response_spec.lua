-- websock.connect: answers of servers, valid and invalid.

local websock = require "websock"
local descriptors = require "support.descriptors"
local ends = require "support.ends"
local frames = require "support.frames"
local raw = require "support.raw"

local serve = ends.serve

-- Returns the error of connect for a server that answers with these bytes and ends.
local function answered(bytes, options)
  return websock.connect(serve(function(peer)
    peer:head()
    peer:send(bytes)
  end), options)
end

describe("connect", function()
  descriptors.watch(before_each, after_each, ends.finish)

  describe("response", function()
    it("is a field of the connection", function()
      local ws = ends.client({protocols = {"a", "b"}},
        {["Sec-WebSocket-Protocol"] = "b", ["X-Served-By"] = "test"})
      assert.same({101, "Switching Protocols", "test"},
        {ws.response.status, ws.response.reason, ws.response.headers["X-Served-By"]})
      assert.equal("b", ws.protocol)
      assert.is_nil(ws.request)
      assert.is_nil(ws.server)
    end)

    it("may have messages right after it", function()
      local ws = assert(websock.connect(serve(function(peer)
        local _, fields = peer:head()
        peer:send(frames.response(nil, raw.accept_key(fields["sec-websocket-key"]))
          .. frames.plain("text", "early") .. frames.plain("close", frames.close_payload(1000)))
        peer:rest(5)
      end)))
      assert.equal("early", ws:receive())
      assert.equal(1000, select(3, ws:receive()))
    end)

    it("may come byte by byte", function()
      local ws = assert(websock.connect(serve(function(peer)
        local _, fields = peer:head()
        local answer = frames.response(nil, raw.accept_key(fields["sec-websocket-key"]))
          .. frames.plain("text", "x")
        for byte in answer:gmatch "." do
          peer:send(byte)
          coroutine.yield()
        end
        peer:rest(5)
      end)))
      assert.equal("x", ws:receive())
      ws:abort()
    end)

    it("with another status is 'refused', with all its parts", function()
      local ws, err, response = answered(
        "HTTP/1.1 404 Not Here\r\nContent-Length: 5\r\nX-A: 1\r\nX-A: 2\r\n\r\nsorry")
      assert.is_nil(ws)
      assert.equal("refused", err)
      assert.same({404, "Not Here", "1, 2", "sorry"},
        {response.status, response.reason, response.headers["X-a"], response.body})
    end)

    local COOKIES = {"a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT", "b=2, 3; Path=/", "a=4"}

    it("lists its fields as they came, and keeps cookies apart", function()
      local _, err, response = answered("HTTP/1.1 403 No\r\nSet-Cookie: " .. COOKIES[1] .. "\r\nX-A: 1\r\n"
        .. "SET-COOKIE: " .. COOKIES[2] .. "\r\nx-a:\r\nset-cookie: " .. COOKIES[3] .. "\r\n\r\n")
      assert.equal("refused", err)
      assert.same({{"Set-Cookie", COOKIES[1]}, {"X-A", "1"}, {"SET-COOKIE", COOKIES[2]}, {"x-a", ""},
        {"set-cookie", COOKIES[3]}}, response.fields)
      assert.equal(table.concat(COOKIES, "\n"), response.headers["Set-Cookie"])
      assert.equal("1, ", response.headers["X-A"])
    end)

    it("of a connection has them too", function()
      local ws = ends.client(nil, {["Set-Cookie"] = COOKIES})
      local found = {}
      for _, field in ipairs(ws.response.fields) do
        if field[1] == "Set-Cookie" then found[#found + 1] = field[2] end
      end
      assert.same(COOKIES, found)
      assert.equal(table.concat(COOKIES, "\n"), ws.response.headers["set-cookie"])
      assert.equal(6, #ws.response.fields)
    end)

    it("has a single cookie as it is, and nil without one", function()
      assert.equal(COOKIES[1], ends.client(nil, {["Set-Cookie"] = COOKIES[1]}).response.headers["set-cookie"])
      assert.equal("", ends.client(nil, {["Set-Cookie"] = ""}).response.headers["set-cookie"])
      assert.is_nil(ends.client().response.headers["set-cookie"])
    end)

    it("has a tostring: its status line, as far as it came", function()
      for line, shown in pairs {["401 Unauthorized"] = "401 Unauthorized", ["599 x"] = "599 x", ["404 "] = "404",
        ["404"] = "404", ["403 Nein,  d\xC3\xA4 nicht "] = "403 Nein,  d\xC3\xA4 nicht "} do
        local _, _, response = answered("HTTP/1.1 " .. line .. "\r\nContent-Length: 0\r\n\r\n")
        assert.equal(shown, tostring(response))
      end
      assert.equal("101 Switching Protocols", tostring(ends.client().response))
    end)

    it("has the URL without user and password", function()
      local url = serve(function(peer)
        peer:head()
        peer:send "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"
      end)
      local _, _, response = websock.connect((url:gsub("//", "//me:secret@")) .. "?q")
      assert.equal(url .. "/?q", response.url)
      local ws, peer = ends.client()
      local _, port = peer.sock:getsockname()
      assert.equal(("ws://127.0.0.1:%d/"):format(port), ws.response.url)
    end)

    it("refused without a length has the body up to the end", function()
      local _, err, response = answered "HTTP/1.1 503 \r\n\r\nall of this"
      assert.same({"refused", 503, "", "all of this"},
        {err, response.status, response.reason, response.body})
    end)

    it("refused has at most 64 KiB of the body", function()
      local body = ("x"):rep(70000)
      local _, err, response = answered("HTTP/1.1 500 No\r\nContent-Length: 70000\r\n\r\n" .. body)
      assert.equal("refused", err)
      assert.equal(65536, #response.body)
    end)

    it("refused as a redirect has its Location", function()
      local _, err, response = answered "HTTP/1.1 302 Found\r\nLocation: ws://b/\r\nContent-Length: 0\r\n\r\n"
      assert.same({"refused", 302, "ws://b/"}, {err, response.status, response.headers.Location})
    end)

    -- Fields that make a 101 invalid (RFC 6455 4.1); the Accept is right unless
    -- they say otherwise.
    local invalid = {
      {"without Upgrade", {Upgrade = false}}, {"with another Upgrade", {Upgrade = "h2c"}},
      {"without Connection", {Connection = false}}, {"with another Connection", {Connection = "close"}},
      {"without Accept", {["Sec-WebSocket-Accept"] = false}},
      {"with a subprotocol not asked for", {["Sec-WebSocket-Protocol"] = "x"}},
      {"with an extension not asked for", {["Sec-WebSocket-Extensions"] = "permessage-deflate"}},
      {"attack 22: with a wrong Accept", {["Sec-WebSocket-Accept"] = frames.accept}},
      {"with two Accepts", {["Sec-WebSocket-Accept"] = {frames.accept, frames.accept}}},
    }
    for _, case in ipairs(invalid) do
      it(case[1] .. " is no handshake", function()
        local ws, err = websock.connect(serve(function(peer)
          local _, fields = peer:head()
          peer:send(frames.response(case[2], raw.accept_key(fields["sec-websocket-key"])))
          peer:rest(5)
        end))
        assert.is_nil(ws)
        assert.matches("^handshake: ", err)
      end)
    end

    for name, bytes in pairs {
      ["garbage"] = "SSH-2.0-OpenSSH\r\n\r\n", ["nothing"] = "", ["half a head"] = "HTTP/1.1 101 X\r\nUp",
      ["HTTP/2"] = "HTTP/2 101 X\r\n\r\n", ["a bad field"] = "HTTP/1.1 101 X\r\nA B\r\n\r\n",
    } do
      it("of " .. name .. " is no handshake", function()
        local ws, err = answered(bytes)
        assert.is_nil(ws)
        assert.matches("^handshake: ", err)
      end)
    end

    it("attack 6: whose head never ends is given up at a limit", function()
      local ws, err = websock.connect(serve(function(peer)
        peer:head()
        peer:send "HTTP/1.1 101 X\r\n"
        for i = 1, 100000 do
          if not peer:send(("X-%d: %s\r\n"):format(i, ("y"):rep(100))) then return end
        end
      end))
      assert.is_nil(ws)
      assert.matches("^handshake: ", err)
    end)

    it("after a reset is no handshake", function()
      local ws, err = websock.connect(serve(function(peer)
        peer:head()
        peer:reset()
      end))
      assert.is_nil(ws)
      assert.matches("^handshake: ", err)
    end)
  end)
end)
