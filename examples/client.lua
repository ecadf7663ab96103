-- Talks to an echo server.    lua5.4 examples/client.lua [URL]
local websock = require "websock"

local ws, err, response = websock.connect(arg[1] or "ws://127.0.0.1:8080/")
if not ws then
  io.stderr:write("client: ", err, response and ": " .. tostring(response) or "", "\n")
  os.exit(1)
end

for _, line in ipairs {"hello", "γειά σου", "good-bye"} do
  assert(ws:send(line))
  local answer = assert(ws:receive(5))
  print(answer)
end
assert(ws:close(1000, "done"))
print("closed", ws.close_code, ws.close_reason)
