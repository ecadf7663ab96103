-- The delays between attempts, with chance and the clock of our own.

local backoff = require "websock.client.backoff"
local date = require "websock.client.date"

local DEFAULT = {min = 0.5, max = 60, factor = 2}

describe("backoff.delay", function()
  local random, now = backoff.random, date.now
  local chance

  before_each(function()
    chance = 0
    backoff.random = function() return chance end
    date.now = function() return 784111777 end  -- 06 Nov 1994 08:49:37
  end)

  after_each(function() backoff.random, date.now = random, now end)

  local function delays(o, response)
    local list = {}
    for attempt = 1, 10 do list[attempt] = backoff.delay(o, attempt, response) end
    return list
  end

  local function asking(value) return {headers = {["retry-after"] = value}} end

  it("is anything up to a most that doubles, to 60", function()
    assert.same({0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, delays(DEFAULT))
    chance = 1
    assert.same({0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60}, delays(DEFAULT))
    chance = 0.25
    assert.equal(0.125, backoff.delay(DEFAULT, 1))
    assert.equal(15, backoff.delay(DEFAULT, 100000))
  end)

  it("follows its options", function()
    chance = 1
    assert.same({1, 3, 9, 10, 10, 10, 10, 10, 10, 10}, delays {min = 1, max = 10, factor = 3})
    assert.same({5, 5, 5, 5, 5, 5, 5, 5, 5, 5}, delays {min = 5, max = 5, factor = 1})
  end)

  it("is at least Retry-After, in seconds or as a date", function()
    for value, seconds in pairs {["7"] = 7, ["0"] = 0, ["600"] = 600, ["601"] = 600, [("9"):rep(400)] = 600,
      ["Sun, 06 Nov 1994 08:50:07 GMT"] = 30, ["Sunday, 06-Nov-94 08:50:07 GMT"] = 30,
      ["Sun Nov  6 08:50:07 1994"] = 30, ["Mon, 06 Nov 1995 08:49:37 GMT"] = 600,
      ["Sat, 05 Nov 1994 08:49:37 GMT"] = 0, ["soon"] = 0, [""] = 0, ["-5"] = 0, ["1.5"] = 0} do
      assert.equal(seconds, backoff.delay(DEFAULT, 1, asking(value)), value)
    end
    chance = 1
    assert.same({3, 3, 3, 4, 8, 16, 32, 60, 60, 60}, delays(DEFAULT, asking "3"))
  end)

  it("is spread by the system's generator", function()
    backoff.random = random
    local sum = 0
    for _ = 1, 1000 do
      local delay = backoff.delay(DEFAULT, 2)
      assert.is_true(delay >= 0 and delay < 1)
      sum = sum + delay
    end
    assert.is_true(sum > 400 and sum < 600)  -- else once in 10^27 runs
  end)
end)
