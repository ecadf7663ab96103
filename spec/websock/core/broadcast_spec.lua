-- core.broadcast without memory: a receiver gets the whole message or nothing, none gets
-- it if the call raises, and the frame that all share is freed.

local core = require "websock.core"
local allocator = require "support.allocator"
local frames = require "support.frames"

local SIZE = 5000
local PAYLOAD = ("x"):rep(SIZE)
local SLOW = 250  -- whose list takes more memory than a collection frees here

-- A server's conn after its opening handshake.
local function opened(config)
  local conn = core.conn(config)
  conn:feed(frames.request {})
  assert.equal("request", (conn:handshake()))
  assert(conn:accept())
  conn:sent(#conn:output())
  return conn
end

-- Returns what is queued on a conn, and empties its queue.
local function drain(conn)
  local bytes = ""
  repeat
    local more = conn:output()
    conn:sent(#more)
    bytes = bytes .. more
  until more == ""
  return bytes
end

local function used()
  collectgarbage()
  collectgarbage()
  return allocator.used()
end

-- The cap is set in the protected call: the call itself takes memory.
local function broadcast(cap, conns, turn)
  allocator.cap(cap)
  return core.broadcast(conns, PAYLOAD, "text", turn)
end

describe("a broadcast without memory #heavy", function()
  it("leaves no frame behind, and no part of one", function()
    allocator.limit()  -- it counts from here on
    local config = core.config("server", {pool = false})
    local small = core.config("server", {pool = false, max_queue = 10})
    local conns = {}
    for i = 1, 4 + SLOW do conns[i] = opened(i > 4 and small or config) end
    for i = 5, #conns do
      assert(conns[i]:send("too much is queued already", "text"))
    end
    local frame = frames.build {opcode = "text", payload = PAYLOAD}
    local outcomes, before = {}, nil
    for room = 0, 6 * SIZE, 8 do
      local turn = core.turn({}, {}, {}, print, print, print)
      local now = used()
      before = before or now
      assert.is_true(now <= before + 2048, "after " .. room)
      local ok, delivered, slow = pcall(broadcast, now + room, conns, turn)
      allocator.cap()
      local got = 0
      for i = 1, 4 do
        local bytes = drain(conns[i])
        assert.is_true(bytes == "" or bytes == frame)
        if bytes ~= "" then got = got + 1 end
      end
      if ok then
        assert.equal(got, delivered)
        assert.equal(#conns - got, #slow)
        assert.equal(conns[#conns], slow[#slow])
      else
        assert.matches("not enough memory", delivered)
        assert.equal(0, got)
      end
      outcomes[ok and delivered or "raised"] = true
    end
    assert.is_true(outcomes.raised and outcomes[4])
  end)
end)
