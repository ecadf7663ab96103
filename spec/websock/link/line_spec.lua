-- Lines of threads that wait for a link: their order, and threads that wait no more.

local Line = require "websock.link.line"

-- A link for which all threads wait but those in `gone`.
local function link_of(gone)
  local link = {woken = {}, loop = {}}
  function link.loop.waits_for(_, thread) return not (gone and gone[thread]) end
  function link.loop.wake(_, thread) table.insert(link.woken, thread) end
  return link
end

local function threads(n)
  local list = {}
  for i = 1, n do list[i] = coroutine.create(print) end
  return list
end

local function line_of(list)
  local line = Line.new()
  for _, thread in ipairs(list) do line:join(thread) end
  return line
end

describe("a line", function()
  it("has a first thread, and another when that one leaves", function()
    local list = threads(3)
    local line, link = line_of(list), link_of()
    assert.equal(list[1], line:head(link))
    assert.is_true(line:is_first(list[1]))
    line:leave(list[1])
    assert.is_true(line:is_first(list[2]))
    line:leave(list[3])
    line:leave(list[2])
    assert.is_false(line:is_first(list[2]))
    assert.is_nil(line:head(link))
  end)

  it("adds a thread before all others, also if it is empty", function()
    local list = threads(3)
    local line, link = Line.new(), link_of()
    for i = 1, 3 do
      line:join(list[i], true)
      assert.equal(list[i], line:head(link))
    end
    line:wake(link)
    assert.same({list[3], list[2], list[1]}, link.woken)
  end)

  it("forgets those at its head that wait no more", function()
    local list = threads(4)
    local line = line_of(list)
    local link = link_of {[list[1]] = true, [list[2]] = true, [list[4]] = true}
    assert.equal(list[3], line:head(link))
    line:leave(list[3])
    assert.is_nil(line:head(link))
    line:join(list[3])
    assert.equal(list[3], line:head(link))
  end)

  it("keeps no thread alive", function()
    local list = threads(4)
    local line, link = line_of(list), link_of()
    list[1], list[3] = nil, nil
    collectgarbage()
    collectgarbage()
    assert.is_true(line:is_first(list[2]))
    assert.equal(list[2], line:head(link))
    line:wake(link)
    assert.same({list[2], list[4]}, link.woken)
  end)
end)
