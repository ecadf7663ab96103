-- Runs in a network namespace of its own (spec/interop/cut_spec.lua), whose kernel gives
-- a connect up after three seconds: connects, without a timeout of ours, to an address that
-- answers nothing. Prints what comes of it.

local core = require "websock.core"
local websock = require "websock"

local DEAD, ALIVE = "10.255.0.9", "127.0.0.1"

-- Packets to DEAD come back to this machine, whose address it is not: they are dropped.
for _, command in ipairs {"ip link set lo up", "ip route add 10.255.0.0/24 dev lo",
    "echo 1 >/proc/sys/net/ipv4/tcp_syn_retries"} do
  assert(os.execute(command))
end

local server = assert(websock.listen {port = 0, handler = function(ws) ws:receive() end})
local _, port = server:getsockname()

-- Prints the address reached or the error, whether that took as long as the kernel tries,
-- and whether the CPU has rested meanwhile.
local function try(host, options)
  options.timeout = false
  local time, cpu = websock.now(), os.clock()
  local ws, err = websock.connect(("ws://%s:%d/"):format(host, port), options)
  print(ws and (ws:getpeername()) or err, websock.now() - time >= 2, os.clock() - cpu < 1)
  if ws then ws:abort() end
end

try(DEAD, {})

-- Has every name looked up as "localhost" is, but with both addresses.
local lookup = core.lookup
function core.lookup()
  local real = lookup("localhost", "inet")
  return setmetatable({fd = function() return real:fd() end, take = function()
    return {{host = DEAD, family = "inet"}, {host = ALIVE, family = "inet"}}
  end}, {__close = function() real:close() end})
end
try("two.example", {attempt_delay = false})
server:stop(0)
