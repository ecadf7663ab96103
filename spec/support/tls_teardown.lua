-- Ends TLS connections between our client and server at every moment, in every way, for
-- spec/attacks_tls_spec.lua, which runs it as a process: under a sanitizer, and under
-- Valgrind.
--     tls_teardown.lua CERT KEY CA
-- Prints "N endings"; connections that are open then end with the Lua state.

local socket = require "socket"
local websock = require "websock"
local relay = require "support.relay"
local sorted = require "support.sorted"

local cert, key, ca = table.unpack(arg)
local server_tls = {cert = cert, key = key}

-- Turns the loop a few times; the number does not matter.
local function turn(n)
  for _ = 1, n do websock.step(0.001) end
end

-- Begins one life: a server, a relay in front of it, a client that connects.
local function begin()
  local life = {}
  life.server = assert(websock.listen {
    port = 0, tls = server_tls, handshake_timeout = 5, close_timeout = 0.05,
    on_error = function() end,
    handler = function(ws)
      life.theirs = ws
      for message, kind in ws:messages() do ws:send(message, kind) end
    end,
  })
  life.relay = relay.open((select(2, life.server:getsockname())))
  life.tls = websock.tls {ca_file = ca}
  life.thread = websock.spawn(function()
    local url = ("wss://localhost:%d/"):format(life.relay.port)
    life.ours, life.err = websock.connect(url, {tls = life.tls, timeout = 5, close_timeout = 0.05})
    life.tried = true
  end)
  return life
end

-- Turns the loop until the condition is true or the life has ended.
local function until_true(life, done)
  local deadline = websock.now() + 5
  while not done(life) and not life.tried and websock.now() < deadline do websock.step(0.001) end
end

-- The moments: how far the handshake has come, or what the connection is doing.
local MOMENTS = {
  start = function() end,
  connected = function(life) until_true(life, function() return life.relay.sides[1] end) end,
  hello = function(life) until_true(life, function() return life.relay.up > 0 end) end,
  answer = function(life) until_true(life, function() return life.relay.down > 0 end) end,
  finished = function(life) until_true(life, function() return life.relay.up > 600 end) end,
  open = function(life)
    until_true(life, function() return false end)
    turn(3)
  end,
}

function MOMENTS.busy(life)
  MOMENTS.open(life)
  if not life.ours then return end
  life.ours:send(("x"):rep(500000), "binary", {timeout = 0})
  turn(1)
end

function MOMENTS.stuck(life)
  MOMENTS.open(life)
  life.relay.stalled = true
  if not life.ours then return end
  for _ = 1, 3 do life.ours:send(("x"):rep(500000), "binary", {timeout = 0}) end
  turn(2)
end

function MOMENTS.closing(life)
  MOMENTS.open(life)
  life.relay.stalled = true
  if life.ours then life.ours:close(1000, "", 0) end
  turn(2)
end

local function abort_both(life)
  if life.ours then life.ours:abort() end
  if life.theirs then life.theirs:abort() end
end

-- The ways to end.
local ENDINGS = {
  abort = abort_both,
  close = function(life)
    if life.ours then life.ours:close(1000, "", 0) end
    if life.theirs then life.theirs:close(1000, "", 0) end
  end,
  client = function(life) if life.ours then life.ours:abort() end end,
  server = function(life) if life.theirs then life.theirs:abort() end end,
  stop = function(life) life.server:stop(0) end,
  cut = function(life) life.relay:cut() end,
  reset = function(life) life.relay:reset() end,
  garbage = function(life)
    for _, side in ipairs(life.relay.sides) do side:send(("\x17\x03\x03\x00\x05"):rep(20)) end
  end,
  cancel = function(life) coroutine.close(life.thread) end,
  renew = function(life)
    life.server:set_tls(server_tls)
    life.tls = nil
    collectgarbage()
    abort_both(life)
  end,
  collect = function(life)
    life.ours, life.theirs, life.server, life.tls = nil, nil, nil, nil
    collectgarbage()
  end,
  collect_after = function(life)
    abort_both(life)
    life.ours, life.theirs, life.server, life.tls = nil, nil, nil, nil
    collectgarbage()
  end,
  use_after = function(life)
    abort_both(life)
    for _, ws in pairs {life.ours, life.theirs} do
      ws:send "late"
      ws:ping("late", 0)
      ws:receive(0)
      ws:close(1000, "", 0)
      ws:abort()
      ws:buffered()
      ws:getpeername()
    end
  end,
}

local kept, count = {}, 0
debug.getregistry().kept = kept  -- until the state is closed
for _, moment in ipairs(sorted(MOMENTS)) do
  for _, ending in ipairs(sorted(ENDINGS)) do
    local life = begin()
    MOMENTS[moment](life)
    pcall(ENDINGS[ending], life)
    turn(2)
    count = count + 1
    -- leaves every seventh for the end of the state
    if count % 7 == 0 then
      kept[#kept + 1] = life
    else
      life.relay:close()
      if life.server then life.server:stop(0) end
      if life.ours then life.ours:abort() end
    end
    collectgarbage(count % 2 == 0 and "collect" or "step")
  end
end
turn(5)

-- Failed handshakes, whose contexts are dropped at once.
for _ = 1, 5 do
  local listener = assert(socket.bind("127.0.0.1", 0))
  local _, port = listener:getsockname()
  websock.spawn(websock.connect, ("wss://localhost:%s/"):format(port), {timeout = 0.05,
    tls = websock.tls {ca_file = ca}})
  collectgarbage()
  turn(2)
  listener:close()
  turn(2)
end
print(count .. " endings")
