-- The existing name that an unknown one most likely stands for.

local nearest = require "websock.base.nearest"

local NAMES = {port = 1, host = 1, timeout = 1, ping_timeout = 1, ping_interval = 1, tls = 1, handler = 1}

describe("nearest", function()
  it("finds names with a letter more, less, changed or swapped", function()
    for wrong, meant in pairs {ports = "port", por = "port", pork = "port", prot = "port",
      ping_intreval = "ping_interval", ["ping_intervals"] = "ping_interval", tl = "tls", tsl = "tls"} do
      assert.equal(meant, nearest(wrong, NAMES), wrong)
    end
  end)

  it("looks at letters and digits only, in any case", function()
    for _, wrong in ipairs {"pingTimeout", "PING_TIMEOUT", "ping-timeout", "ping timeout", "pingtimeout"} do
      assert.equal("ping_timeout", nearest(wrong, NAMES))
    end
  end)

  it("finds nothing if nothing is near", function()
    for _, wrong in ipairs {"", "x", "poltt", "colour", "h", "ssl", ("x"):rep(1000)} do
      assert.is_nil(nearest(wrong, NAMES), wrong)
    end
  end)

  it("takes the nearest, and of two equally near the first in the alphabet", function()
    assert.equal("timeout", nearest("timeouts", NAMES))
    assert.equal("aab", nearest("aaa", {aac = 1, aab = 1}))
  end)

  it("allows more changes in longer names: a third of the length", function()
    assert.equal("abcdef", nearest("abcdxx", {abcdef = 1}))
    assert.is_nil(nearest("abcxxx", {abcdef = 1}))
    assert.is_nil(nearest("abxxe", {abcde = 1}))
  end)
end)
