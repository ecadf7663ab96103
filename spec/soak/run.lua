-- The soak: starts server and clients, prints what they hold after each quarter and
-- checks it. Its last line is "N passed, N failed". scripts/soak runs it.
--
--     scripts/lua spec/soak/run.lua [MESSAGES [SEED]]

local children = require "soak.children"
local usage = require "soak.usage"

local messages, seed = arg[1] or "1000000", arg[2] or tostring(os.time())

-- How many KiB more may be held at the end than after the first quarter, when tables and
-- the heap have their size. A leak of a few bytes a message or a connection is far
-- above this at the end.
local ALLOWED = {lua = 64, heap = 128, rss = 1024}

local passed, failed = 0, 0

local function check(ok, what, ...)
  if ok then
    passed = passed + 1
  else
    failed = failed + 1
    print("FAIL " .. what:format(...))
  end
end

-- Runs the clients; prints their output and returns it:
-- first word -> list of {name = number}.
local function run_clients(port)
  local points = {start = {}, server = {}, clients = {}, lived = {}}
  local pipe = assert(io.popen(("exec scripts/lua spec/soak/clients.lua %d %s %s 2>&1")
    :format(port, messages, seed)))
  for line in pipe:lines() do
    print(line)
    local list = points[line:match "^%l+"]
    if list then list[#list + 1] = usage.decode(line) end
  end
  return pipe:close(), points
end

local function check_flat(who, quarters)
  local first, last = quarters[1], quarters[4]
  for what, allowed in pairs(ALLOWED) do
    if first[what] then
      check(last[what] - first[what] <= allowed, "%s: %s grew by %d KiB", who, what,
        last[what] - first[what])
    end
  end
  check(last.fds == first.fds, "%s: %d descriptors, then %d", who, first.fds, last.fds)
end

local function check_all(points)
  local start, last = points.start[1], points.server[4]
  check_flat("server", points.server)
  check_flat("clients", points.clients)
  check(last.fds == start.fds, "server: %d descriptors left over", last.fds - start.fds)
  check(last.count == 0, "server: %d connections left over", last.count)
  check(last.received > 0 and last.delivered > 0, "nothing was received or published")
  check(last.dropped > 0, "nobody was too slow")
  for name, times in pairs(points.lived[1]) do
    check(times > 0, "no connection lived the life '%s'", name)
  end
end

print(("%s messages, seed %s; KiB"):format(messages, seed))
local server <close>, port = children.server(1000, "quick")
local ended, points = run_clients(port)
check(ended and points.lived[1], "the clients did not get to the end")
if failed == 0 then check_all(points) end
check(server:output():match "^port %d+\n$", "the server had errors:\n%s", server:output())
print(("%d passed, %d failed"):format(passed, failed))
server:stop()
os.exit(failed == 0)
