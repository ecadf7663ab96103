-- core.tap: a copy of the bytes that go through connections.

local core = require "websock.core"
local frames = require "support.frames"
local websock = require "websock"

describe("a tap", function()
  local server, url

  before_each(function()
    server = assert(websock.listen {port = 0, handler = function(ws)
      for message, kind in ws:messages() do ws:send(message, kind) end
    end})
    url = "ws://127.0.0.1:" .. select(2, server:getsockname()) .. "/"
  end)

  after_each(function() server:stop() end)

  -- Returns all bytes of each kind.
  local function all(tap)
    local bytes = {new = "", sent = "", received = ""}
    local news = 0
    for what, more in tap.take, tap do
      bytes[what] = bytes[what] .. more
      if what == "new" then news = news + 1 end
    end
    return bytes, news
  end

  it("gets the handshake and the frames, as they are on the wire", function()
    local tap = core.tap()
    assert.is_nil(tap:take())
    local ws = assert(websock.connect(url, {tap = tap}))
    assert(ws:send "hello")
    assert(ws:receive())
    ws:close()
    local bytes, news = all(tap)
    assert.matches("^GET / HTTP/1%.1\r\n.*\r\n\r\n\x81\x85", bytes.sent)
    local _, head = bytes.received:find "^HTTP/1%.1 101 .-\r\n\r\n"
    assert.equal(frames.plain(1, "hello"), bytes.received:sub(head + 1, head + 7))
    assert.equal(1, news)
    assert.is_nil(tap:take())
  end)

  it("gets large messages whole, and outlives its connection", function()
    local tap = core.tap()
    local message = ("0123456789abcdef"):rep(50000)
    do
      local ws = assert(websock.connect(url, {tap = tap}))
      assert(ws:send(message))
      assert.equal(message, (ws:receive(240)))
      ws:close()
    end
    collectgarbage()
    local bytes = all(tap)
    assert.is_truthy(bytes.received:find(message, 1, true))
    assert.is_true(#bytes.sent > #message)
  end)

  it("may be collected before its connection", function()
    local ws = assert(websock.connect(url, {tap = core.tap()}))
    collectgarbage()
    assert(ws:send "hello")
    assert.equal("hello", (ws:receive()))
    ws:close()
  end)

  it("tells several connections apart by their beginnings", function()
    local tap = core.tap()
    for _ = 1, 3 do assert(websock.connect(url, {tap = tap})):close() end
    assert.equal(3, (select(2, all(tap))))
  end)

  it("is what the option is checked for", function()
    for _, wrong in ipairs {true, {}, io.stdout} do
      assert.error_matches(function() websock.connect(url, {tap = wrong}) end,
        "option 'tap': what core%.tap%(%) has returned expected")
    end
  end)

  it("raises once it is closed, and on a second tap", function()
    local tap <close> = core.tap()
    local conn = core.conn(core.config "client")
    tap:attach(conn)
    assert.error_matches(function() core.tap():attach(conn) end, "has a tap")
    getmetatable(tap).__close(tap)
    assert.error_matches(function() tap:take() end, "closed")
  end)
end)
