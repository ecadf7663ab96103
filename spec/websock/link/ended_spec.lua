-- Objects that have ended: closing, stopping or collecting one again does nothing,
-- wherever that is done. The metamethods of every object.

local socket = require "socket"
local websock = require "websock"
local certificates = require "support.certificates"
local ends = require "support.ends"
local look_alike = require "support.look_alike"
local wss = require "support.wss"

local core = websock.core

local function everywhere(f)
  f()
  ends.inside(f)
  ends.inside(function() coroutine.wrap(f)() end)
  ends.inside(function() string.gsub("x", ".", function() f() end) end)
  coroutine.wrap(f)()
end

-- Calls each finalizer of an object, as the collector and a to-be-closed variable
-- would.
local function finalize(object)
  local meta = getmetatable(object)
  meta.__close(object)
  meta.__gc(object)
end

-- Both ends of a connection, by the name of their scheme.
local function pair(scheme)
  local theirs, thread
  local options = {port = 0, handler = function(ws)
    theirs, thread = ws, coroutine.running()
    websock.park()
  end}
  if scheme == "wss" then options.tls = certificates.of "server" end
  local server = ends.listen(options)
  local ours = assert(websock.connect(("%s://localhost:%d"):format(scheme, ends.port(server)),
    {tls = scheme == "wss" and wss.trusting() or nil}))
  ends.turn_until(function() return thread end)
  ends.at_end(function()
    websock.wake(thread)
    ours:abort()
  end)
  return ours, theirs, server, thread
end

describe("an object that has ended", function()
  after_each(function() ends.finish() end)

  for _, scheme in ipairs {"ws", "wss"} do
    it("may be a connection of " .. scheme .. " that was closed", function()
      local ours, theirs = pair(scheme)
      assert.is_true(ours:close(1000, "bye"))
      ends.turn_until(function() return theirs:state() == "closed" end)
      for _, ws in ipairs {ours, theirs} do
        everywhere(function()
          assert.is_true(ws:close())
          assert.is_true(ws:close(1001, "again", 0))
          ws:abort()
          finalize(ws)
          assert.same({1000, "bye", true, "closed"}, {ws.close_code, ws.close_reason, ws.close_clean, ws:state()})
        end)
      end
    end)

    it("may be a connection of " .. scheme .. " that was aborted", function()
      local ours, theirs = pair(scheme)
      ours:abort()
      ends.turn_until(function() return theirs:state() == "closed" end)
      everywhere(function()
        assert.same({nil, "closed", 1006, "aborted"}, {ours:close()})
        ours:abort()
        finalize(ours)
        assert.same({1006, "aborted", false}, {ours.close_code, ours.close_reason, ours.close_clean})
        assert.same({nil, "closed", 1006, theirs.close_reason}, {theirs:close()})
        theirs:abort()
        assert.not_equal("aborted", theirs.close_reason)
      end)
    end)

    it("may be a server of " .. scheme, function()
      local ours, theirs, server, thread = pair(scheme)
      websock.wake(thread)
      server:stop()
      assert.equal("closed", theirs:state())
      ours:abort()
      everywhere(function()
        assert.is_nil(server:stop())
        assert.is_nil(server:stop(0))
        assert.is_nil(server:stop(5))
        finalize(server)
        assert.equal(0, server:count())
        assert.same({nil, "closed"}, {server:getsockname()})
        assert.same({0, 0}, {server:broadcast "nobody"})
      end)
    end)

    it("may be a writer of " .. scheme .. ", whose connection stays open", function()
      local ours = pair(scheme)
      local writer = assert(ours:writer())
      assert(writer:finish "whole")
      everywhere(function()
        finalize(writer)
        assert.equal("open", ours:state())
      end)
      assert(ours:send "after")
    end)

    it("may be a writer whose connection of " .. scheme .. " has ended", function()
      local ours = pair(scheme)
      local writer = assert(ours:writer())
      assert(writer:write "half")
      ours:abort()
      everywhere(function()
        finalize(writer)
        assert.equal("aborted", ours.close_reason)
      end)
    end)
  end

  it("may be a server that never had a connection, or a listener", function()
    for _, options in ipairs {{port = 0}, {port = false}, {unix = certificates.path "ended"}} do
      options.handler = print
      local server = assert(websock.listen(options))
      everywhere(function()
        server:stop()
        finalize(server)
      end)
    end
  end)

  it("may be the loop", function()
    websock.stop()
    websock.stop()
    local ran
    websock.spawn(function() ran = true end)
    assert.is_true(websock.run())
    assert.is_true(ran)
  end)

  it("may be a socket that was given", function()
    local listener = assert(socket.bind("127.0.0.1", 0))
    local _, port = listener:getsockname()
    local mine = assert(socket.connect("127.0.0.1", port))
    local object = look_alike(mine)
    assert.is_nil((websock.connect("ws://a", {socket = object, timeout = 0.01})))
    assert.equal(1, object.calls.close)
    object:close()
    listener:close()
  end)

  it("may be ws:socket(), while and after the connection is open", function()
    local ours = pair "ws"
    ours:socket():close()
    ours:socket():close()
    ours:abort()
    ours:socket():close()
  end)

  it("may be an object of the core", function()
    local poller, timers, lookup = core.poller(), core.timers {}, core.lookup "localhost"
    local conn, tls = core.conn(core.config "client"), core.tls {verify = false}
    for _ = 1, 2 do
      for _, object in ipairs {poller, timers, lookup, conn, tls} do finalize(object) end
      for _, object in ipairs {poller, timers, lookup} do object:close() end
      conn:abort()
      conn:abort "reset"
    end
  end)
end)

describe("every object", function()
  after_each(function() ends.finish() end)

  it("has __name, __tostring, __gc and __close", function()
    local ours, theirs, server = pair "wss"
    local objects = {
      ["websock.connection (open)"] = {ours, theirs}, ["websock.server (1 open)"] = {server},
      ["websock.writer (open)"] = {(assert(ours:writer()))},
      ["websock.tls"] = {websock.tls {verify = false}, core.tls {verify = false}},
      ["websock.tls (with a certificate)"] = {websock.tls(certificates.of "server")},
      ["websock.conn (connecting)"] = {core.conn(core.config "client")},
      ["websock.timers"] = {(core.timers {})}, ["websock.lookup"] = {core.lookup "localhost"},
    }
    for shown, list in pairs(objects) do
      for _, object in ipairs(list) do
        local meta = debug.getmetatable(object)
        assert.equal(shown, (tostring(object):match "^(.-): %S+$"))
        assert.equal(shown:match "^%S+", meta.__name)
        assert.equal("function", type(meta.__gc), shown)
        assert.equal("function", type(meta.__close), shown)
      end
    end
  end)

  it("that is a writer shows when it has ended", function()
    local ours = pair "ws"
    local writer = assert(ours:writer())
    assert(writer:finish())
    assert.matches("^websock.writer %(ended%): ", tostring(writer))
  end)

  it("that is a context of TLS can be used after its __close", function()
    local context
    do
      local inner <close> = assert(websock.tls(wss.trusting()))
      context = inner
    end
    local server = wss.serve()
    wss.assert_echo(assert(websock.connect(wss.url(server), {tls = context})), "still")
  end)
end)
