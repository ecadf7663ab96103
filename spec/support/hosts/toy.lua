-- A scheduler as a user may have one, and the table by which websock knows it. Its
-- coroutines are resumed by `run` only, from the main chunk.

local socket = require "socket"
local Heap = require "support.heap"

local running, yield = coroutine.running, coroutine.yield

local toy = {errors = {}}

local ready, sleeping = {}, Heap.new()
local alive, parked = {}, {}  -- coroutine -> true
local current                 -- the coroutine that runs
local turning = false
local pump, due               -- websock's, and when its next turn is due

local function make_ready(co) ready[#ready + 1] = co end

local function resume(co)
  if coroutine.status(co) == "dead" then  -- somebody has closed it
    alive[co] = nil
    return
  end
  current = co
  local ok, err = coroutine.resume(co, table.unpack(alive[co] or {}))
  current = nil
  if not ok then table.insert(toy.errors, err) end
  alive[co] = coroutine.status(co) ~= "dead" and {} or nil
end

---Runs f(...) in a coroutine, not inside the call.
function toy.spawn(f, ...)
  local co = coroutine.create(f)
  alive[co] = {...}
  make_ready(co)
  return co
end

function toy.pause()
  make_ready(running())
  yield()
end

function toy.sleep(seconds)
  sleeping:insert(socket.gettime() + seconds, running())
  yield()
end

local function unpark(co)
  if not parked[co] then return end
  parked[co] = nil
  make_ready(co)
end

---Forgets a coroutine that has been closed.
function toy.forget(co)
  alive[co], parked[co] = nil, nil
  sleeping:remove(co)
end

local function serve()
  for co in sleeping:due(socket.gettime()) do make_ready(co) end
  local list = ready
  ready = {}
  for _, co in ipairs(list) do
    if alive[co] then resume(co) end
  end
end

-- Seconds until something is due, nil: nothing is.
local function seconds_left()
  if ready[1] then return 0 end
  local first = sleeping:first()
  if due and (not first or due < first) then first = due end
  return first and math.max(0, first - socket.gettime())
end

local function wait()
  local fd = pump and pump.pollfd()
  local seconds = seconds_left()
  if pump and not fd then seconds = math.min(seconds or 0.01, 0.01) end
  socket.select(fd and {{getfd = function() return fd end}} or nil, nil, seconds)
end

local function turn()
  if not pump then return end
  local seconds = pump.turn()
  due = seconds and socket.gettime() + seconds
end

---Until no coroutine is left, and websock has nothing to do.
function toy.run()
  turning = true
  while true do
    serve()
    turn()
    if not next(alive) and not (pump and pump.is_needed()) then break end
    wait()
  end
  turning = false
  if pump then pump.ended() end
  pump = nil
end

toy.adapter = {
  owns = function()
    if not turning then return nil end
    return current == running() and coroutine.isyieldable()
  end,
  park = function(thread)
    parked[thread] = true
    yield()
  end,
  wake = unpark,
  pause = toy.pause,
  spawn = toy.spawn,
  begin = function(its)
    pump, due = its, 0
  end,
  kick = function() due = 0 end,
}

return toy
