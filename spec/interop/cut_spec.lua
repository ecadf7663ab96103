-- Networks that lose every packet without a word, no reset either, in network namespaces of
-- Linux: a link that is cut, an address that answers nothing.

local process = require "support.process"

-- Runs a script in a namespace of its own; returns its status and output.
local function in_namespace(script)
  local words = {"sh", "-c", [[
    PATH=$PATH:/usr/sbin:/sbin
    root=
    [ "$(id -u)" = 0 ] || root=--map-root-user
    exec unshare --net $root scripts/lua "$1"]], "sh", script}
  local child <close> = process.start(words,
    {env = {LUA_PATH = "spec/?.lua;" .. (os.getenv "LUA_PATH" or ";;")}})
  return child:wait()
end

describe("a link that is cut", function()
  it("is noticed by the heartbeat, and reconnect is back when the link is", function()
    local status, output = in_namespace "spec/support/cut.lua"
    assert.equal("message 1\nnoticed\t1006\tping timeout\naway\ttimeout\nmessage 2\n", output)
    assert.equal(0, status)
  end)
end)

describe("an address that answers nothing", function()
  it("costs the time of the kernel, and no CPU, without a timeout; then the next one is tried", function()
    local status, output = in_namespace "spec/support/unanswered.lua"
    assert.equal("timeout\ttrue\ttrue\n127.0.0.1\ttrue\ttrue\n", output)
    assert.equal(0, status)
  end)
end)
