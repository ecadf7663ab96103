-- Numeric addresses as bytes.

local address = require "websock.proxy.address"

local function hex(host)
  local bytes = address(host)
  return bytes and bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end)
end

describe("an address's bytes", function()
  it("are four of IPv4", function()
    assert.equal("7f000001", hex "127.0.0.1")
    assert.equal("00000000", hex "0.0.0.0")
    assert.equal("ffffffff", hex "255.255.255.255")
  end)

  it("are sixteen of IPv6", function()
    assert.equal(("0"):rep(32), hex "::")
    assert.equal(("0"):rep(31) .. "1", hex "::1")
    assert.equal("fd00" .. ("0"):rep(28), hex "fd00::")
    assert.equal("20010db8000000000000ff0000428329", hex "2001:db8::ff00:42:8329")
    assert.equal("00010002000300040005000600070008", hex "1:2:3:4:5:6:7:8")
    assert.equal("00000000000000000000ffffc0000280", hex "::ffff:192.0.2.128")
  end)

  it("have no zone", function()
    assert.equal("fe80" .. ("0"):rep(27) .. "1", hex "fe80::1%lo")
  end)

  it("are none of a name", function()
    for _, name in ipairs {"localhost", "a.example", "1.2.3.4.5", "1.2.3.256", ":::", "dead.beef"} do
      assert.is_nil(address(name))
    end
  end)
end)
