-- core.stream: a descriptor before a conn takes it over.

local core = require "websock.core"
local websock = require "websock"
local certificates = require "support.certificates"
local descriptors = require "support.descriptors"
local ends = require "support.ends"
local secure = require "support.secure"

-- A stream, and the LuaSocket object at its other end.
local function pair()
  local one, other = ends.socket_pair()
  local stream = core.stream(core.dupfd(one:getfd()))
  core.nonblocking(stream:fd())
  one:close()
  other:settimeout(5)
  return stream, other
end

local function client_context()
  return assert(core.tls {ca_file = certificates.ca.cert})
end

-- Calls a step until it is done.
local function finish(stream, name, ...)
  while true do
    local result, err, mode = stream[name](stream, ...)
    if result or err ~= "again" then return result, err end
    assert(websock.wait(stream:fd(), mode, 240))
  end
end

-- A stream in TLS, and the peer.
local function secured()
  local port, peer_of = secure.serve(secure.server_params "server")
  local fd = core.connect("inet", "127.0.0.1", port)
  local stream = core.stream(fd)
  assert(websock.wait(fd, "w", 240))
  assert(stream:secure(client_context(), "localhost", "here"))
  assert.is_true(finish(stream, "shake"))
  return stream, peer_of()
end

describe("core.stream", function()
  descriptors.watch(before_each, after_each, ends.finish)

  it("reads and writes", function()
    local stream <close>, peer = pair()
    assert.same({nil, "again", "r"}, {stream:read()})
    assert.equal(5, stream:write("hello", 1))
    assert.equal(3, stream:write("hello", 3))
    assert.equal("hellollo", peer:receive(8))
    peer:send "back"
    assert.equal("back", stream:read())
    peer:close()
    assert.same({nil, "eof"}, {stream:read()})
  end)

  it("returns that there is no room", function()
    local stream <close>, peer = pair()
    local bytes = ("x"):rep(1 << 20)
    local results = {stream:write(bytes, 1)}
    while results[1] do results = {stream:write(bytes, 1)} end
    assert.same({nil, "again", "w"}, results)
    peer:close()
  end)

  it("returns why it failed", function()
    local stream <close>, peer = pair()
    peer:setoption("linger", {on = true, timeout = 0})
    peer:close()
    assert.is_nil((stream:read()))
    assert.is_nil((stream:write("x", 1)))
  end)

  it("speaks TLS", function()
    local stream <close>, peer = secured()
    assert.equal(5, finish(stream, "write", "hello", 1))
    assert.equal("hello", peer:receive(5))
    peer:send "back"
    assert.equal("back", finish(stream, "read"))
    assert.is_true(stream:shake())
    peer:close()
    assert.same({nil, "eof"}, {finish(stream, "read")})
  end)

  it("returns errors of TLS", function()
    local stream <close>, peer = pair()
    assert.same({nil, "tls: not a host name"}, {stream:secure(client_context(), "a b", "")})
    assert.is_true(stream:secure(client_context(), "localhost", ""))
    assert.same({nil, "again", "r"}, {stream:shake()})
    peer:send "HTTP/1.1 400 Bad Request\r\n\r\n"
    local _, err = finish(stream, "shake")
    assert.matches("^tls: ", err)
    assert.same({nil, err}, {stream:read()})
    assert.same({nil, err}, {stream:write("x", 1)})
  end)

  it("is taken over by a conn, with its TLS", function()
    local stream, peer = secured()
    local fd = stream:fd()
    local conn = core.conn(core.config("client", {}))
    conn:attach(stream)
    assert.equal(fd, conn:fd())
    assert.error_matches(function() stream:read() end, "closed")
    assert.error_matches(function() core.conn(core.config("client", {})):attach(stream) end, "closed")
    stream:close()
    conn:request("a", "/", nil, {})
    conn:push()
    assert.matches("^GET / ", (assert(peer:head())))
    conn:closefd()
  end)

  it("closes its descriptor once", function()
    local stream, peer = pair()
    assert.matches("^websock.stream: ", tostring(stream))
    stream:close()
    stream:close()
    assert.error_matches(function() stream:fd() end, "closed")
    assert.equal("closed", select(2, peer:receive(1)))
    pair()
    collectgarbage()
    collectgarbage()
  end)

  it("raises about arguments", function()
    local stream <close> = pair()
    assert.error_matches(function() core.stream(-1) end, "descriptor expected")
    assert.error_matches(function() stream:shake() end, "no TLS")
    assert.error_matches(function() stream:write("abc", 0) end, "out of range")
    assert.error_matches(function() stream:write("abc", 4) end, "out of range")
    assert.error_matches(function() stream:write("", 1) end, "out of range")
    local server = assert(core.tls {server = true, cert = certificates.server.chain,
      key = certificates.server.key})
    assert.error_matches(function() stream:secure(server, "localhost", "") end, "a client's expected")
    assert.is_true(stream:secure(client_context(), "localhost", ""))
    assert.error_matches(function() stream:secure(client_context(), "localhost", "") end, "has TLS")
  end)
end)
