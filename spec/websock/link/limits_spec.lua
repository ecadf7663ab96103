-- Limits and timeouts of the contract at n-1, n and n+1, as a server keeps them. Those of
-- receiving are tested in close_spec.lua, those of pings and idle_timeout in
-- heartbeat_spec.lua, the effect of a reached limit on others in server/limits_spec.lua.

local websock = require "websock"
local descriptors = require "support.descriptors"
local ends = require "support.ends"
local frames = require "support.frames"
local raw = require "support.raw"

local function status_of(server, bytes)
  local peer = ends.dial(server)
  peer:send(bytes)
  local line = assert(peer:head())
  peer:close()
  return math.tointeger(tonumber(line:match "^HTTP/1%.1 (%d+)"))
end

local function listen(options)
  options.port, options.handler = 0, options.handler or function(ws) ws:receive() end
  return ends.listen(options)
end

describe("limits", function()
  after_each(function() ends.finish() end)

  it("max_header: the bytes of the head with its end", function()
    local request = frames.request {["X-Pad"] = ("x"):rep(500)}
    assert.equal(431, status_of(listen {max_header = #request - 1}, request))
    assert.equal(101, status_of(listen {max_header = #request}, request))
    assert.equal(101, status_of(listen {max_header = #request + 1}, request))
  end)

  it("a hundred fields", function()
    local server = listen {}
    local given = {}
    for i = 1, 95 do given["X-" .. i] = "y" end  -- the handshake itself has five
    assert.equal(101, status_of(server, frames.request(given)))
    given["X-96"] = "y"
    assert.equal(431, status_of(server, frames.request(given)))
  end)

  it("max_body, with a length and in chunks", function()
    local server = listen {max_body = 100, http = function(request)
      return 200, nil, tostring(#request.body)
    end}
    local function post(n, chunked)
      if chunked then
        return ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n")
          :format(n, ("x"):rep(n))
      end
      return ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s"):format(n, ("x"):rep(n))
    end
    for _, chunked in ipairs {false, true} do
      assert.equal(200, status_of(server, post(99, chunked)))
      assert.equal(200, status_of(server, post(100, chunked)))
      assert.equal(413, status_of(server, post(101, chunked)))
    end
  end)

  it("max_message and max_fragments, false: none", function()
    local ws, peer = ends.server {max_message = false, max_fragments = false}
    ends.inside(function()
      peer:masked("binary", ("x"):rep(3 * 1024 * 1024), false)
      for _ = 1, 20000 do peer:masked("continuation", "y", false) end
      peer:masked("continuation", "z")
      assert.equal(3 * 1024 * 1024 + 20001, #assert(ws:receive()))
    end)
  end)

  it("max_message 0 lets empty messages through", function()
    local ws, peer = ends.server {max_message = 0}
    ends.inside(function()
      peer:masked("text", "")
      assert.equal("", ws:receive())
      peer:masked("text", "x")
      assert.equal(1009, (select(3, ws:receive())))
    end)
  end)

  it("max_connections at n and n + 1", function()
    local server = listen {max_connections = 3}
    for _ = 1, 3 do ends.open(server) end
    assert.equal(503, status_of(server, frames.request()))
    assert.equal(3, server:count())
  end)

  it("handshake_timeout applies to a body that arrives byte by byte, too", function()
    local server = listen {handshake_timeout = 0.1, http = function() return 200 end}
    local peer = ends.dial(server)
    peer:send "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n"
    local deadline = websock.now() + 20
    while peer:send "x" and websock.now() < deadline do websock.step(0.002) end
    assert.is_true(websock.now() < deadline)
  end)

  it("handshake_timeout false waits for ever", function()
    local server = listen {handshake_timeout = false}
    local peer = ends.dial(server)
    local request = frames.request()
    peer:send(request:sub(1, 30))
    for _ = 1, 5 do websock.step(0.01) end
    assert.is_nil((websock.timeout()))  -- it does not end by itself
    peer:send(request:sub(31))
    assert.matches("101", (peer:head()))
  end)

  it("ping_timeout applies to a plain answer that nobody reads", function()
    local server = listen {ping_timeout = 0.1, http = function()
      return 200, nil, ("x"):rep(16 * 1024 * 1024)
    end}
    local before = descriptors.count()
    local peer = raw.client(ends.port(server))
    peer:send "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    ends.turn_until(function() return descriptors.count() > before + 1 end)
    ends.turn_until(function() return descriptors.count() == before + 1 end)
    peer:close()
  end)

  it("close_timeout 0 does not wait", function()
    local ws, peer = ends.server {close_timeout = 0}
    ends.inside(function()
      assert.same({nil, "timeout"}, {ws:close()})
      assert.is_nil(ws:getfd())
    end)
    assert.equal(1000, (peer:closed()))
  end)

  it("ping_timeout bounds ws:ping", function()
    local ws = ends.server {ping_interval = false, ping_timeout = 0.02}
    ends.inside(function() assert.same({nil, "timeout"}, {ws:ping()}) end)
  end)

  it("nodelay is on by default", function()
    for _, on in ipairs {true, false} do
      local ws = ends.server {nodelay = on}
      assert.equal(on, (ws:socket():getoption "tcp-nodelay"))
      local client = ends.client {nodelay = on}
      assert.equal(on, (client:socket():getoption "tcp-nodelay"))
    end
  end)
end)
