-- The binding of permessage-deflate: settings, arguments and results of a connection's
-- methods. The rules are tested in C.

local core = require "websock.core"

local function move(from, to)
  local bytes = from:output()
  to:feed(bytes)
  from:sent(#bytes)
  return bytes
end

-- A client and a server after their opening handshake.
local function pair(of_client, of_server)
  local client = core.conn(core.config("client", {compress = of_client}))
  local server = core.conn(core.config("server", {compress = of_server}))
  assert(client:request("a", "/"))
  move(client, server)
  assert.equal("request", (server:handshake()))
  assert(server:accept())
  move(server, client)
  assert.equal("open", (client:handshake()))
  client:taken()
  return client, server
end

local function is_compressed(frame)
  return frame:byte() & 0x40 ~= 0
end

describe("core.config", function()
  it("takes only settings in their ranges", function()
    local ranges = {server_max_window_bits = {8, 15}, client_max_window_bits = {8, 15},
      level = {0, 9}, mem_level = {1, 9}}
    for name, range in pairs(ranges) do
      for _, value in ipairs(range) do
        assert(core.config("server", {compress = {[name] = value}}))
      end
      for _, value in ipairs {range[1] - 1, range[2] + 1, math.maxinteger} do
        assert.error_matches(function() core.config("server", {compress = {[name] = value}}) end, name)
      end
      assert.has_error(function() core.config("server", {compress = {[name] = "x"}}) end)
      local accepts_false = pcall(core.config, "server", {compress = {[name] = false}})
      assert.equal(range[2] == 15, accepts_false, name)
      assert.error_matches(function() core.config("server", {compress = {[name] = true}}) end, "number")
    end
    assert.error_matches(function() core.config("client", {compress = {threshold = -1}}) end, "threshold")
  end)
end)

describe("core.conn", function()
  it("returns what was agreed on, also after the end", function()
    local client, server = pair(true, {server_max_window_bits = 10})
    local want = "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
      .. "server_max_window_bits=10; client_max_window_bits=12"
    assert.equal(want, client:extensions())
    assert.equal(want, server:extensions())
    client:abort()
    assert.equal(want, client:extensions())
    client, server = pair(true, false)
    assert.is_nil(client:extensions())
    assert.is_nil(server:extensions())
  end)

  it("compresses by size, or as told", function()
    local client, server = pair({threshold = 10}, {threshold = 20})
    local cases = {{9, nil, false}, {10, nil, true}, {9, true, true}, {10, false, false}}
    for _, case in ipairs(cases) do
      local message = ("a"):rep(case[1])
      client:send(message, "text", nil, false, case[2])
      assert.equal(case[3], is_compressed(move(client, server)))
      assert.equal(message, (server:receive()))
    end
    server:send(("a"):rep(19))
    assert.is_false(is_compressed(move(server, client)))
    server:send(("a"):rep(20))
    assert.is_true(is_compressed(move(server, client)))
  end)

  it("keeps to a writer's first choice", function()
    local client, server = pair(true, true)
    for _, choice in ipairs {true, false} do
      client:send("one ", "text", nil, true, choice)
      assert.equal(choice, is_compressed(move(client, server)))
      client:send("two", "continuation", nil, false, not choice)
      move(client, server)
      assert.equal("one two", (server:receive()))
    end
  end)

  it("outlives its configuration and the pool's users", function()
    local client, server = pair(true, true)
    for i = 1, 20 do
      local other, peer = pair(true, true)
      other:send(("x"):rep(300 * i), "binary", nil, true)
      move(other, peer)
      peer:receive_part()
    end
    collectgarbage()
    collectgarbage()
    client:send(("y"):rep(1000))
    move(client, server)
    assert.equal(("y"):rep(1000), (server:receive()))
  end)
end)
