-- A link that is cut without a word, in a network namespace of Linux: no packet comes
-- through, and no reset. The heartbeat notices, and `reconnect` comes back with the link.

local process = require "support.process"

describe("a link that is cut", function()
  it("is noticed by the heartbeat, and reconnect is back when the link is", function()
    local words = {"sh", "-c", [[
      PATH=$PATH:/usr/sbin:/sbin
      root=
      [ "$(id -u)" = 0 ] || root=--map-root-user
      exec unshare --net $root scripts/lua spec/support/cut.lua]]}
    local child <close> = process.start(words,
      {env = {LUA_PATH = "spec/?.lua;" .. (os.getenv "LUA_PATH" or ";;")}})
    local status, output = child:wait()
    assert.equal("message 1\nnoticed\t1006\tping timeout\naway\ttimeout\nmessage 2\n", output)
    assert.equal(0, status)
  end)
end)
