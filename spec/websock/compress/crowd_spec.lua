-- Broadcasts and topics for a mixed crowd: receivers without compression, with every
-- size of window, with context takeover and without. Each gets the right bytes,
-- whatever is sent before and after.

local websock = require "websock"
local compressed = require "support.compressed"
local ends = require "support.ends"
local frames = require "support.frames"
local raw = require "support.raw"

-- The terms of each of the crowd; false: no compression.
local KINDS = {
  false,
  {server_no_context_takeover = true, server_max_window_bits = 9},
  {server_no_context_takeover = true, server_max_window_bits = 12},
  {server_no_context_takeover = true, server_max_window_bits = 12},
  {server_no_context_takeover = true},
  {},
  {server_max_window_bits = 9},
  {server_max_window_bits = 8},
  {client_no_context_takeover = true, client_max_window_bits = 9},
}

local bytes = compressed.bytes

-- A server that allows context takeover, and one connection of each kind.
local function open(options)
  local all = {port = 0, compress = compressed.options {threshold = 100}}
  for name, value in pairs(options or {}) do all[name] = value end
  local list, threads = {}, {}
  local last
  function all.handler(ws)
    last = ws
    threads[#threads + 1] = coroutine.running()
    websock.park()
  end
  local server = ends.listen(all)
  ends.at_end(function()
    for _, thread in ipairs(threads) do websock.wake(thread) end
  end)
  for i, agreed in ipairs(KINDS) do
    last = nil
    local peer = ends.open(server, agreed and compressed.field(agreed) or nil)
    ends.turn_until(function() return last end)
    list[i] = compressed.pair("server", last, peer, agreed or {})
    list[i].agreed = agreed
  end
  return server, list
end

local function assert_hears(one, message, kind, where)
  local heard = one:hear()
  assert.equal(kind, heard.kind, where)
  assert.equal(#message, #heard.text, where)
  assert.is_true(message == heard.text, where)
  return heard
end

-- All of them get the message, compressed if that was agreed on and makes it smaller.
local function all_hear(list, message, kind, plain)
  local heard = {}
  for i, one in ipairs(list) do
    heard[i] = assert_hears(one, message, kind, "kind " .. i)
    local expected = one.agreed and #message >= 100 and not plain
    assert.equal(expected, heard[i].compressed, "kind " .. i)
  end
  return heard
end

describe("compressed broadcasts", function()
  teardown(compressed.stop)
  after_each(function() ends.finish() end)

  it("reach everyone as agreed, again and again", function()
    local server, list = open()
    for i, size in ipairs {0, 99, 100, 3000, 3000, 70000, 5, 70000, 3000} do
      local kind = i % 2 == 0 and "text" or "binary"
      local message = bytes(kind == "text" and "json" or "mixed", size, i // 3)
      local delivered, dropped = server:broadcast(message, kind)
      assert.same({#KINDS, 0}, {delivered, dropped})
      all_hear(list, message, kind)
    end
  end)

  it("are built once for a size of window", function()
    local server, list = open()
    local message = bytes("json", 5000)
    server:broadcast(message)
    local heard = all_hear(list, message, "text")
    assert.equal(heard[3].payload, heard[4].payload)
    assert.equal(heard[5].payload, heard[6].payload)
    assert.equal(heard[5].payload, heard[9].payload)
    assert.is_true(#heard[5].payload < #heard[2].payload)
  end)

  it("come between messages for one receiver", function()
    local server, list = open()
    local shared = bytes("random", 2000, 1)
    local own = {}
    for i in ipairs(list) do own[i] = bytes("random", 2000, i + 1) end
    for round = 1, 4 do
      for i, one in ipairs(list) do assert.is_true(one.ws:send(own[i], "binary")) end
      server:broadcast(shared, "binary")
      if round % 2 == 0 then server:broadcast(shared, "binary") end
      for i, one in ipairs(list) do one.ws:send(own[i], "binary", {compress = round ~= 3}) end
      for i, one in ipairs(list) do
        assert_hears(one, own[i], "binary")
        assert_hears(one, shared, "binary")
        if round % 2 == 0 then assert_hears(one, shared, "binary") end
        local last = assert_hears(one, own[i], "binary")
        assert.equal(one.agreed and round ~= 3, last.compressed)
      end
    end
  end)

  it("wait behind a message that is being written", function()
    local server, list = open()
    local text, shared = bytes("json", 4000, 1), bytes("json", 4000, 2)
    for round = 1, 2 do
      local writers = {}
      for i, one in ipairs(list) do
        one.ws:send(text)
        writers[i] = assert(one.ws:writer("text", {compress = i % 3 ~= round}))
        writers[i]:write(text)
      end
      server:broadcast(shared)
      server:broadcast "short"
      for i, one in ipairs(list) do
        writers[i]:write(shared)
        assert.is_true(writers[i]:finish(text))
        one.ws:send(shared)
      end
      for _, one in ipairs(list) do
        assert_hears(one, text, "text")
        assert_hears(one, text .. shared .. text, "text")
        assert_hears(one, shared, "text")
        assert_hears(one, "short", "text")
        assert_hears(one, shared, "text")
      end
    end
  end)

  it("are published to topics", function()
    local server, list = open()
    for i, one in ipairs(list) do
      one.ws:subscribe(i % 2 == 0 and "even" or "odd")
      one.ws:subscribe "all"
    end
    for round = 1, 3 do
      local even, odd, all = bytes("json", 900, round), bytes("json", 900, 10 + round), bytes("mixed", 900, round)
      server:publish("even", even)
      server:publish("odd", odd)
      server:publish("all", all, "binary", {except = list[round].ws})
      for i, one in ipairs(list) do
        assert_hears(one, i % 2 == 0 and even or odd, "text")
        if i ~= round then assert_hears(one, all, "binary") end
      end
    end
  end)

  it("skip a receiver that is too slow, which understands later ones", function()
    local server, list = open {max_queue = 100000}
    local noise, message = bytes("random", 1 << 20), bytes("json", 3000)
    local slow, n = {}, 0
    for i, one in ipairs(list) do
      one.ws:socket():setoption("send-buffer-size", i % 2 == 0 and 4096 or 8 << 20)
      if i % 2 == 0 then one.ws:send(noise, "binary") end
      slow[i] = one.ws:buffered() > 100000
      n = n + (slow[i] and 1 or 0)
    end
    assert.equal(#KINDS // 2, n)
    local delivered, dropped = server:broadcast(message, "text", {slow = "drop"})
    assert.same({#list - n, n}, {delivered, dropped})
    for i, one in ipairs(list) do
      assert_hears(one, slow[i] and noise or message, slow[i] and "binary" or "text")
    end
    for _ = 1, 2 do
      server:broadcast(message)
      all_hear(list, message, "text")
    end
  end)

  it("are right for others when a receiver comes and goes", function()
    local server, list = open()
    local message = bytes("json", 3000)
    for round = 1, 3 do
      local peer = raw.open(ends.port(server), compressed.field {})
      ends.turn_until(function() return server:count() == #KINDS + 1 end)
      server:broadcast(message)
      local extra = compressed.pair("server", nil, peer, {})
      assert_hears(extra, message, "text", "round " .. round)
      all_hear(list, message, "text")
      peer:send(frames.masked("close", "\3\232"))
      ends.turn_until(function() return server:count() == #KINDS end)
      peer:close()
    end
  end)

  it("raise on text that is not UTF-8, and change nothing", function()
    local server, list = open()
    local message = bytes("json", 3000)
    server:broadcast(message)
    assert.is_false((pcall(server.broadcast, server, message .. "\255")))
    server:broadcast(message)
    all_hear(list, message, "text")
    all_hear(list, message, "text")
  end)

  it("go out while a crowd sends back compressed", function()
    local server, list = open()
    local echoes = 0
    for _, one in ipairs(list) do
      websock.spawn(function()
        for received in one.ws:messages() do
          server:broadcast(received)
          echoes = echoes + 1
        end
      end)
    end
    local message = bytes("json", 2000)
    for i, one in ipairs(list) do
      if one.agreed then one:say(message .. i) else one:send {opcode = "text", payload = message .. i} end
    end
    ends.turn_until(function() return echoes == #KINDS end)
    for _, one in ipairs(list) do
      local seen = {}
      for _ = 1, #KINDS do seen[one:hear().text] = true end
      for i = 1, #KINDS do assert.is_true(seen[message .. i], "message " .. i) end
    end
  end)

  -- All that may be done to a connection, in any order; `expected` holds the messages
  -- that each has to get.
  local ACTS = {
    function(_, list, expected, message, kind, i, choice)
      list[i].ws:send(message, kind, {compress = choice})
      table.insert(expected[i], message)
    end,
    function(server, list, expected, message, kind)
      server:broadcast(message, kind)
      for i in ipairs(list) do table.insert(expected[i], message) end
    end,
    function(server, list, expected, message, kind, i)
      server:broadcast(message, kind, {except = list[i].ws})
      for k in ipairs(list) do
        if k ~= i then table.insert(expected[k], message) end
      end
    end,
    function(server, list, expected, message, kind, i, choice)
      local w = assert(list[i].ws:writer(kind, {compress = choice}))
      w:write(message)
      server:broadcast(message, kind)
      w:write ""
      w:finish(message)
      for k in ipairs(list) do
        if k == i then table.insert(expected[k], message .. message) end
        table.insert(expected[k], message)
      end
    end,
  }

  it("are right among all other calls, in any order", function()
    local server, list = open()
    local kinds, choices = {"random", "json", "json", "mixed", "zeros"}, {[1] = true, [2] = false}
    for seed = 1, 5 do
      local state = seed
      local function draw(n)
        state = state * 48271 % 2147483647
        return state % n + 1
      end
      local expected = {}
      for i in ipairs(list) do expected[i] = {} end
      for _ = 1, 40 do
        local message = bytes(kinds[draw(#kinds)], draw(2) == 1 and draw(4000) or draw(300), draw(3))
        ACTS[draw(#ACTS)](server, list, expected, message, "binary", draw(#list), choices[draw(4)])
      end
      for i, one in ipairs(list) do
        for n, message in ipairs(expected[i]) do
          assert_hears(one, message, "binary", ("seed %d, kind %d, message %d"):format(seed, i, n))
        end
      end
    end
  end)
end)
