-- The binding of one connection's state machine (csrc/lua_conn.c and its
-- neighbours): what Lua can do with it in any order. The protocol itself is
-- spec/csrc's.

local core = require "websock.core"

describe("a conn", function()
  it("has no receiver after woken() where nobody has parked", function()
    local conn = core.conn(core.config "server")
    conn:woken()
    assert.is_nil(conn:receiver())
    conn:receiving(true)
    conn:woken()
    assert.is_nil(conn:receiver())
    conn:receiving(false)
    conn:woken()
    assert.is_nil(conn:receiver())
  end)
end)
