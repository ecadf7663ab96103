-- Requests that are no handshakes: the hook `http`.

local websock = require "websock"
local ends = require "support.ends"
local host = require "support.host"

local ask, listen, serves = host.ask, host.listen, host.serves

describe("server", function()
  before_each(function() host.reports = {} end)
  after_each(function() ends.finish() end)

  describe("http", function()
    local GET = "GET /page?x=1 HTTP/1.1\r\nHost: a\r\n\r\n"

    it("is answered with 426 by default", function()
      local status, fields = ask(listen(), GET)
      assert.equal(426, status)
      assert.equal("13", fields["sec-websocket-version"])
      assert.matches("[Uu]pgrade", fields.connection)
      assert.equal("websocket", fields.upgrade:lower())
    end)

    it("is answered by the function", function()
      local request
      local server = listen {http = function(r)
        request = r
        return 200, {["Content-Type"] = "text/html", ["X-A"] = {"1", "2"}}, "<p>hi"
      end}
      local status, fields, body = ask(server, GET)
      assert.same({200, "text/html", "1, 2", "<p>hi", "5"},
        {status, fields["content-type"], fields["x-a"], body, fields["content-length"]})
      assert.same({"GET", "/page?x=1", "/page", "x=1", "a", ""},
        {request.method, request.target, request.path, request.query, request.headers.Host, request.body})
      serves(server)
    end)

    it("leaves the body out for HEAD", function()
      local server = listen {http = function() return 200, nil, "12345" end}
      local status, fields, body = ask(server, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
      assert.same({200, "5", ""}, {status, fields["content-length"], body})
    end)

    it("has a request's body", function()
      local server = listen {http = function(request) return 200, nil, request.method .. request.body end}
      local _, _, body = ask(server, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody")
      assert.equal("POSTbody", body)
    end)

    it("refuses bodies above max_body with 413", function()
      local asked = 0
      local server = listen {max_body = 4, http = function() asked = asked + 1 return 204 end}
      local head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: "
      assert.equal(204, (ask(server, head .. "3\r\n\r\nabc")))
      assert.equal(204, (ask(server, head .. "4\r\n\r\nabcd")))
      assert.equal(413, (ask(server, head .. "5\r\n\r\nabcde")))
      assert.equal(413, (ask(server, head .. "99999999999999999999\r\n\r\n")))
      assert.equal(2, asked)
    end)

    it("that returns nil gets 426", function()
      assert.equal(426, (ask(listen {http = function() end}, GET)))
    end)

    it("with a wrong result answers 500 and reports", function()
      for _, result in ipairs {{"200"}, {99}, {600}, {101}, {200.5}, {200, "X: y"}, {200, {X = "\r\n"}},
        {200, nil, 5}, {200, nil, {}}, {200, {["Content-Length"] = "3"}, "12345"}} do
        local before = #host.reports
        local server = listen {http = function() return table.unpack(result, 1, 3) end}
        assert.equal(500, (ask(server, GET)), tostring(result[1]))
        assert.equal(before + 1, #host.reports)
      end
    end)

    it("that raises answers 500 and reports", function()
      local status, _, body = ask(listen {http = function() error "secret" end}, GET)
      assert.equal(500, status)
      assert.not_matches("secret", body)
      assert.matches("secret", host.reports[1][1])
    end)

    it("may wait, while others are served", function()
      local waiting
      local server = listen {http = function()
        waiting = coroutine.running()
        websock.park()
        return 200, nil, "at last"
      end}
      local peer = ends.dial(server)
      peer:send(GET)
      ends.turn_until(function() return waiting end)
      serves(server)
      websock.wake(waiting)
      assert.matches("200", (peer:head()))
    end)

    it("sends a large body whole", function()
      local large = ("y"):rep(5000000)
      local _, _, body = ask(listen {http = function() return 200, nil, large end}, GET)
      assert.is_true(body == large)
    end)
  end)
end)
