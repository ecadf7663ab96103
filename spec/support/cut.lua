-- Runs in a network namespace of its own (spec/interop/cut_spec.lua): a client of
-- `reconnect` whose link is cut without a word, and comes back. Prints what it sees.

local websock = require "websock"

local function link(state)
  assert(os.execute("ip link set lo " .. state))
end

link "up"

local server = assert(websock.listen {port = 0, ping_interval = false, handler = function(ws)
  for message in ws:messages() do ws:send(message) end
end})
local _, port = server:getsockname()
local options = {ping_interval = 0.5, ping_timeout = 0.5, timeout = 2, backoff = {min = 0.01, max = 0.1}}

local is_cut = false
function options.on_retry(err, _, _, _, ws)
  if ws then
    print("noticed", ws.close_code, ws.close_reason)
    return
  end
  if is_cut then
    print("away", (err:match "^%l+"))
    link "up"
    is_cut = false
  end
end

local n = 0
for ws in websock.reconnect(("ws://127.0.0.1:%d/"):format(port), options) do
  n = n + 1
  assert(ws:send("message " .. n))
  print((ws:receive(60)))
  if n == 2 then break end
  is_cut = true
  link "down"
  ws:receive()
end
server:stop(1)
