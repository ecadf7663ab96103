-- Callbacks as options of a server: with which others they may be given, hooks, accept.
-- The calls themselves are tested in spec/websock/link/callbacks_spec.lua.

local websock = require "websock"
local ends = require "support.ends"
local frames = require "support.frames"
local host = require "support.host"
local raw = require "support.raw"

local function nothing() end
local function echo(ws, message, kind) ws:send(message, kind) end

local function raises(message, f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  assert.matches(message, err, 1, true)
end

local function heard(peer) return assert(peer:frame()).payload end

describe("server", function()
  before_each(function() host.reports = {} end)
  after_each(function() ends.finish() end)

  describe("callbacks", function()
    it("replace a handler, and may not be given with one", function()
      raises("listen: option 'handler' does not go with 'on_message'", websock.listen,
        {port = 0, handler = nothing, on_message = nothing})
      raises("listen: option 'handler' is required (or 'on_message')", websock.listen,
        {port = 0})
      raises("serve: option 'handler' does not go with 'on_message'", websock.serve,
        {port = 0, handler = nothing, on_message = nothing})
      raises("accept: unknown option 'handler'", websock.accept, {}, {handler = nothing})
    end)

    it("on_open and on_drain need on_message", function()
      for _, name in ipairs {"on_open", "on_drain"} do
        raises(("listen: option '%s' needs 'on_message'"):format(name), websock.listen,
          {port = 0, handler = nothing, [name] = nothing})
        raises(("accept: option '%s' needs 'on_message'"):format(name), websock.accept, {},
          {[name] = nothing})
      end
    end)

    it("are functions, or tables that can be called", function()
      for _, name in ipairs {"on_message", "on_open", "on_drain", "on_close"} do
        raises(("listen: option '%s': a function expected"):format(name), websock.listen,
          {port = 0, on_message = nothing, [name] = 1})
      end
      local object = setmetatable({}, {__call = function(_, ws, message) ws:send(message) end})
      local peer = ends.open(ends.listen {port = 0, on_message = object})
      peer:masked("text", "called")
      assert.equal("called", heard(peer))
    end)

    for _, hook in ipairs {"authorize", "headers", "protocols"} do
      it("follow a hook that waits: " .. hook, function()
        local server = ends.listen {port = 0, on_message = echo,
          on_open = function(ws) ws:send "open" end,
          [hook] = function()
            websock.sleep(0.01)
            return hook == "authorize" or nil
          end}
        local peer = ends.dial(server)
        peer:send(frames.request() .. frames.masked("text", "early"))
        assert.matches("101", (peer:head()))
        assert.equal("open", heard(peer))
        assert.equal("early", heard(peer))
        peer:masked("text", "late")
        assert.equal("late", heard(peer))
      end)
    end

    it("are not called for refused connections", function()
      local calls = 0
      local function count() calls = calls + 1 end
      local server = ends.listen {port = 0, on_message = count, on_open = count,
        on_close = count, authorize = function() return false end}
      assert.equal(403, host.knock(server))
      for _ = 1, 3 do websock.step(0.01) end
      assert.equal(0, calls)
    end)

    it("of accept are its own, not those of its server", function()
      local server = ends.listen {port = 0, on_message = function() error "the server's" end,
        on_open = function() error "the server's" end}
      local listener <close> = raw.server()
      local peer = raw.client(listener.port)
      peer:send(frames.request() .. frames.masked("text", "early"))
      ends.inside(function()
        local seen
        local ws = assert(websock.accept(assert(listener:accept()).sock, {server = server,
          on_message = echo, on_open = function(ws) seen = ws end}))
        assert.equal("101", assert(peer:head()):match "%d%d%d")
        assert.equal("early", heard(peer))
        assert.equal(ws, seen)
        assert.same({nil, "busy"}, {ws:receive()})
        assert.equal(1, server:count())
        ws:abort()
      end)
      peer:close()
    end)

    it("leave the caller of accept its messages without on_message", function()
      local server = ends.listen {port = 0, on_message = function() error "the server's" end}
      local listener <close> = raw.server()
      local peer = raw.client(listener.port)
      peer:send(frames.request() .. frames.masked("text", "mine"))
      ends.inside(function()
        local ws = assert(websock.accept(assert(listener:accept()).sock, {server = server}))
        assert.equal("mine", (ws:receive()))
        ws:abort()
      end)
      peer:close()
    end)

    it("publish to each other", function()
      local server
      server = ends.listen {port = 0,
        on_open = function(ws) ws:subscribe "all" end,
        on_message = function(ws, message) server:publish("all", message, "text", {except = ws}) end}
      local one, other = ends.open(server), ends.open(server)
      ends.turn_until(function() return server:count() == 2 end)
      one:masked("text", "hello")
      assert.equal("hello", heard(other))
    end)

    it("run in step in the main chunk", function()
      local server = ends.listen {port = 0, on_message = echo}
      local peer = ends.open(server)
      peer:masked("text", "tick")
      ends.turn_until(function() return peer:frame(0) end)
    end)
  end)
end)
