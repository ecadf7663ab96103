-- Ten thousand real connections to one server: no limit at 1,024 descriptors, little
-- memory for each, compressed or not, and nothing left over after their end.

local children = require "soak.children"
local usage = require "soak.usage"

local CONNECTIONS = 10000
local DESCRIPTORS = CONNECTIONS + 200

-- The server's resident memory for an idle connection, everything included.
local KIB_PER_CONNECTION = 3.25
-- How much more a connection may take that is compressed without context takeover:
-- the request, which is kept, is longer by an offer of 0.25 KiB. zlib's streams
-- would be 10 KiB and more.
local KIB_MORE = 1
-- How much more may be held after the second wave than after the first: less than the
-- smallest block of malloc for each connection (312 KiB). A pool keeps receive buffers of
-- 64.5 KiB, more of them if two connections have held half a frame at the same time.
local KIB_LEFT = 200

-- Returns the points that the clients have printed: name -> list of {fds=, lua=, rss=}.
local function points(output)
  local found = {}
  for name, rest in output:gmatch "(%l+ %l+) (%l+=[^\n]+)" do
    found[name] = found[name] or {}
    table.insert(found[name], usage.decode(rest))
  end
  return found
end

local function per_connection(idle, before, what)
  return (idle[what] - before[what]) / CONNECTIONS
end

local function report(point)
  for _, who in ipairs {"server", "clients"} do
    local idle, before = point["idle " .. who][2], point["before " .. who][1]
    print(("%s: %.2f KiB resident an idle connection; %.2f in use, %.2f by Lua")
      :format(who, per_connection(idle, before, "rss"),
        per_connection(idle, before, idle.heap and "heap" or "lua"),
        per_connection(idle, before, "lua")))
  end
end

-- Two waves: in the first, tables grow that never shrink; the second has to need no
-- more.
local function assert_nothing_left(point, who)
  local before, first, second =
    point["before " .. who][1], point["after " .. who][1], point["after " .. who][2]
  assert.equal(before.fds, first.fds, who .. ": descriptors left over")
  assert.equal(before.fds, second.fds, who .. ": descriptors left over")
  for _, what in ipairs {"lua", "heap"} do
    local more = first[what] and second[what] - first[what] or 0
    assert.is_true(more <= KIB_LEFT,
      ("%s: %.0f KiB of %s left over"):format(who, more, what))
  end
end

-- Runs a server and its crowd, both compressed or not; returns the points printed.
local function crowd(...)
  local server <close>, port = children.server(DESCRIPTORS, ...)
  local clients <close> = children.start(DESCRIPTORS, "crowd.lua", port, CONNECTIONS, ...)
  local status, output = clients:wait()
  assert.equal(0, status, output .. server:output())
  local point = points(output)
  for i = 2, 3 do
    assert.equal(CONNECTIONS, point["idle server"][i].count)
    assert.equal(0, point["after server"][i - 1].count)
  end
  assert_nothing_left(point, "server")
  assert_nothing_left(point, "clients")
  return point
end

describe("scale", function()
  local plain

  it("ten thousand connections open, exchange messages and close #slow", function()
    plain = crowd()
    report(plain)
    -- a sanitizer takes memory of its own
    if os.getenv "SANITIZED" then return end
    assert.is_true(per_connection(plain["idle server"][2], plain["before server"][1],
      "rss") <= KIB_PER_CONNECTION, "an idle connection takes too much memory")
  end)

  it("compressed ones take no more, before their first messages and after #slow", function()
    plain = plain or crowd()
    local compressed = crowd "compressed"
    for _, when in ipairs {"idle server", "quiet server"} do
      for _, what in ipairs {"heap", "lua", "rss"} do
        local before, after = plain[when][2], compressed[when][2]
        if before[what] and not os.getenv "SANITIZED" then
          local more = per_connection(after, compressed["before server"][1], what)
            - per_connection(before, plain["before server"][1], what)
          print(("%s: %.3f KiB of %s more a connection"):format(when, more, what))
          assert.is_true(more <= KIB_MORE, when .. ": " .. what)
        end
      end
    end
  end)
end)
