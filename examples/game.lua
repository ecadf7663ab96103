-- A game for many: 60 ticks a second in a main loop of its own, which gives
-- websock the time between them. The server alone decides where everybody is;
-- players say only which keys they hold. The page that plays it is on the same
-- port.    lua5.4 examples/game.lua [PORT [HOST]]
--
-- From a player, text:   name NAME · ping WORD
--               binary:  one byte, the keys held: 1 left, 2 right, 4 up, 8 down
-- To a player, text:     you ID · players, then a line "ID NAME" each · pong WORD
--             binary:    a snapshot, 20 a second: HEAD, then a PLAYER each
local websock = require "websock"

local RATE, SNAPSHOTS = 60, 20                -- a second
local DT = 1 / RATE
local WIDTH, HEIGHT, RADIUS = 1600, 900, 24   -- the arena; of players and star
local PUSH, DRAG = 2400, 5                    -- at most 480 a second
local HEAD = "<I4ff"                          -- tick, the star's x and y
local PLAYER = "<I2I2ff"                      -- id, score, x and y
local MAX_NAME = 16                           -- characters

local port = math.tointeger(tonumber(arg[1] or 8080))
local host = arg[2] or "127.0.0.1"
if not port or port < 0 or port > 65535 then
  io.stderr:write("game: not a port: ", arg[1], "\n")
  os.exit(2)
end

local server
local tick, players, star = 0, {}, nil        -- players: id -> player

-- The world -------------------------------------------------------------------

local function somewhere()
  return math.random(RADIUS, WIDTH - RADIUS), math.random(RADIUS, HEIGHT - RADIUS)
end

local function new_star()
  local x, y = somewhere()
  star = {x = x, y = y}
end

-- -1, 0 or 1: which way these two keys push.
local function push(keys, back, forth)
  return (keys & forth ~= 0 and 1 or 0) - (keys & back ~= 0 and 1 or 0)
end

-- One axis: the new place and speed, which ends at a wall.
local function slide(place, speed, way, length)
  speed = speed + (way * PUSH - speed * DRAG) * DT
  place = place + speed * DT
  local inside = math.max(RADIUS, math.min(length - RADIUS, place))
  return inside, inside == place and speed or 0
end

local function move(player)
  local keys = player.keys
  player.x, player.vx = slide(player.x, player.vx, push(keys, 1, 2), WIDTH)
  player.y, player.vy = slide(player.y, player.vy, push(keys, 4, 8), HEIGHT)
  local dx, dy = player.x - star.x, player.y - star.y
  if dx * dx + dy * dy < (2 * RADIUS) ^ 2 then
    player.score = player.score % 65535 + 1
    new_star()
  end
end

local function advance()
  tick = tick + 1
  for _, player in pairs(players) do move(player) end
end

local function snapshot()
  local parts = {HEAD:pack(tick, star.x, star.y)}
  for id, player in pairs(players) do
    parts[#parts + 1] = PLAYER:pack(id, player.score, player.x, player.y)
  end
  return table.concat(parts)
end

-- Players ---------------------------------------------------------------------

-- Sent to all whenever it changes. Unlike a snapshot it may not be missed: who
-- is too slow for it is closed (1008), which is what broadcast does by itself.
local function tell_players()
  local lines = {"players"}
  for id, player in pairs(players) do
    lines[#lines + 1] = id .. " " .. player.name
  end
  server:broadcast(table.concat(lines, "\n"))
end

local last_id = 0
local function free_id()
  repeat last_id = last_id % 65535 + 1 until not players[last_id]
  return last_id
end

local function leave(player)
  if not player.id then return end
  players[player.id] = nil
  tell_players()
end

local function tidy(name)
  name = name:gsub("[%c%s]+", " "):match "^ ?(.-) ?$"
  local cut = utf8.offset(name, MAX_NAME + 1)
  name = cut and name:sub(1, cut - 1) or name
  return name ~= "" and name or "guest"
end

local on = {}    -- first word of a text -> what it does

function on.name(player, name)
  player.name = tidy(name)
  if not player.id then
    player.id = free_id()
    players[player.id] = player
    player.ws:send("you " .. player.id)
  end
  tell_players()
end

-- How long an answer takes is for the page to measure.
function on.ping(player, word)
  player.ws:send("pong " .. word)
end

-- Runs once per connection, in a coroutine of its own, whenever the main loop
-- steps. It may wait: for a player who does not read, `send` does, and then
-- nobody but this player is kept waiting.
local function handler(ws)
  local x, y = somewhere()
  -- <close>: the player leaves however this function ends.
  local player <close> = setmetatable({ws = ws, keys = 0, score = 0,
    x = x, y = y, vx = 0, vy = 0}, {__close = leave})
  for message, kind in ws:messages() do
    if kind == "binary" then
      player.keys = message:byte() or 0
    else
      local what, rest = message:match "^(%l+) (.*)$"
      if on[what] then on[what](player, rest) end
    end
  end
end

-- The server ------------------------------------------------------------------

local file = assert(io.open((arg[0]:match "^.*/" or "") .. "game.html"))
local page = file:read "a"
file:close()
local HEADERS = {
  ["Content-Type"] = "text/html; charset=utf-8",
  ["Cache-Control"] = "no-cache",
  ["Content-Security-Policy"] = "default-src 'none'; script-src 'unsafe-inline'; "
    .. "style-src 'unsafe-inline'; img-src data:; connect-src 'self'; "
    .. "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}

local function http(request)
  if request.path == "/" then return 200, HEADERS, page end
  return 404, {["Content-Type"] = "text/plain"}, "not found\n"
end

local err
server, err = websock.listen {
  host = host, port = port, handler = handler, http = http,
  max_message = 256, max_connections = 500,
  max_queue = 16 * 1024,               -- older snapshots than that help nobody
  ping_interval = 5, ping_timeout = 5, -- who has vanished leaves the arena
}
if not server then
  io.stderr:write(("game: cannot listen on %s:%s: %s\n"):format(host, port, err))
  os.exit(1)
end

local stopping = false
local function stop(name)
  websock.signal(name)                 -- the same again ends at once
  stopping = true
end
for _, name in ipairs {"INT", "TERM"} do websock.signal(name, stop) end

local _, bound = server:getsockname()
print(("game on http://%s:%s/"):format(host, bound))
io.stdout:flush()

-- The main loop ---------------------------------------------------------------

-- Gives websock the time until then. Each step is bounded, whatever one player
-- sends, and with nothing to do it sleeps until something comes or time is up.
local function serve_until(time)
  repeat
    websock.step(math.max(0, time - websock.now()))
  until websock.now() >= time
end

new_star()
local due = websock.now()
while not stopping do
  advance()
  if tick % (RATE // SNAPSHOTS) == 0 then
    -- Never waits. Who cannot keep up misses this one and gets a later.
    server:broadcast(snapshot(), "binary", {slow = "drop"})
  end
  -- A late tick is caught up, but not all that a sleeping machine has missed.
  due = math.max(due + DT, websock.now() - 0.25)
  serve_until(due)
end

-- Here, outside all coroutines, this waits by turning websock's loop itself:
-- everyone gets a close frame, and no more ticks.
server:stop()
