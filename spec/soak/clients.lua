-- The clients of the soak: connections to spec/soak/server.lua that come and go
-- at random (spec/soak/lives.lua) until so many messages are sent. At the end of each
-- quarter all close; then this prints what server and clients hold, for scripts/soak.
--
--     scripts/lua spec/soak/clients.lua PORT MESSAGES SEED

local websock = require "websock"
local lives = require "soak.lives"
local usage = require "soak.usage"
local Control = require "soak.control"

local port, total, seed = math.tointeger(arg[1]), math.tointeger(arg[2]),
  math.tointeger(arg[3])

local WORKERS = 64  -- connections at the same time

-- How often each life is chosen.
local WEIGHTS = {
  talk = 40, fragments = 12, vanish = 12, forget = 4, gossip = 6, chatter = 6,
  stall = 4, break_rule = 8, flood = 4, mumble = 4,
}

local lots = {}
for name, weight in pairs(WEIGHTS) do
  for _ = 1, weight do lots[#lots + 1] = name end
end
table.sort(lots)  -- pairs has no order; the seed has to mean something

local lived, sent = {}, 0
for name in pairs(WEIGHTS) do lived[name] = 0 end

local function live()
  local name = lots[math.random(#lots)]
  local ok, result = xpcall(lives[name], debug.traceback, port)
  if not ok then error(name .. ": " .. result, 0) end
  lived[name] = lived[name] + 1
  sent = sent + result
end

-- Lives, in WORKERS coroutines, until `goal` messages are sent.
local function quarter(goal)
  local me, working = coroutine.running(), WORKERS
  local function work()
    while sent < goal do live() end
    working = working - 1
    if working == 0 then websock.wake(me) end
  end
  for _ = 1, WORKERS do websock.spawn(work) end
  websock.park()
end

local function say(who, report)
  print(who .. " " .. usage.encode(report))
  io.stdout:flush()
end

math.randomseed(seed)
websock.spawn(function()
  local control = Control.connect(port)
  local first = control:settled()
  say("start", first)
  for i = 1, 4 do
    quarter(total * i // 4)
    collectgarbage()  -- forgotten connections end
    say("server", control:settled(first.fds))
    say("clients", usage.now(true))
  end
  say("lived", lived)
  control.ws:close()
end)
websock.on_error = function(_, _, traceback)
  print(traceback)
  os.exit(1)
end
websock.run()
