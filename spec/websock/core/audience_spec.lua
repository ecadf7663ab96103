-- core.join and core.leave: an audience is a list of conns without gaps, held against a
-- model over random changes, also when these run out of memory.

local core = require "websock.core"
local allocator = require "support.allocator"

local CONNS, CHANGES = 40, 4000

local function new_conns()
  local config, conns = core.config("server", {pool = false}), {}
  for i = 1, CONNS do conns[i] = core.conn(config) end
  return conns
end

-- Whether the list has the conns of the model, each once, and no gap.
local function is_like(audience, model)
  local n, seen = 0, {}
  for _ in pairs(model) do n = n + 1 end
  for i = 1, n do
    local conn = audience[i]
    if not model[conn] or seen[conn] then return false end
    seen[conn] = true
  end
  return #audience == n
end

describe("an audience", function()
  it("is a list without gaps, each conn once", function()
    local conns, audience, model = new_conns(), {}, {}
    for i = 1, CHANGES do
      local conn = conns[math.random(CONNS)]
      -- many come, many leave, in turn, so that the table grows and shrinks
      local comes = math.random(10) <= (i // 200 % 2 == 0 and 8 or 2)
      core[comes and "join" or "leave"](audience, conn)
      model[conn] = comes or nil
      assert.is_true(is_like(audience, model))
    end
  end)

  it("has nothing but conns that it was given", function()
    local audience, conns = {}, new_conns()
    for _, conn in ipairs(conns) do core.join(audience, conn) end
    for _, conn in ipairs(conns) do core.leave(audience, conn) end
    assert.is_nil(next(audience))
    core.leave(audience, conns[1])
    assert.is_nil(next(audience))
    assert.error_matches(function() core.join(audience, {}) end, "websock.conn expected")
    assert.error_matches(function() core.join(nil, conns[1]) end, "table expected")
    assert.error_matches(function() core.leave(audience, io.stdout) end,
      "websock.conn expected")
  end)
end)

-- The cap is set in the protected call: the call itself takes memory.
local function join(room, audience, conn)
  allocator.cap(allocator.used() + room)
  core.join(audience, conn)
end

describe("an audience without memory #heavy", function()
  it("has both entries of a conn, or counts it as absent", function()
    allocator.limit()
    local conns, audience, model, failed = new_conns(), {}, {}, 0
    local function try(room, conn)
      collectgarbage()
      local ok = pcall(join, room, audience, conn)
      allocator.cap()
      failed = failed + (ok and 0 or 1)
      model[conn] = ok or nil
      assert.is_true(is_like(audience, model))
      return ok
    end
    for _, conn in ipairs(conns) do
      local room = 0
      repeat
        local ok = try(room, conn)
        if not ok and room % 512 == 0 then
          core.leave(audience, conn)
          assert.is_true(is_like(audience, model))
        end
        room = room + 256
      until ok
    end
    assert.is_true(failed > 0)
    for _, conn in ipairs(conns) do core.leave(audience, conn) end
    assert.is_nil(next(audience))
  end)
end)
