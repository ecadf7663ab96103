-- `writer` and `receive_part` move a message that is larger than any memory should be:
-- two processes, each of which says how much its own has grown.

local memory = require "support.memory"
local process = require "support.process"
local websock = require "websock"

local PIECE, PIECES = 65536, 16384  -- 1 GiB
local ALLOWED = 16 * 1024           -- KiB; measured: 1,100 where it is sent, 1,816 where it is received

-- A server in a process of its own, which takes the message in parts and answers with
-- how many bytes it has got, and how much its memory has grown.
local SERVER = ([[
local memory = require "support.memory"
local websock = require "websock"
local server = assert(websock.listen {port = 0, handler = function(ws)
  local total, same = 0, true
  local kib = memory.growth(function()
    local last
    repeat
      local chunk, _
      chunk, _, last = assert(ws:receive_part())
      total = total + #chunk
      same = same and #chunk <= %d
    until last
  end)
  ws:send(("%%d %%d %%s"):format(total, kib, same))
  ws:receive()
  websock.stop()
end})
print("port " .. select(2, server:getsockname()))
io.stdout:flush()
websock.run()
]]):format(PIECE)

describe("a message of 1 GiB #slow", function()
  it("goes through writer and receive_part in constant memory", function()
    local path = os.tmpname()
    local file <close> = assert(io.open(path, "w"))
    file:write(SERVER)
    file:flush()
    local peer <close> = process.start(process.lua(path), {env = {LUA_PATH = package.path,
      LD_PRELOAD = os.getenv "SANITIZED"}})
    local ws <close> = assert(websock.connect("ws://127.0.0.1:" .. peer:expect "port (%d+)" .. "/"))
    local piece = ("x"):rep(PIECE)
    local kib = memory.growth(function()
      local writer <close> = assert(ws:writer "binary")
      for _ = 1, PIECES - 1 do assert(writer:write(piece)) end
      assert(writer:finish(piece))
    end)
    local total, theirs, same = assert(ws:receive(240)):match "^(%d+) (%d+) (%a+)$"
    os.remove(path)
    assert.same({PIECE * PIECES, "true"}, {math.tointeger(tonumber(total)), same})
    assert.is_nil(memory.too_much(kib, ALLOWED))
    assert.is_nil(memory.too_much(tonumber(theirs), ALLOWED))
  end)
end)
