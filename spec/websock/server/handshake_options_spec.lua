-- Options of handshakes: the errors of listen and accept, and when they read them.

local socket = require "socket"
local websock = require "websock"
local ends = require "support.ends"
local host = require "support.host"

local ask, echo, knock, listen = host.ask, host.echo, host.knock, host.listen

describe("server", function()
  before_each(function() host.reports = {} end)
  after_each(function() ends.finish() end)

  describe("options of handshakes", function()
    -- Raises unless listen, serve and accept raise for these options at the caller's line.
    local function refused(options, expected)
      for _, where in ipairs {"listen", "accept"} do
        local all = {}
        for name, value in pairs(options) do all[name] = value end
        if where == "listen" then all.port, all.handler = 0, echo end
        local ok, err = pcall(function()
          if where == "listen" then return websock.listen(all) and nil end
          return websock.accept(socket.tcp(), all) and nil
        end)
        assert.is_false(ok, expected)
        assert.matches("^spec/websock/server/handshake_options_spec.lua:%d+: ", err)
        assert.equal(where .. ": " .. expected, (err:gsub("^.-:%d+: ", "")))
      end
    end

    it("that are headers which no answer may have raise at the call", function()
      local TOKEN, BYTE = "a field's name is no token", "a field's value has an invalid byte"
      for name, rule in pairs {["a b"] = TOKEN, ["a:"] = TOKEN, [""] = TOKEN, ["\xc3\xa4"] = TOKEN} do
        refused({headers = {Fine = "1", [name] = "x"}}, ("header '%s': %s"):format(name, rule))
        refused({headers = {{"Fine", "1"}, {name, "x"}}}, ("header '%s': %s"):format(name, rule))
      end
      refused({headers = {["X-A"] = {"fine", "a\1b"}}}, "header 'X-A': " .. BYTE)
      refused({headers = {["X-A"] = "\127"}}, "header 'X-A': " .. BYTE)
      refused({headers = {["X-A"] = "a\r\nb"}}, "header 'X-A': CR, LF and NUL are not allowed")
      refused({headers = {["X-A"] = true}}, "header 'X-A': string expected, got boolean")
      refused({headers = {"X-A: 1"}}, "headers: {name, value} expected, got string")
      for _, name in ipairs {"Upgrade", "connection", "Content-Length", "TRANSFER-ENCODING",
        "Sec-WebSocket-Accept", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"} do
        refused({headers = {[name] = "1"}}, ("header '%s': a field that the library sets itself "
          .. "(Host, Connection, Upgrade, Content-Length, Transfer-Encoding, Sec-WebSocket-...)"):format(name))
      end
    end)

    it("that are headers are read once, at the call", function()
      local fields = {["X-A"] = "1", ["X-B"] = {"2", "3"}}
      local server = listen {headers = fields}
      fields["X-A"] = "a b"
      fields["X-C"] = "\n"
      for _ = 1, 2 do
        local _, answer = ends.open(server)
        assert.same({"1", "2, 3"}, {answer["x-a"], answer["x-b"]})
        assert.is_nil(answer["x-c"])
      end
    end)

    it("that are protocols which no client can offer, or repeated, raise at the call", function()
      local TOKEN = "a subprotocol is no token"
      for _, name in ipairs {"x y", "", "a,b", "\xc3\xa4", "a\1"} do
        refused({protocols = {"fine", name}}, ("protocol '%s': %s"):format(name:gsub("%c", "?"), TOKEN))
      end
      refused({protocols = {"a", "b", "a"}}, "protocol 'a': given twice")
    end)

    it("that are protocols are read once, at the call", function()
      local list = {"a"}
      local server = listen {protocols = list}
      list[1] = "b"
      local _, answer = ends.open(server, {["Sec-WebSocket-Protocol"] = "b, a"})
      assert.equal("a", answer["sec-websocket-protocol"])
    end)

    it("that are an origin which can never match raise at the call", function()
      refused({origins = {"https://a.example", "https://b.example/"}},
        "option 'origins': 'https://b.example/': an origin has no path, and no slash at its end")
    end)

    it("may be tables that can be called, for headers and protocols", function()
      local function callable(f)
        return setmetatable({}, {__call = function(_, ...) return f(...) end})
      end
      local server = listen {
        headers = callable(function() return {["X-Called"] = "yes"} end),
        protocols = callable(function(offered) return offered[2] end),
      }
      local _, answer = ends.open(server, {["Sec-WebSocket-Protocol"] = "a, b"})
      assert.same({"yes", "b"}, {answer["x-called"], answer["sec-websocket-protocol"]})
    end)

    it("name the header of an answer that cannot be sent", function()
      local function answer() return 401, {Fine = "1", ["a b"] = "2"}, "x" end
      local server = listen {http = answer, authorize = function() return false, answer() end}
      assert.equal(500, (ask(server, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")))
      assert.equal(500, knock(server))
      for i = 1, 2 do
        assert.matches("answer: header 'a b': a field's name is no token", host.reports[i][3])
      end
      host.reports = {}
    end)

    it("name an invalid header that a function has returned, and the function", function()
      local server = listen {headers = function() return {Fine = "1", ["a b"] = "2"} end}
      assert.equal(500, knock(server))
      assert.matches("headers: header 'a b': a field's name is no token %(hook at .*handshake_options_spec.lua:%d+%)",
        host.reports[1][1])
      host.reports = {}
    end)
  end)
end)
