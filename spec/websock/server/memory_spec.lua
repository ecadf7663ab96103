-- A server under an allocator with a cap: a handler that takes all the memory is ended,
-- and no other connection is affected.

local process = require "support.process"
local websock = require "websock"

local PLAYERS, ROUNDS = 50, 5

-- Echoes; the handler of a connection that sends "hog" takes all the memory.
local SERVER = [[
local allocator = require "support.allocator"
allocator.limit()
local websock = require "websock"
local function hog()
  local hoard = {}
  while true do hoard[#hoard + 1] = ("x"):rep(%d) .. #hoard end
end
local server = assert(websock.listen {
  port = 0, compress = %s,
  on_error = function(err, ws, traceback)
    print("error", err, ws ~= nil, type(traceback))
    io.stdout:flush()
  end,
%s
})
collectgarbage "%s"
print("port", (select(2, server:getsockname())))
io.stdout:flush()
allocator.cap(%d << 20)
websock.run()
]]

-- The two ways to serve.
local HANDLER = [[
  handler = function(ws)
    local _ <close> = setmetatable({}, {__close = function() ws.left = true end})
    for message, kind in ws:messages() do
      if message == "hog" then hog() end
      ws:send(message, kind)
    end
  end,
]]
local CALLBACKS = [[
  on_message = function(ws, message, kind)
    if message == "hog" then hog() end
    ws:send(message, kind)
  end,
]]

local function port_of(server)
  return tonumber(server:expect("port\t(%d+)"))
end

local function echo(ws, message)
  assert.is_true(ws:send(message))
  local got, err, code, reason = ws:receive(240)
  assert.equal(message, got, ("%s %s %s"):format(err, code, reason))
end

local function play(o)
  local code = SERVER:format(o.piece, o.compress or false, o.way or HANDLER, o.collector, o.cap)
  local server = process.start(process.lua("-e", code), {
    turn = websock.step, env = {LD_PRELOAD = os.getenv "SANITIZED",
      WEBSOCK_POLLER = os.getenv "WEBSOCK_POLLER"}})
  finally(function() server:stop() end)
  local url = ("ws://127.0.0.1:%d/"):format(port_of(server))
  local players = {}
  for i = 1, PLAYERS do
    players[i] = assert(websock.connect(url, {compress = o.compress}))
    echo(players[i], "hello " .. i)
  end
  local glutton = table.remove(players, PLAYERS // 2)
  assert(glutton:send "hog")
  for i, ws in ipairs(players) do assert(ws:send("meanwhile " .. i)) end
  local message, err, status = glutton:receive(240)
  assert.same({nil, "closed", 1011}, {message, err, status})
  for i, ws in ipairs(players) do assert.equal("meanwhile " .. i, (ws:receive(240))) end
  for round = 1, ROUNDS do
    for _, ws in ipairs(players) do echo(ws, ("round %d "):format(round):rep(50)) end
  end
  assert.matches("error\tnot enough memory\ttrue\tstring", server:output())
  for _, ws in ipairs(players) do ws:abort() end
end

describe("lack of memory", function()
  for cap = 6, 16, 2 do
    for _, collector in ipairs {"incremental", "generational"} do
      it(("in a handler affects no other connection, cap %d MiB, %s"):format(cap, collector), function()
        play {cap = cap, collector = collector, piece = 1000}
      end)
      it(("in a callback affects no other connection, cap %d MiB, %s"):format(cap, collector), function()
        play {cap = cap, collector = collector, piece = 1000, way = CALLBACKS}
      end)
    end
  end

  it("in a handler affects no other connection, with pieces of any size and compression", function()
    play {cap = 8, collector = "incremental", piece = 20}
    play {cap = 8, collector = "incremental", piece = 100000}
    play {cap = 12, collector = "generational", piece = 1000, compress = true}
  end)
end)
