-- The same client as bench/ideal_client.c, with this library.
--
--     scripts/lua bench/client.lua PORT CONNECTIONS SIZE DEPTH SECONDS

local websock = require "websock"

local port, connections, size, depth, seconds = table.unpack(arg)
local url = "ws://127.0.0.1:" .. port
local text = ("x"):rep(tonumber(size))
local counted = 0

local function exchange(ws)
  for _ = 1, tonumber(depth) do ws:send(text) end
  for message in ws:messages() do
    assert(message == text, "another reply")
    counted = counted + 1
    ws:send(text)
  end
end

local function measure()
  websock.sleep(seconds / 5)
  local begun, cpu, began = counted, os.clock(), websock.now()
  websock.sleep(tonumber(seconds))
  local units = counted - begun
  print(("%d %.6f %.4f"):format(units, websock.now() - began,
    (os.clock() - cpu) * 1e6 / units))
  os.exit(true)
end

local all = {}
for i = 1, tonumber(connections) do all[i] = assert(websock.connect(url)) end
for _, ws in ipairs(all) do websock.spawn(exchange, ws) end
websock.spawn(measure)
websock.run()
