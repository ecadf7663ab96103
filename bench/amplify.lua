-- Measures how long another connection's echo waits while attackers send little that
-- inflates to much: each sends 63 messages of 1 MiB, compressed to 1 KiB.
--
--     scripts/lua bench/amplify.lua ATTACKERS [ECHOES]
--
-- The server, the attackers and the client that waits run in this process; only the
-- server's turns are measured, in CPU time. Prints "attackers, KiB sent, MiB inflated,
-- ms of all turns; ms of those that an echo waited for: p50, longest; and the most MiB
-- that were inflated in them". The last one does not depend on the machine.

local socket = require "socket"
local websock = require "websock"
local core = require "websock.core"

local MESSAGES, MIB = 63, 1 << 20
local nattackers, echoes = tonumber(arg[1]), tonumber(arg[2] or 20)
local spent = 0  -- CPU seconds in turns of the loop

local function turn()
  local began = os.clock()
  websock.step(0)
  spent = spent + os.clock() - began
end

local inflated = 0
local server = assert(websock.listen {port = 0, compress = true, handler = function(ws)
  for message in ws:messages() do
    inflated = inflated + (ws.extensions and #message or 0)
    if not ws.extensions then ws:send(message) end
  end
end})
local port = select(2, server:getsockname())
local config = core.config("client", {compress = {}})
local plain = core.config "client"

-- Turns the loop until something arrives, and returns it.
local function receive(sock)
  while true do
    local bytes, err, partial = sock:receive(4096)
    bytes = bytes or partial
    if bytes ~= "" then return bytes end
    assert(err == "timeout", err)
    turn()
  end
end

-- Opens a connection: returns its socket and core.
local function open(kind)
  local sock, conn = assert(socket.connect("127.0.0.1", port)), core.conn(kind)
  sock:settimeout(0)
  assert(conn:request("localhost", "/"))
  assert(sock:send(conn:output()))
  conn:sent(#conn:output())
  repeat
    conn:feed(receive(sock))
    local event = conn:handshake()
  until event == "open"
  conn:taken()
  return sock, conn
end

local function frame(conn, payload)
  assert(conn:send(payload, "text"))
  local bytes = conn:output()
  conn:sent(#bytes)
  return bytes
end

local victim, conn = open(plain)
local attack, attackers = nil, {}
for i = 1, nattackers do
  local sock, one = open(config)
  attackers[i] = sock
  attack = attack or frame(one, ("a"):rep(MIB)):rep(MESSAGES)
end
for _, sock in ipairs(attackers) do assert(sock:send(attack)) end

local waits, most = {}, 0
spent = 0
for i = 1, echoes do
  local began, before = spent, inflated
  assert(victim:send(frame(conn, "echo")))
  receive(victim)
  waits[i], most = spent - began, math.max(most, inflated - before)
end
table.sort(waits)
while inflated < nattackers * MESSAGES * MIB do turn() end

print(("%9d %9.0f %9d %9.1f %9.2f %9.2f %9.1f"):format(nattackers, #(attack or "") * nattackers / 1024,
  inflated // MIB, spent * 1e3, waits[(#waits + 1) // 2] * 1e3, waits[#waits] * 1e3, most / MIB))
os.exit(true)
