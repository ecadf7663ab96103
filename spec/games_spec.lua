-- examples/game.lua and examples/cluster.lua, started as a reader would start
-- them and played over the wire. The examples' own code parses nothing here.

local http = require "socket.http"
local websock = require "websock"
local process = require "support.process"
local frames = require "support.frames"
local raw = require "support.raw"

local RATE, SNAPSHOTS = 60, 20
local WIDTH, HEIGHT, RADIUS, REACH = 1600, 900, 24, 48
local TOP_SPEED = 480
local LEFT, RIGHT, UP, DOWN = 1, 2, 4, 8

local function example(name, ...)
  return process.start(process.lua("examples/" .. name, ...),
    {env = {LD_PRELOAD = os.getenv "SANITIZED"}})
end

local function port_of(url)
  return math.tointeger(tonumber(url:match ":(%d+)/"))
end

-- A player at the level of the game's messages ---------------------------------

local Player = {}
Player.__index = Player

local function connect(url)
  return setmetatable({ws = assert(websock.connect(url))}, Player)
end

-- Waits for a text that begins with this word; returns the rest of it.
function Player:hear(word)
  while true do
    local message, kind = assert(self.ws:receive(120))
    local rest = kind == "text" and message:match("^" .. word .. "%s?(.*)$")
    if rest then return rest end
  end
end

local function join(url, name)
  local self = connect(url)
  assert(self.ws:send("name " .. name))
  self.id = math.tointeger(tonumber(self:hear "you"))
  return self
end

function Player:hold(keys)
  assert(self.ws:send(string.char(keys), "binary"))
end

local function decode(message)
  local tick, x, y, at = ("<I4ff"):unpack(message)
  local snapshot = {tick = tick, star = {x = x, y = y}, players = {}}
  while at <= #message do
    local id, score, px, py, next_at = ("<I2I2ff"):unpack(message, at)
    snapshot.players[id] = {score = score, x = px, y = py}
    at = next_at
  end
  return snapshot
end

-- The next snapshot; with a test, the first that it accepts.
function Player:watch(test)
  while true do
    local message, kind = assert(self.ws:receive(120))
    local snapshot = kind == "binary" and decode(message)
    if snapshot and (not test or test(snapshot)) then return snapshot end
  end
end

-- id -> name, as soon as `test` accepts it.
function Player:roster(test)
  while true do
    local names = {}
    for id, name in self:hear("players"):gmatch "(%d+) ([^\n]+)" do
      names[math.tointeger(tonumber(id))] = name
    end
    if test(names) then return names end
  end
end

local function has(...)
  local ids = {...}
  return function(snapshot)
    for _, id in ipairs(ids) do
      if not snapshot.players[id] then return false end
    end
    return true
  end
end

local function without(id)
  return function(snapshot) return not snapshot.players[id] end
end

describe("examples/game.lua", function()
  local game, page, url

  before_each(function()
    game = example("game.lua", "0")
    page = game:expect "^game on (http://127%.0%.0%.1:%d+/)\n"
    url = page:gsub("^http", "ws")
  end)

  after_each(function() game:stop() end)

  it("serves its page, and nothing else", function()
    local body, status, headers = http.request(page)
    assert.equal(200, status)
    assert.matches("^<!DOCTYPE html>.*</html>%s*$", body)
    assert.matches("connect%-src 'self'", headers["content-security-policy"])
    local _, missing = http.request(page .. "game.lua")
    assert.equal(404, missing)
  end)

  it("tells all players who plays", function()
    local ada = join(url, "Ada")
    local grace = join(url, "  Grace \n Hopper ")
    assert.not_equal(ada.id, grace.id)
    local expected = {[ada.id] = "Ada", [grace.id] = "Grace Hopper"}
    local function both(names) return names[ada.id] and names[grace.id] end
    assert.same(expected, ada:roster(both))
    assert.same(expected, grace:roster(both))
    assert(grace.ws:send("name " .. ("é"):rep(17)))
    local renamed = ada:roster(function(names) return names[grace.id] ~= "Grace Hopper" end)
    assert.same({[ada.id] = "Ada", [grace.id] = ("é"):rep(16)}, renamed)
    grace.ws:close()
    local left = ada:roster(function(names) return not names[grace.id] end)
    assert.same({[ada.id] = "Ada"}, left)
  end)

  it("sends a snapshot every third tick", function()
    local ada = join(url, "Ada")
    local tick = ada:watch().tick
    for _ = 1, 10 do
      local snapshot = ada:watch()
      assert.equal(tick + RATE // SNAPSHOTS, snapshot.tick)
      tick = snapshot.tick
    end
  end)

  it("ticks at sixty a second", function()
    local ada = join(url, "Ada")
    local from, began = ada:watch().tick, websock.now()
    local to = ada:watch(function(s) return s.tick >= from + 60 end).tick
    -- late on a busy machine, caught up within 0.25 s, but never ahead
    assert.is_true((to - from) / RATE < websock.now() - began + 0.3)
  end)

  it("moves a player that holds a key, and no other", function()
    local ada, grace = join(url, "Ada"), join(url, "Grace")
    local before = grace:watch(has(ada.id, grace.id))
    local a, g = before.players[ada.id], before.players[grace.id]
    local key = a.x < WIDTH / 2 and RIGHT or LEFT
    local way = key == RIGHT and 1 or -1
    ada:hold(key)
    local after = grace:watch(function(snapshot)
      return (snapshot.players[ada.id].x - a.x) * way > 200
    end)
    local moved = after.players[ada.id]
    assert.equal(a.y, moved.y)
    local seconds = (after.tick - before.tick) / RATE
    assert.is_true((moved.x - a.x) * way <= TOP_SPEED * seconds)
    assert.equal(g.x, after.players[grace.id].x)
    assert.equal(g.y, after.players[grace.id].y)
  end)

  it("stops a player that releases the key", function()
    local ada = join(url, "Ada")
    local first = ada:watch(has(ada.id)).players[ada.id]
    ada:hold(first.y < HEIGHT / 2 and DOWN or UP)
    ada:watch(function(s) return s.players[ada.id].y ~= first.y end)
    ada:hold(0)
    local last
    ada:watch(function(snapshot)
      local y = snapshot.players[ada.id].y
      local stands = last and math.abs(y - last) < 0.01
      last = y
      return stands
    end)
  end)

  it("keeps everybody inside the arena #slow", function()
    local ada = join(url, "Ada")
    ada:watch(has(ada.id))
    ada:hold(LEFT | UP)
    ada:watch(function(snapshot)
      local me = snapshot.players[ada.id]
      assert.is_true(me.x >= RADIUS and me.y >= RADIUS)
      return me.x == RADIUS and me.y == RADIUS
    end)
    ada:hold(RIGHT | DOWN)
    ada:watch(function(snapshot)
      local me = snapshot.players[ada.id]
      assert.is_true(me.x <= WIDTH - RADIUS and me.y <= HEIGHT - RADIUS)
      return me.x == WIDTH - RADIUS and me.y == HEIGHT - RADIUS
    end)
  end)

  -- The keys that lead from one place to the other.
  local function towards(x, y, to)
    return (to.x < x - 20 and LEFT or 0) | (to.x > x + 20 and RIGHT or 0)
      | (to.y < y - 20 and UP or 0) | (to.y > y + 20 and DOWN or 0)
  end

  it("gives the star to the player that touches it, and shows another #slow", function()
    local ada = join(url, "Ada")
    local before = ada:watch(has(ada.id))
    local was, held = before.players[ada.id], 0
    local won = ada:watch(function(snapshot)
      local me = snapshot.players[ada.id]
      if me.score > was.score then return true end
      -- where it would come to rest: four snapshots' way further on
      local keys = towards(5 * me.x - 4 * was.x, 5 * me.y - 4 * was.y, snapshot.star)
      if keys ~= held then ada:hold(keys) end
      before, was, held = snapshot, me, keys
      return false
    end)
    local me, step = won.players[ada.id], 2 * TOP_SPEED / SNAPSHOTS
    assert.is_true((me.x - before.star.x) ^ 2 + (me.y - before.star.y) ^ 2
      < (REACH + step) ^ 2)
    assert.not_same(before.star, won.star)
  end)

  it("answers a ping, between the snapshots", function()
    local ada = join(url, "Ada")
    assert(ada.ws:send "ping 123.456")
    assert.equal("123.456", ada:hear "pong")
  end)

  it("ignores what it does not know", function()
    local ada = join(url, "Ada")
    local before = ada:watch(has(ada.id)).players[ada.id]
    assert(ada.ws:send("", "binary"))
    assert(ada.ws:send("\xf0", "binary"))
    assert(ada.ws:send "")
    assert(ada.ws:send "dance all night")
    assert(ada.ws:send "ping here")
    assert.equal("here", ada:hear "pong")
    local after = ada:watch(has(ada.id)).players[ada.id]
    assert.same({before.x, before.y}, {after.x, after.y})
    assert(ada.ws:send(("x"):rep(257)))
    repeat
      local message, err, code = ada.ws:receive(120)
      if not message then assert.same({"closed", 1009}, {err, code}) end
    until not message
  end)

  it("forgets a player that is gone without a Close", function()
    local ada, grace = join(url, "Ada"), join(url, "Grace")
    ada:watch(has(grace.id))
    grace.ws:abort()
    ada:watch(without(grace.id))
  end)

  -- Fills everything between us and the server: what we send and it does not
  -- take any more, since it cannot send what it answers.
  local function flood(peer)
    local pings = frames.masked("text", "ping " .. ("x"):rep(200)):rep(500)
    local from, stuck = 1, 0
    while stuck < 20 do
      local last, err, partial = peer.sock:send(pings, from)
      assert(last or err == "timeout", err)
      local to = last or partial
      stuck = to < from and stuck + 1 or 0
      from = to < #pings and to + 1 or 1
      if not last then websock.sleep(0.01) end
    end
  end

  it("ticks on for the others while one floods it and never reads #slow", function()
    local ada = join(url, "Ada")
    local deaf = raw.open(port_of(page))
    deaf:masked("text", "name Deaf")
    local names = ada:roster(function(names) return next(names, next(names)) end)
    local deaf_id = next(names) ~= ada.id and next(names) or next(names, (next(names)))
    assert.equal("Deaf", names[deaf_id])
    flood(deaf)
    local before = ada:watch(has(deaf_id))
    local way = before.players[ada.id].x < WIDTH / 2 and RIGHT or LEFT
    ada:hold(way)
    local tick, moved = before.tick, before.players[ada.id].x
    for _ = 1, 20 do
      local snapshot = ada:watch()
      assert.equal(tick + RATE // SNAPSHOTS, snapshot.tick)  -- none is missed
      tick = snapshot.tick
    end
    ada:watch(function(snapshot) return snapshot.players[ada.id].x ~= moved end)
    deaf:close()
    ada:watch(without(deaf_id))
  end)

  it("closes everyone with 1001 on SIGTERM and ends with 0", function()
    local ada = join(url, "Ada")
    game:signal "TERM"
    local message, err, code
    repeat message, err, code = ada.ws:receive(120) until not message
    assert.same({"closed", 1001}, {err, code})
    local status, output = game:wait()
    assert.equal(0, status)
    assert.equal("game on " .. page .. "\n", output)
  end)

  it("ends on Ctrl-C too", function()
    game:signal "INT"
    assert.equal(0, (game:wait()))
  end)

  it("says when its port is taken and ends with 1", function()
    local port = port_of(page)
    local second <close> = example("game.lua", port)
    local status, output = second:wait()
    assert.equal(("game: cannot listen on 127.0.0.1:%d: address in use\n"):format(port),
      output)
    assert.equal(1, status)
  end)
end)

describe("examples/cluster.lua", function()
  local N = 3
  local cluster, url

  before_each(function()
    cluster = example("cluster.lua", "0", N)
    url = cluster:expect "cluster on (ws://[^\n]+)\n"
    cluster:expect(("%] worker\n.*"):rep(N - 1))
  end)

  after_each(function() cluster:stop() end)

  -- The processes that have printed something, and how many clients they say they serve.
  local function pids()
    local set, n, serving = {}, 0, 0
    for pid, what in cluster:output():gmatch "%[(%d+)%] (%l+)" do
      n = n + (set[pid] and 0 or 1)
      set[pid] = set[pid] or 0
      if what == "serves" then
        set[pid] = set[pid] + 1
        serving = serving + 1
      end
    end
    return set, n, serving
  end

  local function runs(pid)
    return os.execute(("kill -0 %s 2>/dev/null"):format(pid)) == true
  end

  local function wait_until_gone(set)
    local deadline = websock.now() + 20
    for pid in pairs(set) do
      while runs(pid) and websock.now() < deadline do websock.sleep(0.01) end
      assert.is_false(runs(pid), pid .. " still runs")
    end
  end

  it("spreads connections over its processes", function()
    local clients = {}
    for i = 1, 64 do
      local ws = assert(websock.connect(url))
      assert(ws:send(tostring(i)))
      assert.equal(tostring(i), (ws:receive(120)))
      clients[i] = ws
    end
    local set, n, serving = pids()
    assert.equal(N, n)
    assert.equal(64, serving)
    for pid, count in pairs(set) do
      assert.is_true(count > 0, pid .. " serves nobody")
    end
    for _, ws in ipairs(clients) do assert.is_true(ws:close()) end
  end)

  it("stops them all on SIGTERM, closing everyone with 1001", function()
    local clients = {}
    for i = 1, 16 do clients[i] = assert(websock.connect(url)) end
    local set = pids()
    cluster:signal "TERM"
    for _, ws in ipairs(clients) do
      local message, err, code = ws:receive(120)
      assert.same({nil, "closed", 1001}, {message, err, code})
    end
    assert.equal(0, (cluster:wait()))
    wait_until_gone(set)
  end)

  it("leaves no process behind when it is killed", function()
    local set, n = pids()
    assert.equal(N, n)
    cluster:signal "KILL"
    wait_until_gone(set)
  end)

  it("stops in order when a worker has died before", function()
    local set = pids()
    local victim
    for pid in pairs(set) do
      if tonumber(pid) ~= tonumber(cluster.pid) then victim = pid end
    end
    os.execute("kill -KILL " .. victim)
    cluster:signal "INT"
    assert.equal(0, (cluster:wait()))
    wait_until_gone(set)
  end)
end)
