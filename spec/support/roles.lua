-- The connection in both roles against a wire-level peer, for the specs of its methods.
-- Frames are built and parsed without the library's encoder.

local assert = require "luassert"
local ends = require "support.ends"
local frames = require "support.frames"

local roles = {}

-- How each is made, and how its peer sends frames.
roles.HOW = {
  client = {make = ends.client, say = "plain"},
  server = {make = ends.server, say = "masked"},
}

---Returns a function both(name, [options,] body) that makes one test for each role: it
---runs body(ws, peer, say, frame) in a coroutine; frame(opcode, payload, fin) builds a
---frame of the peer, and say(...) sends it.
---@param it function # busted's
function roles.both(it)
  return function(name, options, body)
    if not body then options, body = nil, options end
    for role, how in pairs(roles.HOW) do
      it(name .. " (" .. role .. ")", function()
        local ws, peer = how.make(options)
        ends.inside(body, ws, peer, function(...) return peer[how.say](peer, ...) end,
          frames[how.say])
      end)
    end
  end
end

---Like error_matches, which removes the position: here it must be in the caller's file.
function roles.raises_here(f, pattern)
  local ok, err = pcall(f)
  local here = debug.getinfo(2, "S").short_src:gsub("%p", "%%%0")
  assert.is_false(ok)
  assert.matches("^" .. here .. ":%d+: .*" .. pattern, err)
end

---The four values of a connection that has ended.
function roles.closed_with(code, reason) return {n = 4, nil, "closed", code, reason} end

---Makes the kernel's buffers small, so that a queue fills.
function roles.narrow(ws)
  ws:socket():setoption("send-buffer-size", 4096)
end

roles.BIG = ("x"):rep(1024 * 1024)

---Reads a message that is one frame.
function roles.read_message(peer) return assert(peer:frame()).payload end

return roles
