-- The hooks and options that answer a handshake: authorize, protocols, headers,
-- origins.

local websock = require "websock"
local ends = require "support.ends"
local frames = require "support.frames"
local host = require "support.host"

local ask, knock, listen, serves = host.ask, host.knock, host.listen, host.serves

describe("server", function()
  before_each(function() host.reports = {} end)
  after_each(function() ends.finish() end)

  describe("authorize", function()
    it("accepts those for whom it returns true", function()
      local server = listen {authorize = function(request)
        request.user = "alice"
        return true
      end, handler = function(ws) ws:send(ws.request.user) end}
      assert.equal("alice", ends.open(server):frame().payload)
    end)

    it("refuses with 403, or with what it returns", function()
      assert.equal(403, (ask(listen {authorize = function() return false end}, frames.request())))
      assert.equal(403, (ask(listen {authorize = function() end}, frames.request())))
      local status, fields, body = ask(listen {authorize = function()
        return false, 401, {["WWW-Authenticate"] = "Basic"}, "who are you"
      end}, frames.request())
      assert.same({401, "Basic", "who are you"}, {status, fields["www-authenticate"], body})
      assert.equal(0, #host.reports)
    end)

    it("may wait while others are served", function()
      local slow = {}
      local server = listen {authorize = function(request)
        if request.path == "/slow" then
          slow[1] = coroutine.running()
          websock.park()
        end
        return true
      end}
      local peer = ends.dial(server)
      peer:send(frames.request(nil, "GET /slow HTTP/1.1"))
      ends.turn_until(function() return slow[1] end)
      serves(server)
      websock.wake(slow[1])
      assert.matches("101", (peer:head()))
    end)

    it("that raises answers 500 and reports", function()
      local server = listen {authorize = function() error "secret" end}
      local status, _, body = ask(server, frames.request())
      assert.equal(500, status)
      assert.not_matches("secret", body)
      assert.matches("secret", host.reports[1][1])
      assert.is_nil(host.reports[1][2])
      assert.matches("traceback", host.reports[1][3])
    end)

    it("with a wrong result answers 500 and reports", function()
      for _, status in ipairs {200, 99, 600, "403", 4.5} do
        local before = #host.reports
        assert.equal(500, (ask(listen {authorize = function() return false, status end}, frames.request())))
        assert.equal(before + 1, #host.reports)
      end
      assert.equal(500, (ask(listen {authorize = function()
        return false, 403, {["X"] = "a\r\nb"}
      end}, frames.request())))
    end)

    it("is ended by handshake_timeout", function()
      local server = listen {handshake_timeout = 0.05, authorize = function()
        websock.sleep(1)
        return true
      end}
      local peer = ends.dial(server)
      peer:send(frames.request())
      assert.equal("", (peer:rest()))
      serves(listen())
    end)

    it("is called only for valid handshakes", function()
      local asked
      local server = listen {authorize = function() asked = true return true end}
      assert.equal(400, (ask(server, frames.request {["Sec-WebSocket-Key"] = "short"})))
      assert.equal(426, (ask(server, frames.request {["Sec-WebSocket-Version"] = "8"})))
      assert.is_nil(asked)
    end)
  end)

  describe("protocols", function()
    local function chosen(protocols, offered)
      local fields
      local server = listen {protocols = protocols, handler = function(ws)
        ws:send(tostring(ws.protocol))
      end}
      local peer
      peer, fields = ends.open(server, {["Sec-WebSocket-Protocol"] = offered or nil})
      assert.equal(fields["sec-websocket-protocol"] or "nil", peer:frame().payload)
      return fields["sec-websocket-protocol"]
    end

    it("are chosen in the server's order", function()
      assert.equal("b", chosen({"b", "a"}, "a, b"))
      assert.equal("a", chosen({"c", "a"}, "a, b"))
      assert.equal("b", chosen({"b"}, {"a", "b"}))
    end)

    it("are none if none fits, or none is offered", function()
      assert.is_nil(chosen({"c"}, "a, b"))
      assert.is_nil(chosen({"c"}, false))
      assert.is_nil(chosen(nil, "a"))
      assert.is_nil(chosen({"A"}, "a"))
    end)

    it("may be chosen by a function", function()
      local given
      assert.equal("b", chosen(function(offered, request)
        given = {table.concat(offered, " "), request.path}
        return offered[2]
      end, "a, b"))
      assert.same({"a b", "/"}, given)
      assert.is_nil(chosen(function() end, "a"))
    end)

    it("chosen but not offered, or no string, are 500", function()
      for _, wrong in ipairs {"c", "a b", 1, true} do
        local before = #host.reports
        assert.equal(500, knock(listen {protocols = function() return wrong end},
          {["Sec-WebSocket-Protocol"] = "a"}), tostring(wrong))
        assert.equal(before + 1, #host.reports)
      end
      assert.equal(500, knock(listen {protocols = function() error "no" end},
        {["Sec-WebSocket-Protocol"] = "a"}))
    end)

    it("attack 13: have no magic names", function()
      for _, name in ipairs {"__index", "__gc", "constructor", "__proto__"} do
        assert.is_nil(chosen({"a"}, name))
        assert.equal(name, chosen({name}, name))
      end
    end)

    it("attack 14: that are no tokens are 400", function()
      for _, bad in ipairs {"a\128", "\xC3\xA4", "a b", "a,,\1", "a\127"} do
        assert.equal(400, knock(listen {protocols = {"a"}}, {["Sec-WebSocket-Protocol"] = bad}))
      end
    end)
  end)

  describe("headers", function()
    local function answer(headers)
      local _, fields = ends.open(listen {headers = headers})
      return fields
    end

    it("join the 101, from a map, pairs or a function", function()
      assert.equal("1", answer({["X-A"] = 1})["x-a"])
      assert.equal("1, 2", answer({["X-A"] = {"1", "2"}})["x-a"])
      assert.equal("1", answer({{"X-A", "1"}})["x-a"])
      assert.equal("/", answer(function(request) return {["X-A"] = request.path} end)["x-a"])
      assert.is_nil(answer(function() end)["x-a"])
    end)

    it("that are wrong answer 500 and report", function()
      for _, wrong in ipairs {{["X-A"] = "a\r\nB: c"}, {["X A"] = "b"}, {Upgrade = "x"}, {["X-A"] = {{}}},
        "X", error} do
        local before = #host.reports
        assert.equal(500, knock(listen {headers = function()
          return wrong == error and error "no" or wrong
        end}))
        assert.equal(before + 1, #host.reports)
      end
    end)
  end)

  describe("origins", function()
    it("attack 18: foreign, suffix, prefix and null origins get 403 by default", function()
      local server = listen()
      for _, origin in ipairs {"http://evil.example", "http://127.0.0.1.evil.example",
        "http://evil127.0.0.1", "null", "", "file://", "http://127.0.0.1:1"} do
        assert.equal(403, knock(server, {Origin = origin}), origin)
      end
      assert.equal(101, knock(server, {Origin = "http://127.0.0.1"}))
      assert.equal(101, knock(server, {Origin = "http://shop.example:81", Host = "shop.example:81"}))
      assert.equal(101, knock(server))
    end)

    it("may be a list or '*'", function()
      local server = listen {origins = {"https://a.example", "*.b.example"}}
      assert.equal(101, knock(server, {Origin = "https://a.example"}))
      assert.equal(101, knock(server, {Origin = "https://x.b.example"}))
      assert.equal(403, knock(server, {Origin = "http://127.0.0.1"}))
      assert.equal(101, knock(listen {origins = "*"}, {Origin = "null"}))
    end)

    it("without a scheme are http and https", function()
      local server = listen {origins = {"a.example"}}
      assert.equal(101, knock(server, {Origin = "http://a.example"}))
      assert.equal(101, knock(server, {Origin = "https://a.example"}))
      assert.equal(403, knock(server, {Origin = "ftp://a.example"}))
    end)

    it("are read once: a change of the table has no effect", function()
      local list = {"https://a.example"}
      local server = listen {origins = list}
      list[1], list[2] = "https://b.example", "https://c.example"
      assert.equal(101, knock(server, {Origin = "https://a.example"}))
      assert.equal(403, knock(server, {Origin = "https://b.example"}))
    end)

    it("are checked before authorize", function()
      local asked
      local server = listen {authorize = function() asked = true return true end}
      assert.equal(403, knock(server, {Origin = "http://evil.example"}))
      assert.is_nil(asked)
    end)
  end)
end)
