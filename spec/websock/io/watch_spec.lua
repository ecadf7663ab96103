-- Waiting for users' descriptors.

local socket = require "socket"
local websock = require "websock"
local descriptors = require "support.descriptors"
local ends = require "support.ends"
local notes = require "support.notes"

local log, note = notes.log, notes.note

describe("watch", function()
  before_each(notes.clear)
  after_each(ends.finish)

  describe("wait", function()
    it("on a socket, both directions", function()
      local one, other = ends.socket_pair()
      assert.is_true(websock.wait(one, "w"))
      assert.same({n = 2, nil, "timeout"}, table.pack(websock.wait(one, "r", 0.01)))
      other:send "x"
      assert.is_true(websock.wait(one, "r"))
      assert.is_true(websock.wait(one, "r"))  -- it is still ready: level-triggered
      assert.is_true(websock.wait(one:getfd(), "r"))
    end)

    it("with 0 returns the state of now, and runs no other coroutine", function()
      local one, other = ends.socket_pair()
      websock.spawn(note, "other")
      assert.same({n = 2, nil, "timeout"}, table.pack(websock.wait(one, "r", 0)))
      assert.is_true(websock.wait(one, "w", 0))
      other:send "x"
      assert.is_true(websock.wait(one, "r", 0))
      assert.same({}, log)
      websock.run()
    end)

    it("on a socket that the peer has closed", function()
      local one, other = ends.socket_pair()
      other:close()
      assert.is_true(websock.wait(one, "r"))
      assert.is_true(websock.wait(one, "w"))
    end)

    it("on a pipe, both directions", function()
      local writer, out = descriptors.of(io.popen, "cat >/dev/null", "w")
      assert.is_true(websock.wait(out, "w"))
      writer:close()
      local reader, fd = descriptors.of(io.popen, "sleep 0.05; echo x", "r")
      assert.is_true(websock.wait(fd, "r"))
      assert.equal("x", reader:read())
      reader:close()
    end)

    it("on a full socket until there is room", function()
      local one, other = ends.socket_pair()
      one:settimeout(0)
      local sent = 0
      repeat
        local last, _, partial = one:send(("x"):rep(65536))
        sent = sent + (last or partial)
      until not last
      assert.same({n = 2, nil, "timeout"}, table.pack(websock.wait(one, "w", 0.01)))
      websock.spawn(function() other:receive(sent) end)
      assert.is_true(websock.wait(one, "w"))
    end)

    it("on a regular file returns at once", function()
      local file, fd = descriptors.of(io.open, "Makefile")
      assert.is_true(websock.wait(fd, "r"))
      assert.is_true(websock.wait(fd, "w"))
      assert.is_true(websock.wait(fd, "r", 0))
      file:close()
    end)

    it("on an invalid descriptor returns an error", function()
      local ok, err = websock.wait(1023, "r", 1)
      assert.is_nil(ok)
      assert.equal("string", type(err))
      assert.not_equal("timeout", err)
    end)

    it("serves a reader and a writer of one descriptor", function()
      local one, other = ends.socket_pair()
      websock.spawn(function() note("r", tostring(websock.wait(one, "r"))) end)
      websock.spawn(function()
        note("w", tostring(websock.wait(one, "w")))
        other:send "x"
      end)
      websock.run()
      assert.same({"w true", "r true"}, log)
    end)

    it("gives a second waiter for the same direction 'busy'", function()
      local one, other = ends.socket_pair()
      websock.spawn(function() note(tostring(websock.wait(one, "r"))) end)
      websock.step()
      assert.same({nil, "busy"}, {websock.wait(one, "r")})
      other:send "x"
      websock.run()
      assert.same({"true"}, log)
    end)

    it("times out for one direction while the other goes on", function()
      local one, other = ends.socket_pair()
      one:settimeout(0)
      repeat local last = one:send(("x"):rep(65536)) until not last
      websock.spawn(function() note(tostring(websock.wait(one, "r"))) end)
      websock.step()
      assert.same({nil, "timeout"}, {websock.wait(one, "w", 0.01)})
      other:send "x"
      websock.run()
      assert.same({"true"}, log)
    end)

    it("sees what LuaSocket has read ahead", function()
      local one, other = ends.socket_pair()
      other:send "two\nlines\n"
      assert.equal("two", one:receive())
      assert.is_true(one:dirty())
      assert.is_true(websock.wait(one, "r", 0))
      assert.is_true(websock.wait(one, "r"))
    end)

    it("works on a number that was closed and is in use again", function()
      local one, other = ends.socket_pair()
      websock.wait(one, "r", 0.01)
      local fd = one:getfd()
      one:close()
      other:close()
      local again, peer = ends.socket_pair()
      assert.equal(fd, math.min(again:getfd(), peer:getfd()))
      again:send "x"
      assert.is_true(websock.wait(peer, "r"))
      peer:send "x"
      assert.is_true(websock.wait(again, "r"))
    end)

    it("raises on values that are no descriptor, socket or mode", function()
      assert.error_matches(function() websock.wait(1, "rw") end, 'mode: "r" or "w"')
      assert.error_matches(function() websock.wait(-1, "r") end, "descriptor from 0 up")
      assert.error_matches(function() websock.wait(1.5, "r") end, "descriptor from 0 up")
      assert.error_matches(function() websock.wait({}, "r") end, "an open socket expected")
      local closed = socket.tcp()
      closed:close()
      assert.error_matches(function() websock.wait(closed, "r") end, "an open socket expected")
      assert.error_matches(function() websock.wait(0, "r", -1) end, "seconds from 0 up")
    end)
  end)
end)
