-- Very many connections at once, of one process, to spec/soak/server.lua: all are
-- opened, are idle, exchange messages and close; all of this twice. Prints what server
-- and clients hold at each point, for spec/scale_spec.lua.
--
--     scripts/lua spec/soak/crowd.lua PORT CONNECTIONS [compressed]

local socket = require "socket"
local websock = require "websock"
local usage = require "soak.usage"
local Control = require "soak.control"

local port, total = math.tointeger(tonumber(arg[1])), math.tointeger(tonumber(arg[2]))

local compress = arg[3] == "compressed" and {threshold = 0}

local WORKERS = 100   -- connections that are busy at the same time
local SOURCES = 16    -- from 127.0.0.1 on: each has ports of its own

-- Calls f(i) for 1 to n, in WORKERS coroutines; raises if one of them did.
local function each(n, f)
  local me, working, failure = coroutine.running(), WORKERS, nil
  local next_one = 0
  local function work()
    while next_one < n and not failure do
      next_one = next_one + 1
      local ok, err = xpcall(f, debug.traceback, next_one)
      if not ok then failure = err end
    end
    working = working - 1
    if working == 0 then websock.wake(me) end
  end
  for _ = 1, WORKERS do websock.spawn(work) end
  websock.park()
  if failure then error(failure, 0) end
end

local function connect(i)
  local sock = assert(socket.tcp4())
  sock:settimeout(0)
  assert(sock:bind("127.0.0." .. 1 + i % SOURCES, 0))
  local ok, err = sock:connect("127.0.0.1", port)
  if not ok and err ~= "timeout" then error(err, 0) end
  assert(websock.wait(sock, "w", 20))
  return assert(websock.connect("ws://127.0.0.1:" .. port,
    {socket = sock, timeout = 30, protocols = {"echo"}, compress = compress}))
end

local function exchange(ws, message, kind)
  assert((ws.extensions ~= nil) == (compress ~= false), "compression")
  assert(ws:send(message, kind))
  local reply, reply_kind = ws:receive()
  assert(reply == message and reply_kind == kind, "another reply")
end

local function say(point, report)
  print(point .. " " .. usage.encode(report))
end

local crowd = {}

local function open_all(n)
  each(n, function(i) crowd[i] = connect(i) end)
end

local function exchange_all(n)
  each(n, function(i)
    exchange(crowd[i], "häh? " .. i, "text")
    exchange(crowd[i], string.pack(">I4 s4", i, ("\0\255"):rep(i % 300)), "binary")
  end)
end

local function close_all(n)
  each(n, function(i) assert(crowd[i]:close()) end)
  crowd = {}
end

-- Opens and closes n; prints what is held before, meanwhile and after.
local function wave(control, n)
  open_all(n)
  say("idle server", control:report())
  say("idle clients", usage.now())
  exchange_all(n)
  say("quiet server", control:report())
  close_all(n)
end

websock.spawn(function()
  local control = Control.connect(port)
  wave(control, WORKERS)  -- after this everything that is made once exists
  local first = control:settled()
  say("before server", first)
  say("before clients", usage.now())
  for _ = 1, 2 do
    wave(control, total)
    say("after server", control:settled(first.fds))
    say("after clients", usage.now())
  end
  control.ws:close()
  print "done"
end)
websock.on_error = function(_, _, traceback)
  print(traceback)
  os.exit(1)
end
websock.run()
