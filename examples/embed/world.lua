-- The rules of game.c: a line on which players walk. It is loaded again on SIGHUP, with
-- the state that the one before has left.
--
-- From a player, text: "left" or "right".  To all, ten times a second: where they are.
local websock = require "websock"

local state = ...    -- outlives this script; whatever is to be kept is in it
local SPEED = 5      -- change it, send SIGHUP: players feel it at once

state.players = state.players or {}    -- ws -> {x =, way =}
state.time = state.time or 0

function state.on_open(ws)
  state.players[ws] = {x = 0, way = 0}
end

function state.on_message(ws, message)
  local ways = {left = -1, right = 1}
  state.players[ws].way = ways[message] or 0
end

function state.on_close(ws)
  state.players[ws] = nil
end

-- Made once. It calls what `state` holds by then, so that the script that is loaded last
-- serves those who are connected already. A function with a loop around ws:receive would
-- stay what it is until its player leaves.
if not state.server then
  state.server = assert(websock.listen {
    port = math.tointeger(tonumber(os.getenv "PORT" or 8080)),
    on_open = function(ws) state.on_open(ws) end,
    on_message = function(ws, message) state.on_message(ws, message) end,
    on_close = function(ws) state.on_close(ws) end,
  })
  local _, port = state.server:getsockname()
  print("game on ws://127.0.0.1:" .. port .. "/")
  io.stdout:flush()
end

local function positions()
  local list = {}
  for _, player in pairs(state.players) do list[#list + 1] = ("%.1f"):format(player.x) end
  table.sort(list)
  return table.concat(list, " ")
end

local rules = {}

function rules.tick(dt)
  local before = state.time
  state.time = before + dt
  for _, player in pairs(state.players) do player.x = player.x + player.way * SPEED * dt end
  if state.time // 0.1 > before // 0.1 then
    state.server:broadcast(positions(), "text", {slow = "drop"})
  end
end

function rules.stop() state.server:stop(1) end

return rules
