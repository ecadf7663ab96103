-- The servers that run, each of which prints its port when it listens.
local servers = {}

local alive = {}

-- Starts a server on a core: {pipe, pid, port}. It prints its port at the end of a line.
function servers.start(command, core)
  local pipe = assert(io.popen(("echo $$; exec taskset -c %d %s"):format(core, command)))
  local pid, port = pipe:read "l", (pipe:read "l" or ""):match "(%d+)$"
  if not port then error("did not start: " .. command, 0) end
  local server = {pipe = pipe, pid = math.tointeger(pid), port = math.tointeger(port)}
  alive[server] = true
  return server
end

function servers.stop(server)
  alive[server] = nil
  os.execute("kill " .. server.pid)
  server.pipe:close()
end

-- Calls f(...) and stops what is left; raises what it raises.
function servers.guard(f, ...)
  local ok, err = pcall(f, ...)
  for server in pairs(alive) do servers.stop(server) end
  if not ok then error(err, 0) end
end

return servers
