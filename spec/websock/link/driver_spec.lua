-- A socket driven through its methods, against an object that does all that a LuaSec
-- object may do: refuse bytes and expect them unchanged again, need to read before it
-- can write, end without notice.

local core = require "websock.core"
local driver = require "websock.link.driver"
local frames = require "support.frames"

-- A socket object whose receive and send return values from lists.
local function object(receives, sends)
  local self = {taken = "", offers = {}}
  function self.settimeout() end
  function self.receive()
    local next_one = table.remove(receives, 1) or {nil, "timeout", ""}
    return table.unpack(next_one, 1, 3)
  end
  function self.send(_, bytes)
    self.offers[#self.offers + 1] = bytes
    local n, err = table.unpack(table.remove(sends, 1) or {#bytes}, 1, 2)
    self.taken = self.taken .. bytes:sub(1, n)
    if err then return nil, err, n end
    return n
  end
  function self.close() self.closed = true end
  return self
end

local function open_server(receives, sends)
  local link = {conn = core.conn(core.config "server")}
  local sock = object(receives, sends)
  driver.methods.open(link, 0, sock)
  link.conn:feed(frames.request(), 1)
  assert(link.conn:handshake() == "request" and link.conn:accept())
  return link, sock
end

local END, DRY = 32, 64

describe("driver by methods", function()
  it("offers refused bytes again, unchanged, whatever is queued meanwhile", function()
    local link, sock = open_server({}, {{0, "wantwrite"}, {5, "timeout"}})
    assert.is_true(driver.methods.push(link) > 0)
    link.conn:send("later", "text")
    driver.methods.push(link)
    driver.methods.push(link)
    assert.equal(sock.offers[1], sock.offers[2])
    assert.equal(sock.offers[1]:sub(6), sock.offers[3])
    local after = select(3, frames.parse_head(sock.taken))
    assert.equal("later", frames.parse(sock.taken, after).payload)
  end)

  it("returns that nothing is left", function()
    local link = open_server({}, {})
    assert.equal(0, driver.methods.push(link))
    assert.equal(0, driver.methods.push(link))
  end)

  it("drops what cannot be sent", function()
    local link = open_server({}, {{0, "closed"}})
    local left, err = driver.methods.push(link)
    assert.same({nil, "closed"}, {left, err})
    assert.equal(0, link.conn:queued())
  end)

  it("takes partial reads", function()
    local bytes = frames.masked("text", "hello")
    local link = open_server({{nil, "timeout", bytes:sub(1, 3)}, {nil, "wantread", bytes:sub(4)}}, {})
    assert.equal(0, driver.methods.pull(link, 1) & (END | DRY))
    assert.equal(0, driver.methods.pull(link, 1) & (END | DRY))
    assert.equal("hello", (link.conn:receive()))
    assert.equal(DRY, driver.methods.pull(link, 1) & (END | DRY))
  end)

  it("takes the last bytes before the end", function()
    local link = open_server({{nil, "closed", frames.masked("text", "last")}}, {})
    assert.equal(END, driver.methods.pull(link, 1) & END)
    assert.equal("last", (link.conn:receive()))
    assert.same({nil, "closed", 1006, "eof"}, {link.conn:receive()})
  end)

  it("distinguishes an end by error from one in order", function()
    local link = open_server({{nil, "Connection reset by peer", ""}}, {})
    assert.equal(END, driver.methods.pull(link, 1) & END)
    assert.same({nil, "closed", 1006, "reset"}, {link.conn:receive()})
  end)

  it("closes the object, and shuts down if that is possible", function()
    local link, sock = open_server({}, {})
    driver.methods.shutdown(link)
    local how
    function sock.shutdown(_, mode) how = mode end
    driver.methods.shutdown(link)
    assert.equal("send", how)
    driver.methods.close(link)
    assert.is_true(sock.closed)
  end)
end)
