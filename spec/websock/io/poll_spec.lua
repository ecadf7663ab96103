-- The loop's other back end: the specs that wait for descriptors once more, in
-- processes of their own.

local process = require "support.process"

describe("the poll back end", function()
  if os.getenv "WEBSOCK_POLLER" == "poll" then return end
  for _, name in ipairs {"io/loop", "connection", "client", "handshake", "refusals", "server", "listener", "heartbeat",
    "broadcast", "backpressure", "pong", "held_end", "core/turn", "wss", "deadline"} do
    it("passes spec/websock/" .. name .. "_spec.lua #slow", function()
      local status, output = process.run({"scripts/test", "spec/websock/" .. name .. "_spec.lua"},
        {env = {WEBSOCK_POLLER = "poll"}, timeout = 250})
      assert.equal(0, status, output)
    end)
  end
end)
