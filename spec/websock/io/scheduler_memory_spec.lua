-- The scheduler without memory: a step that finds none has not happened.

local allocator = require "support.allocator"
local ends = require "support.ends"
local scheduler = require "websock.io.scheduler"
local websock = require "websock"

-- Spawns a function where the n-th allocation fails. Returns whether that raised.
local function spawn_starved(n)
  local ran, ended = 0, 0
  local owner = {thread_ended = function() ended = ended + 1 end}
  local weak = setmetatable({owner}, {__mode = "v"})
  local ok, err = allocator.fail(n, scheduler.spawn_for, owner, function() ran = ran + 1 end)
  if not ok then assert.matches("not enough memory", err) end
  owner = nil  -- luacheck: ignore 311 (the collector sees it)
  websock.step()
  local expected = ok and 1 or 0
  assert.same({expected, expected}, {ran, ended})
  collectgarbage()
  collectgarbage()
  assert.is_nil(weak[1])  -- the scheduler keeps nothing of it
  return not ok
end

local set_deadline = scheduler.deadline

-- Waits in a thread of the loop where the n-th allocation for the deadline fails.
-- Returns whether that raised; then the thread does not wait, and is resumed after it
-- has yielded by itself.
local function park_starved(n)
  local what, raised, went_on = {}, false, false
  function scheduler.deadline(at)
    local ok, err = allocator.fail(n, set_deadline, at)
    if not ok then error(err, 0) end
  end
  local thread = websock.spawn(function()
    local ok, err = pcall(scheduler.park, websock.now() + 1000, what)
    raised = not ok
    if raised then assert.matches("not enough memory", err) end
    coroutine.yield()
    went_on = true
  end)
  websock.step()
  assert.equal(not raised, scheduler.wake(what, thread))
  ends.turn_until(function() return went_on end)
  return raised
end

-- Calls try(n) for each n until that does not fail. Returns the number of failures.
local function fail_each(try)
  local n = 1
  while try(n) do n = n + 1 end
  return n - 1
end

-- The same with 0 to 16 other threads that wait: an entry more in the scheduler's
-- tables takes memory only where these are full. Returns the most failures.
local function fail_all(try)
  local others, most = {}, 0
  for i = 0, 16 do
    most = math.max(most, fail_each(try))
    others[i] = websock.spawn(websock.park, 1000)
    websock.step()
  end
  for _, thread in pairs(others) do coroutine.close(thread) end
  return most
end

describe("scheduler without memory", function()
  after_each(function()
    scheduler.deadline = set_deadline
    ends.finish()
  end)

  it("spawns a function, or has not", function()
    assert.is_true(fail_all(spawn_starved) > 3)
    assert.is_false(websock.step())
  end)

  it("parks a thread, or has not", function()
    assert.is_true(fail_all(park_starved) > 0)
    assert.is_nil(websock.timeout())
  end)
end)
