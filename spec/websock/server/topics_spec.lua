-- Topics and their subscribers. Messages that are published arrive as broadcasts do:
-- see broadcast_spec.lua.

local websock = require "websock"
local crowd = require "support.crowd"
local ends = require "support.ends"
local frames = require "support.frames"
local raw = require "support.raw"

-- Returns what each peer has got, in one string.
local function got(server, list)
  local texts = crowd.heard(server, list)
  for i, payloads in ipairs(texts) do texts[i] = table.concat(payloads) end
  return texts
end

local function published(...) return {...} end

describe("topics", function()
  after_each(function() ends.finish() end)

  it("reach all subscribers, and nobody else", function()
    local server, list = crowd.open(3)
    assert.is_true(list[1].ws:subscribe "a")
    assert.is_true(list[2].ws:subscribe "a")
    assert.is_true(list[2].ws:subscribe "b")
    assert.same({2, 0}, published(server:publish("a", "A")))
    assert.same({1, 0}, published(server:publish("b", "B")))
    assert.same({0, 0}, published(server:publish("c", "C")))
    assert.same({"A", "AB", ""}, got(server, list))
  end)

  it("count no subscriber twice", function()
    local server, list = crowd.open(1)
    list[1].ws:subscribe "a"
    list[1].ws:subscribe "a"
    assert.same({1, 0}, published(server:publish("a", "A")))
    list[1].ws:unsubscribe "a"
    assert.same({0, 0}, published(server:publish("a", "A")))
    assert.same({"A"}, got(server, list))
  end)

  it("may be left in any order", function()
    local server, list = crowd.open(4)
    for _, one in ipairs(list) do one.ws:subscribe "a" end
    assert.is_true(list[2].ws:unsubscribe "a")
    assert.is_true(list[2].ws:unsubscribe "a")
    assert.is_true(list[1].ws:unsubscribe "never joined")
    assert.same({3, 0}, published(server:publish("a", "1")))
    list[4].ws:unsubscribe "a"
    list[2].ws:subscribe "a"
    assert.same({3, 0}, published(server:publish("a", "2")))
    assert.same({"12", "2", "12", "1"}, got(server, list))
  end)

  it("attack 13: have no magic names", function()
    local server, list = crowd.open(1)
    for _, name in ipairs {"__index", "__gc", "__mode", "__newindex", "constructor", "n", "",
      "\0\255", ("x"):rep(100000)} do
      assert.same({0, 0}, published(server:publish(name, "no")))
      list[1].ws:subscribe(name)
      assert.same({1, 0}, published(server:publish(name, "y")))
      list[1].ws:unsubscribe(name)
      assert.same({0, 0}, published(server:publish(name, "no")))
    end
    assert.same({("y"):rep(9)}, got(server, list))
  end)

  it("belong to one server", function()
    local one, list = crowd.open(1)
    local other, others = crowd.open(1)
    list[1].ws:subscribe "a"
    others[1].ws:subscribe "a"
    assert.same({1, 0}, published(one:publish("a", "1")))
    assert.same({1, 0}, published(other:publish("a", "2")))
    assert.same({"1"}, got(one, list))
    assert.same({"2"}, got(other, others))
  end)

  local function leaves(how)
    local server, list = crowd.open(2)
    list[1].ws:subscribe "a"
    list[2].ws:subscribe "a"
    how(list[1].ws, list[1].peer)
    assert.same({1, 0}, published(server:publish("a", "A")))
    assert.equal(1, server:count())
    local left = {}
    for ws in server:connections() do left[#left + 1] = ws end
    assert.same(list[2].ws, left[1])
    assert.is_nil(left[2])
    return list[1].ws
  end

  it("are left by a connection that begins to close", function()
    local ws = leaves(function(ws) ws:close(1000, "", 0) end)
    assert.equal("closed", (select(2, ws:subscribe "b")))
    assert.is_true(ws:unsubscribe "a")
  end)

  it("are left by a connection that is aborted", function() leaves(function(ws) ws:abort() end) end)

  it("are left by a connection whose peer closes, or is gone", function()
    leaves(function(ws, peer)
      peer:masked("close", "\3\232")
      ends.turn_until(function() return ws:state() ~= "open" end)
    end)
    leaves(function(ws, peer)
      peer:reset()
      ends.turn_until(function() return ws:state() ~= "open" end)
    end)
  end)

  it("are left by a connection whose peer breaks a rule", function()
    leaves(function(ws, peer)
      peer:plain("text", "unmasked")
      ends.turn_until(function() return ws:state() ~= "open" end)
    end)
  end)

  it("are forgotten when the last subscriber has left", function()
    local server, list = crowd.open(1)
    local ws = list[1].ws
    collectgarbage()
    collectgarbage()
    local before = collectgarbage "count"
    for i = 1, 20000 do
      ws:subscribe("room " .. i)
      ws:unsubscribe("room " .. i)
    end
    collectgarbage()
    collectgarbage()
    assert.is_true(collectgarbage "count" - before < 200)
    assert.equal(1, server:count())
  end)

  it("are joined by connections of accept", function()
    local server = ends.listen {port = false, handler = print}
    local listener <close> = raw.server()
    local peer = raw.client(listener.port)
    ends.at_end(function() peer:close() end)
    peer:send(frames.request())
    local ws = assert(websock.accept(assert(listener:accept()).sock, {server = server}))
    ws:subscribe "a"
    assert.same({1, 0}, published(server:publish("a", "A")))
    assert.same({1, 0}, published(server:broadcast "B"))
    assert(peer:head())
    assert.same({"A", "B"}, {peer:frame().payload, peer:frame().payload})
    ws:abort()
    assert.same({0, 0}, published(server:publish("a", "A")))
  end)

  it("use the max_queue of a connection of accept", function()
    local server = ends.listen {port = false, handler = print}
    local listener <close> = raw.server()
    local peer = raw.client(listener.port)
    ends.at_end(function() peer:close() end)
    peer:send(frames.request())
    websock.accept(assert(listener:accept()).sock, {server = server, max_queue = 10})
    assert.same({1, 0}, published(server:broadcast "12345678"))
    assert.same({1, 0}, published(server:broadcast "exactly ten bytes before"))
    assert.same({0, 1}, published(server:broadcast("x", "text", {slow = "drop"})))
  end)

  it("may be joined by a connection of accept without a server", function()
    local listener <close> = raw.server()
    local peer = raw.client(listener.port)
    ends.at_end(function() peer:close() end)
    peer:send(frames.request())
    local ws = assert(websock.accept(assert(listener:accept()).sock))
    assert.is_true(ws:subscribe "a")
    assert.is_nil(ws.server)
    ws:abort()
  end)

  it("are for connections of servers", function()
    local ws = ends.client()
    assert.error_matches(function() ws:subscribe "a" end, "connections of a server only")
    assert.error_matches(function() ws:unsubscribe "a" end, "connections of a server only")
  end)

  it("are strings", function()
    local server, list = crowd.open(1)
    for _, wrong in ipairs {1, true, {}} do
      assert.error_matches(function() list[1].ws:subscribe(wrong) end, "subscribe: topic: string")
      assert.error_matches(function() list[1].ws:unsubscribe(wrong) end, "topic: string expected")
      assert.error_matches(function() server:publish(wrong, "x") end, "publish: topic: string")
    end
    assert.error_matches(function() list[1].ws:subscribe() end, "string expected, got nil")
  end)
end)
