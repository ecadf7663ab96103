-- websock.connect: its options, and the request that it sends.

local websock = require "websock"
local descriptors = require "support.descriptors"
local ends = require "support.ends"

local serve = ends.serve

-- The request that connect sends.
local function request_of(options, prefix, suffix)
  local line, fields
  local url = serve(function(peer)
    line, fields = peer:head()
    peer:send "HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n"
  end)
  url = "ws://" .. (prefix or "") .. url:sub(#"ws://" + 1) .. (suffix or "")
  local _, err = websock.connect(url, options)
  assert.equal("refused", err)
  return line, fields
end

describe("connect", function()
  descriptors.watch(before_each, after_each, ends.finish)

  describe("request", function()
    it("is what RFC 6455 4.1 asks for", function()
      local line, fields = request_of(nil, nil, "/chat?a=b")
      assert.equal("GET /chat?a=b HTTP/1.1", line)
      assert.equal("websocket", fields.upgrade:lower())
      assert.equal("upgrade", fields.connection:lower())
      assert.equal("13", fields["sec-websocket-version"])
      assert.matches("^127%.0%.0%.1:%d+$", fields.host)
      assert.matches("^[%w+/]+==$", fields["sec-websocket-key"])
      assert.equal(24, #fields["sec-websocket-key"])
      assert.is_nil(fields.origin)
      assert.is_nil(fields.authorization)
      assert.is_nil(fields["sec-websocket-protocol"])
      assert.is_nil(fields["sec-websocket-extensions"])
    end)

    it("has another key each time", function()
      local _, one = request_of()
      local _, two = request_of()
      assert.not_equal(one["sec-websocket-key"], two["sec-websocket-key"])
    end)

    it("carries origin, protocols and userinfo", function()
      local _, fields = request_of({origin = "https://a.example", protocols = {"b", "a"}},
        "Aladdin:open%20sesame@")
      assert.equal("https://a.example", fields.origin)
      assert.equal("b, a", fields["sec-websocket-protocol"])
      assert.equal("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", fields.authorization)
      assert.matches("^127", fields.host)
    end)

    it("carries headers from a map, with lists, or from pairs", function()
      local _, fields = request_of {headers = {["X-One"] = "1", ["X-Two"] = {"a", "b"}}}
      assert.same({"1", "a, b"}, {fields["x-one"], fields["x-two"]})
      _, fields = request_of {headers = {{"X-One", "1"}, {"X-One", "2"}}}
      assert.equal("1, 2", fields["x-one"])
    end)

    it("has Origin and Authorization once, from `headers` if they are there, too", function()
      for _, given in ipairs {
        {Origin = "http://b", Authorization = "Bearer b"}, {origin = "http://b", AUTHORIZATION = "Bearer b"},
        {{"oRigin", "http://b"}, {"authorization", "Bearer b"}}, {{"Authorization", "Bearer b"}, Origin = "http://b"},
        {Origin = {"http://b"}, Authorization = {"Bearer b"}},
      } do
        local _, fields = request_of({origin = "http://a", headers = given}, "a:a@")
        assert.same({"http://b", "Bearer b"}, {fields.origin, fields.authorization})
      end
    end)

    it("names the library in User-Agent, unless `headers` has one or false", function()
      local _, fields = request_of()
      assert.equal((websock._VERSION:gsub(" ", "/")), fields["user-agent"])
      for _, given in ipairs {{["user-agent"] = "mine"}, {{"USER-AGENT", "mine"}}} do
        _, fields = request_of {headers = given}
        assert.equal("mine", fields["user-agent"])
      end
      for _, given in ipairs {{["User-agent"] = false}, {{"user-agent", false}}} do
        _, fields = request_of {headers = given}
        assert.is_nil(fields["user-agent"])
      end
      assert.error_matches(function()
        websock.connect("ws://127.0.0.1:1", {headers = {["User-Agent"] = {"a", "b"}}})
      end, "header 'User%-Agent': given twice")
    end)

    it("is without a field that is false in `headers`", function()
      local _, fields = request_of({origin = "http://a",
        headers = {origin = false, AUTHORIZATION = false, ["X-A"] = false}}, "a:a@")
      assert.same({}, {fields.origin, fields.authorization, fields["x-a"]})
      assert.error_matches(function() websock.connect("ws://127.0.0.1:1", {headers = {["X-A"] = true}}) end,
        "header 'X%-A': string expected, got boolean")
    end)

    it("takes each of them from the source that has it", function()
      local _, fields = request_of({origin = "http://a", headers = {Authorization = "Bearer b"}}, "a:a@")
      assert.same({"http://a", "Bearer b"}, {fields.origin, fields.authorization})
      _, fields = request_of({origin = "http://a", headers = {{"origin", "http://b"}}}, "a:a@")
      assert.same({"http://b", "Basic YTph"}, {fields.origin, fields.authorization})
      _, fields = request_of({origin = "http://a", headers = {["X-Origin"] = "c", Origin = {}}}, "a:a@")
      assert.same({"http://a", "Basic YTph"}, {fields.origin, fields.authorization})
      _, fields = request_of {headers = {Origin = "", authorization = ""}}
      assert.same({"", ""}, {fields.origin, fields.authorization})
    end)

    it("raises where `headers` has one of them twice", function()
      for name, given in pairs {Origin = {{"origin", "http://a"}, {"Origin", "http://b"}},
        Authorization = {Authorization = {"a", "b"}}} do
        assert.error_matches(function() websock.connect("ws://127.0.0.1:1", {headers = given}) end,
          "connect: header '" .. name .. "': given twice")
      end
    end)

    it("attack 21: CR, LF and NUL raise before anything is sent", function()
      local accepted
      local url = serve(function() accepted = true end)
      for _, bad in ipairs {"\r", "\n", "\0", "\r\nX: y"} do
        for _, options in ipairs {
          {headers = {A = "b" .. bad}}, {headers = {["A" .. bad] = "b"}}, {headers = {{"A", bad}}},
          {origin = "http://a" .. bad}, {protocols = {"a" .. bad}},
        } do
          assert.has_error(function() websock.connect(url, options) end)
        end
        assert.has_error(function() websock.connect(url .. "/a" .. bad) end)
      end
      websock.step(0.01)
      assert.is_nil(accepted)
    end)

    it("raises on the handshake's own fields, and on what is no token, and names it", function()
      local function refused(expected, options)
        local ok, err = pcall(function() return websock.connect("ws://127.0.0.1:1", options) and nil end)
        assert.is_false(ok, expected)
        assert.matches("^spec/websock/client/connect_spec.lua:%d+: connect: ", err)
        assert.equal("connect: " .. expected, (err:gsub("^.-:%d+: ", "")))
      end
      for _, name in ipairs {"x y", "", "a,b", "\xC3\xA4"} do
        refused(("protocol '%s': a subprotocol is no token"):format(name), {protocols = {"fine", name}})
      end
      refused("protocol 'a': given twice", {protocols = {"a", "b", "a"}})
      for _, name in ipairs {"a b", "", "a:b"} do
        refused(("header '%s': a field's name is no token"):format(name), {headers = {Fine = "1", [name] = "1"}})
      end
      refused("header 'X-A': a field's value has an invalid byte", {headers = {{"X-A", "1"}, {"X-A", "\1"}}})
      refused("header 'host': a field that the library sets itself (Host, Connection, Upgrade, Content-Length, "
        .. "Transfer-Encoding, Sec-WebSocket-...)", {headers = {host = "a"}})
      refused("option 'origin': 'http://a?x: y': a field's value has an invalid byte",
        {origin = "http://a\nx: y"})
    end)
  end)

  describe("options", function()
    it("raise at the caller's line if they are unknown or wrong", function()
      local function raises(pattern, ...)
        local ok, err = pcall(function(...)
          websock.connect(...)
          return true
        end, ...)
        assert.is_false(ok)
        assert.matches("^spec/websock/client/connect_spec.lua:%d+: " .. pattern, err)
      end
      raises("connect: unknown option 'time_out'", "ws://a", {time_out = 1})
      raises("connect: option 'timeout'", "ws://a", {timeout = "1"})
      raises("connect: options: table expected", "ws://a", 1)
      raises("connect: url: string expected, got nil", nil)
    end)

    it("an invalid URL is an error that does not raise", function()
      local ws, err = websock.connect "ftp://a"
      assert.is_nil(ws)
      assert.matches("^url: ", err)
    end)
  end)
end)
