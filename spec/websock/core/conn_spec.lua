-- The binding of one connection's state machine (csrc/binding/lua_conn.c and its
-- neighbours): calls from Lua in any order. The protocol itself is tested in
-- spec/csrc.

local core = require "websock.core"
local socket = require "socket"

-- Moves what one has queued to the other.
local function move(from, to)
  local bytes = from:output()
  to:feed(bytes)
  from:sent(#bytes)
end

-- A client and a server after their opening handshake.
local function opened(options)
  local client = core.conn(core.config("client", options))
  local server = core.conn(core.config("server", options))
  assert(client:request("a", "/"))
  move(client, server)
  assert.equal("request", (server:handshake()))
  assert(server:accept())
  move(server, client)
  assert.equal("open", client:handshake())
  client:taken()
  return client, server
end

describe("a conn", function()
  it("wakes nobody if nobody waits", function()
    local conn = core.conn(core.config "server")
    assert.is_nil(conn:wake())
    assert.equal(core.WANT.NOTHING, conn:wanted())
  end)

  it("needs the name of the server for TLS", function()
    local listener = assert(socket.bind("127.0.0.1", 0))
    local peer = assert(socket.connect("127.0.0.1", (select(2, listener:getsockname()))))
    local client, conn = core.tls {verify = false}, core.conn(core.config "client")
    conn:attach(assert(core.dupfd(peer:getfd())))
    for _, name in ipairs {"", "two words", ".a"} do
      assert.same({nil, "tls: not a host name"}, {conn:secure(client, "", name)})
    end
    assert.same({nil, "tls: not a host name"}, {conn:secure(client, "")})
    assert.is_true(conn:secure(client, "", "localhost"))
    assert.has_error(function() conn:secure(client, "", "localhost") end)
    conn:closefd()
    peer:close()
    listener:close()
  end)

  it("owns no descriptor once it is closed", function()
    local conn = core.conn(core.config "client")
    do local _ <close> = conn end
    assert.has_error(function() conn:attach(0) end)
    assert.is_nil(conn:fd())
  end)

  it("does not take a message for its handshake's event", function()
    local client, server = opened()
    client:send("kept", "text")
    move(client, server)
    assert.equal(1, server:poll(1))
    server:taken()
    assert.same({"kept", "text"}, {server:receive()})
  end)

  it("inflates nothing large in feed, and returns a flag for that", function()
    local EVENT, SWELLS = 1, 256
    local client, server = opened {compress = {}}
    for size, swells in pairs {[1 << 20] = true, [300] = false} do
      local message = ("a"):rep(size)
      assert(client:send(message, "text"))
      local bytes = client:output()
      client:sent(#bytes)
      assert.equal(swells, #bytes > 64)
      assert.equal(0, server:feed(bytes:sub(1, -2), 0) & (EVENT | SWELLS))
      assert.equal(swells and SWELLS or EVENT, server:feed(bytes:sub(-1), 1) & (EVENT | SWELLS))
      assert.equal(EVENT, server:poll(1) & EVENT)
      assert.same({message, "text"}, {server:receive()})
    end
  end)

  it("joins the repeated fields of a head, those of Set-Cookie by line feeds", function()
    local conn = core.conn(core.config "server")
    local long = ("v"):rep(3000)
    conn:feed("GET /p HTTP/1.1\r\nHost: a\r\nX-One: 1\r\nSET-COOKIE: a=1, 2\r\nx-one:\r\nEmpty:\r\n"
      .. "X-One: " .. long .. "\r\nset-cookie: b\r\n\r\n")
    assert.equal("request", (conn:handshake()))
    local fields = {host = "a", empty = "", ["x-one"] = "1, , " .. long, ["set-cookie"] = "a=1, 2\nb"}
    assert.same(fields, conn:head().headers)
    for name, value in pairs(fields) do assert.equal(value, conn:head_field(name)) end
    for _, name in ipairs {"", "x-on", "x-ones", "nobody"} do assert.is_nil(conn:head_field(name)) end
    assert.equal("GET /p HTTP/1.1\r\nHost: a\r\nX-One: 1\r\nSET-COOKIE: a=1, 2\r\nx-one: \r\nEmpty: \r\n"
      .. "X-One: " .. long .. "\r\nset-cookie: b\r\n\r\n", conn:head_text())
  end)

  it("keeps the head of a request as it came, from its arrival to the end", function()
    local conn = core.conn(core.config "server")
    local head = "GET /p HTTP/1.1\r\nhost:a\r\nContent-Length: 3\r\nX-One:  1 \r\n\r\n"
    conn:feed("\r\n" .. head:sub(1, 30))
    conn:handshake()
    conn:keep(true)
    assert.is_nil(conn:kept())
    conn:feed(head:sub(31) .. "abc")
    assert.equal("request", (conn:handshake()))
    assert.is_nil(conn:kept())
    conn:keep(true)
    conn:reject(404)
    conn:abort()
    assert.equal(head, conn:kept())
    conn:keep(false)
    assert.is_nil(conn:kept())
  end)

  it("has no head before its handshake's event, nor after a handshake that was broken off", function()
    local text = "GET / HTTP/1.1\r\nHost: a\r\n"
    for _, finish in ipairs {"abort", "eof", "close", "reject"} do
      local conn = core.conn(core.config("server", {pool = false}))
      conn:feed(text)
      conn:handshake()
      assert.is_nil(conn:head())
      if finish == "reject" then
        conn:feed "\r\n"
        assert.equal("request", (conn:handshake()))
        assert.equal("/", conn:head().target)
        conn:reject(404)
      else
        conn[finish](conn)
      end
      conn:handshake()
      for _, name in ipairs {"head", "head_text", "head_target", "chosen"} do
        assert.is_nil(conn[name](conn), finish .. ", " .. name)
      end
      assert.is_nil(conn:head_field "host")
      assert.same({}, conn:offered())
      assert.is_false(conn:is_upgrade())
    end
  end)
end)
