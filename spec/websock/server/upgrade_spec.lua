-- Opening handshakes that C answers by itself (csrc/binding/lua_upgrade.c): which they
-- are, and that their answers are those of handshake.lua.

local websock = require "websock"
local ends = require "support.ends"
local frames = require "support.frames"
local handshake = require "websock.server.handshake"
local host = require "support.host"

local listen = host.listen

-- The answer's first line and fields, and whether Lua was asked.
local function open(server, fields, line)
  local answer, asked = handshake.answer, false
  handshake.answer = function(...)
    asked = true
    return answer(...)
  end
  local peer = ends.dial(server)
  peer:send(frames.request(fields, line))
  local first, got = peer:head()
  handshake.answer = answer
  got.date = nil
  return {first:match "%d%d%d", got}, asked, peer
end

-- What both answer: an authorize that passes all leaves it to Lua.
local function same_answers(options, fields, line)
  local answer, asked = open(listen(options), fields, line)
  local all = {authorize = function() return true end}
  for name, value in pairs(options) do all[name] = value end
  assert.same(answer, (open(listen(all), fields, line)))
  return asked, answer
end

local function in_c(...)
  local asked, answer = same_answers(...)
  assert.is_false(asked)
  return answer
end

local function in_lua(...)
  local asked, answer = same_answers(...)
  assert.is_true(asked)
  return answer
end

describe("a usual handshake", function()
  before_each(function() host.reports = {} end)
  after_each(function() ends.finish() end)

  it("comes from no page, or from any where any may connect", function()
    assert.equal("101", in_c({})[1])
    assert.equal("101", in_c({origins = "*"}, {Origin = "http://elsewhere"})[1])
    assert.equal("101", in_c({http = function() return 200 end})[1])
    assert.equal("403", in_lua({}, {Origin = "http://elsewhere"})[1])
  end)

  it("has the first subprotocol of the server's that is offered", function()
    local protocols = {"a", "b", "c"}
    local function chosen(offer)
      return in_c({protocols = protocols}, {["Sec-WebSocket-Protocol"] = offer})[2]["sec-websocket-protocol"]
    end
    assert.equal("b", chosen "c, b")
    assert.equal("a", chosen "x, a")
    assert.is_nil(chosen "x, A, bb")
    assert.is_nil(chosen(nil))
    local name
    local server = listen {protocols = protocols, handler = function(ws) name = ws.protocol end}
    open(server, {["Sec-WebSocket-Protocol"] = "c"})
    ends.turn_until(function() return name end)
    assert.equal("c", name)
  end)

  it("gets the server's header fields, up to eight", function()
    local fields = {}
    for i = 1, 8 do fields[i] = {"X-" .. i, tostring(i)} end
    assert.equal("8", in_c({headers = fields})[2]["x-8"])
    fields[9] = {"X-9", "9"}
    assert.equal("9", in_lua({headers = fields})[2]["x-9"])
  end)

  it("is compressed, where that is agreed on", function()
    local answer = in_c({compress = true}, {["Sec-WebSocket-Extensions"] = "permessage-deflate"})
    assert.matches("^permessage%-deflate", answer[2]["sec-websocket-extensions"])
  end)

  it("comes from the page that was let in last, to the same host", function()
    local server = listen {}
    local function knock(origin, to, line)
      local answer, asked = open(server, {Origin = origin, Host = to}, line)
      return answer[1] .. (asked and " by Lua" or "")
    end
    assert.equal("101 by Lua", knock("http://a", "a"))
    assert.equal("101", knock("http://a", "a"))
    assert.equal("403 by Lua", knock("http://a", "b"))
    assert.equal("403 by Lua", knock("http://b", "a"))
    assert.equal("403 by Lua", knock("http://aa", "aa.example"))
    assert.equal("101 by Lua", knock("http://A", "a"))
    assert.equal("403 by Lua", knock("http://A", "a", "GET http://b/ HTTP/1.1"))
    assert.equal("101", knock("http://A", "a"))
    assert.equal("101 by Lua", knock("http://b", "b", "GET http://b/ HTTP/1.1"))
    assert.equal("101", knock("http://b", "b"))
    assert.equal("101", knock(nil, "c"))
  end)

  it("may have frames behind it in the same packet", function()
    local got = {}
    local server = listen {handler = function(ws)
      for message in ws:messages() do got[#got + 1] = message end
    end}
    local peer = ends.dial(server)
    peer:send(frames.request() .. frames.masked("ping", "p") .. frames.masked("text", "one")
      .. frames.masked("close", "\3\232"))
    assert.matches("101", (peer:head()))
    assert.equal("p", peer:frame().payload)
    assert.equal("\3\232", peer:frame().payload)
    assert.equal("", peer:rest())
    assert.same({"one"}, got)
  end)

  it("is not one that is refused, or cannot be read to its end", function()
    local server = listen {max_connections = 1}
    local answer, asked, peer = open(server)
    assert.same({"101", false}, {answer[1], asked})
    answer, asked = open(server)
    assert.same({"503", true}, {answer[1], asked})
    peer:close()
    ends.turn_until(function() return server:count() == 0 end)
    local half = ends.dial(server)
    half:send(frames.request():sub(1, -3))
    half:shutdown()
    half:rest()
    assert.equal(0, server:count())
    websock.step(0)
    assert.equal(0, #host.reports)
  end)
end)
