-- Answers, and last messages before a Close, that a peer reads slowly: each byte that it
-- accepts puts the deadline off. Each step of the loop comes after a read of the peer,
-- so that a slow machine ends no connection.

local websock = require "websock"
local certificates = require "support.certificates"
local ends = require "support.ends"
local frames = require "support.frames"
local memory = require "support.memory"
local raw = require "support.raw"
local secure = require "support.secure"
local wss = require "support.wss"

local LIMIT = 0.3  -- seconds: every timeout that could cut an answer short
local SIZE = 6 * 1024 * 1024
local BODY = ("0123456789abcdef"):rep(SIZE // 16)

local function dial(server, transport)
  local peer = raw.client(ends.port(server))
  ends.at_end(function() peer:close() end)
  peer.sock:setoption("recv-buffer-size", 16384)
  return transport == "wss" and assert(secure.wrap(peer, {})) or peer
end

local function serve(transport, options)
  options.tls = transport == "wss" and certificates.of "server" or false
  for _, name in ipairs {"handshake_timeout", "ping_timeout", "close_timeout"} do
    options[name] = options[name] or LIMIT
  end
  return wss.serve(options)
end

-- Reads everything, a little at a time, for longer than three limits.
local function read_slowly(peer)
  local pieces, size, begun = {}, 0, websock.now()
  local err
  repeat
    local bytes, why, partial = peer.sock:receive(65536)
    bytes, err = bytes or partial or "", why
    pieces[#pieces + 1], size = bytes, size + #bytes
    local is_early = size / SIZE > (websock.now() - begun) / LIMIT / 3.5
    websock.step(is_early and 0.02 or 0)
  until err and err ~= "timeout"
  assert.is_true(websock.now() - begun > 3 * LIMIT, "it was quick")
  return table.concat(pieces)
end

local function body_of(answer)
  local _, _, from = frames.parse_head(answer)
  return answer:sub(from)
end

local function same(expected, got)
  if expected ~= got then error(("%d bytes of %d"):format(#got, #expected), 2) end
end

local PLAIN = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

describe("draining", function()
  after_each(function() ends.finish() end)

  for _, transport in ipairs {"ws", "wss"} do
    it("an answer reaches a slow reader whole: " .. transport, function()
      local server = serve(transport, {http = function() return 200, nil, BODY end})
      local peer = dial(server, transport)
      peer:send(PLAIN)
      same(BODY, body_of(read_slowly(peer)))
    end)

    it("a refusal reaches it: " .. transport, function()
      local server = serve(transport, {authorize = function() return false, 403, nil, BODY end})
      local peer = dial(server, transport)
      peer:send(frames.request())
      same(BODY, body_of(read_slowly(peer)))
    end)

    it("a last message before a Close reaches it: " .. transport, function()
      local server = serve(transport, {handler = function(ws) ws:send(BODY, "binary") end})
      local peer = dial(server, transport)
      peer:send(frames.request())
      local message, rest = frames.parse(body_of(read_slowly(peer)))
      same(BODY, assert(message).payload)
      assert(rest)
    end)
  end

  it("a Close behind a last message is answered, and the end is clean", function()
    local ws
    local server = serve("ws", {handler = function(connection)
      ws = connection
      ws:send(BODY, "binary")
    end})
    local peer = dial(server, "ws")
    peer:send(frames.request())
    local size = 0
    local begun = websock.now()
    while size < SIZE do
      local bytes, _, partial = peer.sock:receive(65536)
      size = size + #(bytes or partial)
      websock.step(size / SIZE > (websock.now() - begun) / LIMIT / 3 and 0.02 or 0)
    end
    assert.equal("closing", ws:state())
    peer:masked("close", frames.close_payload(1000))
    ends.turn_until(function() return ws.close_code end)
    assert.is_true(ws.close_clean)
  end)

  -- Returns the time from the last byte read until the server gives up.
  local function given_up_after(server, peer, last)
    ends.turn_until(function() return server.n_links == 0 end)
    peer:close()
    return websock.now() - last
  end

  for name, options in pairs {
    ["ping_timeout, for an answer"] = {close_timeout = 60, handshake_timeout = 60,
      http = function() return 200, nil, BODY end},
    ["close_timeout, for a closing handshake"] = {ping_timeout = 60, handshake_timeout = 60,
      handler = function(ws) ws:send(BODY, "binary") end},
  } do
    it("ends when nothing is read for " .. name, function()
      local given = {}
      for key, value in pairs(options) do given[key] = value end
      local server = serve("ws", given)
      local peer, begun = dial(server, "ws"), websock.now()
      peer:send(options.http and PLAIN or frames.request())
      ends.turn_until(function() return server.n_links == 1 end)
      assert.is_true(given_up_after(server, peer, begun) >= LIMIT)
    end)

    it("is put off by a byte read just before: " .. name, function()
      local given = {}
      for key, value in pairs(options) do given[key] = value end
      local server = serve("ws", given)
      local peer, begun = dial(server, "ws"), websock.now()
      peer:send(options.http and PLAIN or frames.request())
      local last = begun
      for i = 1, 4 do
        repeat
          peer.sock:receive(65536)
          last = websock.now()
          websock.step(0.01)
        until last - begun > i * LIMIT * 0.8
      end
      assert.equal(1, server.n_links)
      assert.is_true(given_up_after(server, peer, last) >= LIMIT * 0.9)
    end)
  end

  it("handshake_timeout ends with the last byte of a plain request", function()
    local server = serve("ws", {http = function(request)
      websock.sleep(LIMIT * 2)
      return 200, nil, request.body
    end})
    local peer = dial(server, "ws")
    peer:send "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
    assert.matches(" 200 ", (assert(peer:head())))
    assert.equal("hi", (peer:rest()))
  end)

  it("the call of close ends at close_timeout, and the connection goes on", function()
    local ws, results
    local server = serve("ws", {handler = function(connection)
      ws = connection
      ws:send(BODY, "binary")
      results = table.pack(ws:close())
    end})
    local peer, begun = dial(server, "ws"), websock.now()
    peer:send(frames.request())
    local answer = read_slowly(peer)
    assert.same({n = 2, nil, "timeout"}, results)
    same(BODY, frames.parse(body_of(answer)).payload)
    assert.is_true(websock.now() - begun > 3 * LIMIT)
    assert(ws)
  end)

  it("stop ends at its time, though peers read", function()
    local ws, stopped
    local server = serve("ws", {close_timeout = 60, handler = function(connection)
      ws = connection
      ws:send(BODY:rep(4), "binary")
      websock.park(5 * LIMIT)
    end})
    local peer = dial(server, "ws")
    peer:send(frames.request())
    ends.turn_until(function() return ws end)
    websock.spawn(function()
      server:stop(LIMIT)
      stopped = true
    end)
    while not stopped do
      peer.sock:receive(10000)
      websock.step(0.01)
    end
    assert.equal(0, server.n_links)
    assert.is_nil(ws:getfd())
  end)

  it("answers that nobody reads share their body", function()
    local n, body = 200, ("x"):rep(1 << 20)
    local server = serve("ws", {ping_timeout = 60, http = function() return 200, nil, body end})
    local before = memory.resident()
    local peers = {}
    for i = 1, n do
      peers[i] = dial(server, "ws")
      peers[i]:send(PLAIN)
    end
    local answered = 0
    ends.turn_until(function()
      answered = 0
      for link in pairs(server.links) do
        if link.stage == "closed" then answered = answered + 1 end
      end
      return answered == n
    end)
    collectgarbage()
    assert.is_nil(memory.too_much(memory.resident() - before, n * 1024 // 4))
    server:stop(0)
  end)
end)
