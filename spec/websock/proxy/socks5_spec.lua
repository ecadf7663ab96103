-- SOCKS 5, without a socket.

local answers = require "support.answers"
local tunnel = require "websock.proxy.tunnel"
local url = require "websock.proxy.url"

local plain = assert(url.parse "socks5h://proxy.example")
local with_user = assert(url.parse "socks5h://ada:sesame@proxy.example")

local PLACE = "proxy: socks5h://proxy.example:1080"
local BOUND = "\1\127\0\0\1\0\80"
local OK = "\5\0\5\0\0" .. BOUND
local OK_WITH_USER = "\5\2\1\0\5\0\0" .. BOUND

local function outcome(answer, proxy, host)
  local results, sent
  answers.each(answer, function(source)
    local received, err = tunnel(source, proxy or plain, host or "a.example", 443)
    if received then received = received .. table.concat(source.pieces) end
    results, sent = results or {received, err}, sent or source.sent
    assert.same(results, {received, err})
    assert.equal(sent, source.sent)
  end)
  return results, sent
end

local function assert_says(text, answer, proxy)
  assert.same({nil, PLACE .. text}, (outcome(answer, proxy)))
end

describe("a SOCKS 5 proxy", function()
  it("is asked for a name, or an address", function()
    local function sent(host) return select(2, outcome(OK, plain, host)) end
    assert.equal("\5\1\0" .. "\5\1\0\3\9a.example\1\187", sent "a.example")
    assert.equal("\5\1\0" .. "\5\1\0\1\127\0\0\1\1\187", sent "127.0.0.1")
    assert.equal("\5\1\0" .. "\5\1\0\4" .. ("\0"):rep(15) .. "\1\1\187", sent "::1")
  end)

  it("gets user and password if it asks for them", function()
    assert.same({{""}, "\5\2\0\2" .. "\1\3ada\6sesame" .. "\5\1\0\3\9a.example\1\187"},
      {outcome(OK_WITH_USER, with_user)})
    assert.same({{""}, "\5\2\0\2" .. "\5\1\0\3\9a.example\1\187"}, {outcome(OK, with_user)})
  end)

  it("accepts, and what follows is kept", function()
    local begin = "\5\0\5\0\0"
    for _, bound in ipairs {BOUND, "\4" .. ("\0"):rep(18), "\3\4name\0\80", "\3\0\0\80"} do
      assert.same({""}, (outcome(begin .. bound)))
      assert.same({"behind"}, (outcome(begin .. bound .. "behind")))
    end
  end)

  it("refuses in words", function()
    local words = {"general failure", "not allowed by its rules", "network unreachable",
      "host unreachable", "connection refused", "time to live expired", "command not supported",
      "kind of address not supported", "failure 9", [255] = "failure 255"}
    for reply, text in pairs(words) do
      assert_says(" says: " .. text, "\5\0\5" .. string.char(reply) .. "\0" .. BOUND)
    end
  end)

  it("refuses to let in", function()
    assert_says(" says: user or password refused", "\5\2\1\1", with_user)
    assert_says(" says: no way to authenticate with user and password", "\5\255", with_user)
    assert_says(" says: no connection without authentication (give user and password in its URL)",
      "\5\255")
  end)

  it("sends no SOCKS 5", function()
    local foreign = ": its answer is no SOCKS 5"
    assert_says(foreign, "HTTP/1.1 400 Bad Request\r\n\r\n")
    assert_says(foreign, "\4\0")
    assert_says(foreign, "\5\1")             -- GSSAPI, not offered
    assert_says(foreign, "\5\2")             -- not offered without a user
    assert_says(foreign, "\5\0\4\0\0\1")
    assert_says(foreign, "\5\0\5\0\0\2")     -- no such kind of address
  end)

  it("ends in the middle of its answer", function()
    for answer, proxy in pairs {[OK] = plain, [OK_WITH_USER] = with_user,
      ["\5\0\5\0\0\3\4name\0\80"] = plain} do
      answers.each_beginning(answer, function(source)
        assert.same({nil, PLACE .. ": the connection ended before its answer"},
          {tunnel(source, proxy, "a.example", 443)})
      end)
    end
  end)

  it("cannot carry a name of more than 255 bytes", function()
    assert.same({""}, (outcome(OK, plain, ("a"):rep(255))))
    local source = answers.source {OK}
    assert.same({nil, PLACE .. ": a host's name has 255 bytes at most"},
      {tunnel(source, plain, ("a"):rep(256), 443)})
    assert.equal("", source.sent)
  end)
end)
