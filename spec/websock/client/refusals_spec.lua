-- Answers with another status than 101: an answer is a refusal as soon as its head has
-- arrived, whatever happens to its body and its connection.

local socket = require "socket"
local websock = require "websock"
local core = require "websock.core"
local certificates = require "support.certificates"
local descriptors = require "support.descriptors"
local ends = require "support.ends"
local frames = require "support.frames"
local look_alike = require "support.look_alike"
local raw = require "support.raw"
local secure = require "support.secure"
local unistd = require "support.unistd"

-- How the server's side of the transport ends.
local endings = {
  ["kept open"] = function(peer) peer:rest() end,
  ["ended"] = function(peer) peer:close() end,
  ["reset"] = function(peer)
    local null, fd = descriptors.of(io.open, "/dev/null")
    peer.sock:setoption("linger", {on = true, timeout = 0})
    unistd.dup2(fd, peer.sock:getfd())  -- closed without close_notify
    null:close()
  end,
  ["cut without close_notify"] = function(peer) core.shutdown(peer.sock:getfd()) end,
}

-- Starts a server whose connections f(peer) handles after the request; returns its port.
local function serve(transport, f)
  local listener = raw.server()
  local threads = {}
  threads[1] = websock.spawn(function()
    while true do
      local peer = assert(listener:accept(3600))
      threads[#threads + 1] = websock.spawn(function()
        local _ <close> = peer
        if transport == "wss" and not secure.wrap(peer, secure.server_params "server") then return end
        if peer:head() then f(peer) end
      end)
    end
  end)
  ends.at_end(function()
    for _, thread in ipairs(threads) do coroutine.close(thread) end
    listener:close()
  end)
  return listener.port
end

local function connect(transport, port, options)
  local all = {tls = transport == "wss" and {ca_file = certificates.ca.cert} or nil}
  for name, value in pairs(options or {}) do all[name] = value end
  return websock.connect(("%s://localhost:%d/"):format(transport, port), all)
end

-- Calls connect_for(seconds), each time with more time, until so much of the refusal has
-- arrived: the speed of this machine does not matter.
local function in_time(connect_for, is_enough)
  local ws, err, response
  for _, seconds in ipairs {0.1, 1, 8, 30} do
    ws, err, response = connect_for(seconds)
    if err ~= "timeout" and err ~= "refused" then break end
    if response and is_enough(response.body) then break end
  end
  return ws, err, response
end

local function connect_in_time(transport, port, is_enough, options)
  return in_time(function(seconds)
    local all = {timeout = seconds}
    for name, value in pairs(options or {}) do all[name] = value end
    return connect(transport, port, all)
  end, is_enough)
end

local function send_slowly(peer, pieces)
  for _, piece in ipairs(pieces) do
    if not peer:send(piece) then return end
    coroutine.yield()
  end
end

-- Raises unless this answer is a refusal with that body.
local function assert_refused(transport, port, status, body, options)
  local ws, err, response = connect_in_time(transport, port, function(got) return got == body end, options)
  assert.is_nil(ws)
  assert.same({"refused", status, body}, {err, (response or {}).status, (response or {}).body})
  return response
end

local HEAD = "HTTP/1.1 503 Not Now\r\nRetry-After: 7\r\n"

-- The bytes after HEAD, and the body that they make.
local bodies = {
  ["none, without a length"] = {"\r\n", ""},
  ["without a length"] = {"\r\nsorry", "sorry"},
  ["too short"] = {"Content-Length: 10\r\n\r\nsorry", "sorry"},
  ["of a length that is negative"] = {"Content-Length: -5\r\n\r\nsorry", "sorry"},
  ["of a length that is empty"] = {"Content-Length:\r\n\r\nsorry", "sorry"},
  ["of a length that is none"] = {"Content-Length: five\r\n\r\nsorry", "sorry"},
  ["of two lengths"] = {"Content-Length: 5\r\nContent-Length: 3\r\n\r\nsorry", "sorry"},
  ["of one length twice"] = {"Content-Length: 5\r\nContent-Length: 5\r\n\r\nsorry", "sorry"},
  ["in half a chunk"] = {"Transfer-Encoding: chunked\r\n\r\nff\r\nsorry", "sorry"},
  ["in chunks without an end"] = {"Transfer-Encoding: chunked\r\n\r\n5\r\nsorry\r\n", "sorry"},
  ["in a coding that is unknown"] = {"Transfer-Encoding: gzip\r\n\r\nsorry", "sorry"},
}

describe("a refusal", function()
  after_each(function() ends.finish() end)

  for _, transport in ipairs {"ws", "wss"} do
    for how, finish in pairs(endings) do
      for what, case in pairs(bodies) do
        it(("whose connection is %s, its body %s, over %s"):format(how, what, transport), function()
          local port = serve(transport, function(peer)
            peer:send(HEAD .. case[1])
            finish(peer)
          end)
          local response = assert_refused(transport, port, 503, case[2])
          assert.equal("7", response.headers["retry-after"])
        end)
      end

      it(("whose connection is %s, in pieces of any size, over %s"):format(how, transport), function()
        for name, pieces in frames.splits(HEAD .. "Content-Length: 9\r\n\r\nsorry", 3) do
          local port = serve(transport, function(peer)
            send_slowly(peer, pieces)
            finish(peer)
          end)
          assert.equal("7", assert_refused(transport, port, 503, "sorry").headers["retry-after"], name)
        end
      end)

      it(("whose connection is %s in the middle of its head is not one, over %s"):format(how, transport), function()
        local port = serve(transport, function(peer)
          peer:send(HEAD)
          finish(peer)
        end)
        local ws, err = connect(transport, port, {timeout = how == "kept open" and 0.2 or 20})
        assert.is_nil(ws)
        assert.matches(how == "kept open" and "^timeout$" or "^handshake: ", err)
      end)
    end

    it("whose body is endless has the first 64 KiB of it, over " .. transport, function()
      for _, coding in ipairs {"", "Content-Length: -1\r\n", "Content-Length: 99999999999999999999\r\n"} do
        local port = serve(transport, function(peer)
          peer:send(HEAD .. coding .. "\r\n")
          while peer:send(("x"):rep(4000)) do coroutine.yield() end
        end)
        assert_refused(transport, port, 503, ("x"):rep(65536))
      end
    end)

    it("whose body arrives byte by byte has what came by the timeout, over " .. transport, function()
      local port = serve(transport, function(peer)
        peer:send(HEAD .. "\r\nx")
        while peer:send "x" do websock.sleep(0.01) end
      end)
      local _, err, response = connect_in_time(transport, port, function(body) return body ~= "" end)
      assert.equal("refused", err)
      assert.matches("^x+$", response.body)
    end)

    it("whose head is larger than max_header has its status and the fields that fitted, over " .. transport, function()
      local lines = "HTTP/1.1 401 Nobody knows who you are\r\nWWW-Authenticate: Basic realm=a\r\n"
      local head = lines .. "X-Long: " .. ("y"):rep(200) .. "\r\nContent-Length: 2\r\n\r\n"
      local port = serve(transport, function(peer)
        peer:send(head .. "no")
        peer:rest()
      end)
      for limit, fields in pairs {[#head + 1] = 3, [#head] = 3, [#head - 1] = 3, [#lines] = 1,
        [#lines + 100] = 1, [#lines - 1] = 0, [64] = 0} do
        local response = assert_refused(transport, port, 401, limit < #head and "" or "no",
          {max_header = limit})
        local n = 0
        for _ in pairs(response.headers) do n = n + 1 end
        assert.same({fields, fields > 0 and "Basic realm=a" or nil},
          {n, response.headers["WWW-Authenticate"]}, limit)
      end
    end)

    it("that never ends its head has its status, over " .. transport, function()
      local port = serve(transport, function(peer)
        peer:send "HTTP/1.1 429 Slow Down\r\nRetry-After: 9\r\n"
        while peer:send "X: endless\r\n" do coroutine.yield() end
      end)
      assert.equal("9", assert_refused(transport, port, 429, "").headers["retry-after"])
    end)
  end

  it("comes through a look-alike's methods, however it ends", function()
    for _, finish in pairs(endings) do
      local port = serve("ws", function(peer)
        peer:send(HEAD .. "\r\nsorry")
        finish(peer)
      end)
      local _, err, response = in_time(function(seconds)
        local object = look_alike(assert(socket.connect("127.0.0.1", port)))
        local ws, why, answer = websock.connect("ws://a", {socket = object, timeout = seconds})
        assert.equal(1, object.calls.close)
        return ws, why, answer
      end, function(body) return body == "sorry" end)
      assert.same({"refused", 503, "sorry"}, {err, response.status, response.body})
    end
  end)

  it("is not an answer of 101, to which max_header applies", function()
    local head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    local function open(limit)
      local port = serve("ws", function(peer)
        peer:send(head)
        peer:rest()
      end)
      return select(2, connect("ws", port, {max_header = limit}))
    end
    assert.equal("handshake: response head too large", open(#head - 1))
    assert.equal("handshake: wrong Sec-WebSocket-Accept", open(#head))
  end)
end)
