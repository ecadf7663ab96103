-- Header fields: conversion of users' tables and lists to flat lists.

local headers = require "websock.base.headers"

local function flat(given) return headers.flatten("test", given) end

describe("headers", function()
  it("are none when nothing is given", function()
    assert.same({}, flat(nil))
    assert.same({}, flat {})
  end)

  it("come from a map in the order of the names", function()
    assert.same({"A", "1", "B", "2", "C", "3"}, flat {C = "3", A = "1", B = "2"})
  end)

  it("are repeated for a list of values", function()
    assert.same({"A", "1", "A", "2"}, flat {A = {"1", "2"}})
    assert.same({}, flat {A = {}})
  end)

  it("come from a list of pairs in its order", function()
    assert.same({"B", "2", "A", "1", "B", "3"}, flat {{"B", "2"}, {"A", "1"}, {"B", "3"}})
  end)

  it("come from both, the pairs first", function()
    assert.same({"B", "2", "A", "1"}, flat {A = "1", {"B", "2"}})
  end)

  it("take numbers as values", function()
    assert.same({"Age", "3"}, flat {Age = 3})
  end)

  it("attack 21: raise on CR, LF and NUL in names and values", function()
    for _, byte in ipairs {"\r", "\n", "\0", "\r\nX: y"} do
      assert.error_matches(function() flat {["A" .. byte] = "1"} end, "CR, LF and NUL")
      assert.error_matches(function() flat {A = "1" .. byte} end, "header 'A': CR, LF and NUL")
      assert.error_matches(function() flat {{"A", byte .. "1"}} end, "header 'A'")
      assert.error_matches(function() flat {A = {"1", byte}} end, "header 'A'")
    end
  end)

  it("raise on wrong types", function()
    assert.error_matches(function() flat "A: 1" end, "test: headers: table expected, got string")
    assert.error_matches(function() flat {"A: 1"} end, "name, value} expected, got string")
    assert.error_matches(function() flat {A = true} end, "header 'A': string expected, got boolean")
    assert.error_matches(function() flat {A = {{}}} end, "header 'A': string expected, got table")
    assert.error_matches(function() flat {[true] = "1"} end, "names are strings, got boolean")
    assert.error_matches(function() flat {{1, "1"}} end, "names are strings, got number")
    assert.error_matches(function() flat {{"A"}} end, "header 'A'")
  end)

  it("are counted, whatever the case", function()
    local list = flat {{"Origin", "Other"}, {"X", "1"}, {"oRIGIN", "2"}}
    assert.same({2, 1, 0}, {headers.count(list, "origin"), headers.count(list, "x"), headers.count(list, "Other")})
    assert.equal(0, headers.count({}, "x"))
  end)

  it("may be indexed in any case", function()
    local fields = headers.any_case {["sec-websocket-key"] = "k"}
    assert.equal("k", fields["sec-websocket-key"])
    assert.equal("k", fields["Sec-WebSocket-Key"])
    assert.equal("k", fields["SEC-WEBSOCKET-KEY"])
    assert.is_nil(fields.Other)
    assert.is_nil(fields[1])
  end)

  it("attack 13: have no magic names", function()
    local fields = headers.any_case {["__index"] = "a", ["__gc"] = "b", constructor = "c"}
    assert.same({"a", "b", "c"}, {fields.__Index, fields.__GC, fields.Constructor})
    assert.is_nil(headers.any_case({}).__index)
    assert.same({"__gc", "1", "__index", "2"}, flat {__index = "2", __gc = "1"})
  end)
end)
