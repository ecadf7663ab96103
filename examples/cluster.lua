-- An echo server on every core: processes that share one port. The kernel
-- spreads new connections over them (SO_REUSEPORT: Linux, FreeBSD); each says
-- whom it serves.    lua5.4 examples/cluster.lua [PORT [PROCESSES]]
--
-- The process that you start serves too, and starts the others with the words
-- PORT "worker". Their standard input is a pipe from it: when that ends, be it
-- because their parent has died, they stop.
local websock = require "websock"

local port, count = math.tointeger(tonumber(arg[1] or 8080)), arg[2]
if not port or port < 0 or port > 65535 then
  io.stderr:write("cluster: not a port: ", arg[1], "\n")
  os.exit(2)
end

local is_worker = count == "worker"

local function ask(command)
  local pipe <close> = assert(io.popen(command))
  return pipe:read "n"
end

local pid = ask "echo $PPID"   -- the shell's parent, that is us

local function say(...)
  print(("[%d] "):format(pid) .. string.format(...))
  io.stdout:flush()
end

local function handler(ws)
  local remote = ws.request.remote
  say("serves %s:%s", remote.host, remote.port)
  for message, kind in ws:messages() do ws:send(message, kind) end
end

local server, err, place = websock.listen {
  port = port, reuseport = true, handler = handler,
}
if not server then
  io.stderr:write(("cluster: cannot listen on %s: %s\n"):format(place or port, err))
  os.exit(1)
end
local _, bound = server:getsockname()

-- The others ------------------------------------------------------------------

local function quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

-- The command line that this process was started with, up to the script.
local function myself()
  local words, first = {}, 0
  while arg[first - 1] do first = first - 1 end
  for i = first, 0 do words[#words + 1] = quote(arg[i]) end
  return table.concat(words, " ")
end

local workers = {}   -- pipes to them

local function start_workers(n)
  for i = 1, n do
    workers[i] = assert(io.popen(("exec %s %d worker"):format(myself(), bound), "w"))
  end
end

-- A byte tells them: closing a pipe waits for its process, and is for later,
-- when our own connections are closed. The same signal again ends us at once.
local function stop(name)
  if name then websock.signal(name) end
  for _, pipe in ipairs(workers) do
    pipe:write "\n"
    pipe:flush()
  end
  server:stop()
  websock.stop()
end

-- Running ---------------------------------------------------------------------

if is_worker then
  websock.spawn(function()
    websock.wait(0, "r")
    stop()
  end)
  say "worker"
else
  start_workers(math.tointeger(tonumber(count or ask "getconf _NPROCESSORS_ONLN")) - 1)
  say("cluster on ws://127.0.0.1:%d/", bound)
end
for _, name in ipairs {"INT", "TERM"} do websock.signal(name, stop) end
websock.signal("PIPE", function() end)   -- a worker has died before us
local ok = websock.run()
for _, pipe in ipairs(workers) do pipe:close() end
os.exit(ok and 0 or 1, true)
