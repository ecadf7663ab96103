-- The queue of the loop's parts: its order, and interrupted service.

local websock = require "websock"
local allocator = require "support.allocator"
local clock = require "support.clock"
local Queue = require "websock.io.queue"

-- A queue with the numbers from 1 to n.
local function filled(n)
  local queue = Queue.new()
  for i = 1, n do queue:add(i) end
  return queue
end

local function all_of(queue)
  local list = {}
  queue:serve(queue.last, function(value) list[#list + 1] = value end)
  return list
end

describe("a queue", function()
  it("serves in order, up to the given place", function()
    local queue, first = filled(3), {}
    queue:serve(2, function(value) first[#first + 1] = value end)
    assert.same({1, 2}, first)
    assert.is_false(queue:is_empty())
    assert.same({3}, all_of(queue))
    assert.is_true(queue:is_empty())
  end)

  it("serves one, and others until a time", function()
    local queue, served = filled(4), {}
    local at = websock.now() + 10
    local function serve(value)
      served[#served + 1] = value
      if value == 2 then clock.skip(10) end
    end
    queue:serve(queue.last, serve, at)
    assert.same({1, 2}, served)
    queue:serve(queue.last, serve, at)
    assert.same({1, 2, 3}, served)
    assert.same({4}, all_of(queue))
  end)

  it("keeps the values behind one that raised", function()
    local queue = filled(3)
    pcall(queue.serve, queue, queue.last, error)
    assert.same({2, 3}, all_of(queue))
  end)

  it("is unchanged if there was no memory to add to it", function()
    local failed = false
    for n = 1, 16 do
      local queue = filled(n)
      allocator.limit(100)  -- a longer list needs more
      local ok = pcall(queue.add, queue, "another")
      allocator.limit()
      assert.equal(ok and n + 1 or n, queue.last)
      assert.equal(queue.last, #all_of(queue))
      failed = failed or not ok
    end
    assert.is_true(failed)
  end)
end)
