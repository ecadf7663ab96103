-- The results of a server's methods, and the errors of listen.

local websock = require "websock"
local ends = require "support.ends"
local host = require "support.host"

local echo, listen = host.echo, host.listen

describe("server", function()
  before_each(function() host.reports = {} end)
  after_each(function() ends.finish() end)

  describe("count and connections", function()
    it("have the open connections", function()
      local server = listen()
      assert.equal(0, server:count())
      local one = ends.open(server)
      local two = ends.open(server)
      ends.dial(server)
      ends.turn_until(function() return server:count() == 2 end)
      local seen = 0
      for ws in server:connections() do
        assert.equal("open", ws:state())
        seen = seen + 1
      end
      assert.equal(2, seen)
      one:masked("close", "")
      two:reset()
      ends.turn_until(function() return server:count() == 0 end)
      assert.is_nil(server:connections()())
    end)

    it("are a snapshot", function()
      local server = listen()
      for _ = 1, 3 do ends.open(server) end
      ends.turn_until(function() return server:count() == 3 end)
      local seen = 0
      for ws in server:connections() do
        ws:abort()
        seen = seen + 1
      end
      assert.equal(3, seen)
      assert.equal(0, server:count())
    end)

    it("leave out connections that are closing", function()
      local ws, _, server = ends.server()
      assert.equal(1, server:count())
      ws:close(1000, "", 0)
      assert.equal(0, server:count())
    end)
  end)

  describe("listen", function()
    it("raises at the caller's line on wrong options", function()
      local function raises(pattern, options)
        local ok, err = pcall(function()
          websock.listen(options)
          return true
        end)
        assert.is_false(ok)
        assert.matches("^spec/websock/server/server_spec.lua:%d+: " .. pattern, err)
      end
      raises("listen: option 'handler' is required", {port = 0})
      raises("listen: option 'port' is required", {handler = echo})
      raises("listen: unknown option 'prot'", {prot = 1, port = 0, handler = echo})
      raises("listen: option 'port'", {port = -1, handler = echo})
    end)

    it("returns a server with a tostring", function()
      assert.matches("^websock.server", tostring(listen()))
    end)

    it("keeps run going until it is stopped", function()
      local server = listen()
      assert.is_true(websock.step())
      websock.spawn(function() server:stop(0) end)
      websock.run()
    end)
  end)
end)
