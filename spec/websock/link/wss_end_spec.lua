-- The end of connections over TLS: in order, cut, with a close_notify or without.

local websock = require "websock"
local descriptors = require "support.descriptors"
local ends = require "support.ends"
local frames = require "support.frames"
local raw = require "support.raw"
local secure = require "support.secure"
local wss = require "support.wss"

local pair = wss.pair
local bytes = wss.bytes
local luasec_client = secure.open
local luasec_server = wss.of_luasec

describe("wss", function()
  after_each(function() ends.finish() end)

  describe("the end", function()
    for _, who in ipairs {"client", "server"} do
      it("is in order: the " .. who .. " begins", function()
        local ours, theirs = pair()
        local one, other = ours, theirs
        if who == "server" then one, other = theirs, ours end
        local result
        websock.spawn(function() result = table.pack(one:close(4001, "enough")) end)
        websock.spawn(function() other:receive(30) end)
        ends.turn_until(function() return result end)
        assert.is_true(result[1])
        for _, ws in ipairs {one, other} do
          assert.same({4001, "enough", true}, {ws.close_code, ws.close_reason, ws.close_clean})
        end
      end)

      it("is never clean if the stream was cut: the " .. who .. " notices it", function()
        local ours, theirs, between = pair()
        local one, other = ours, theirs
        if who == "server" then one, other = theirs, ours end
        other:send("the last", "text", {timeout = 0})
        ends.turn_until(function() return other:buffered() == 0 end)
        local result
        websock.spawn(function()
          assert(one:receive(30) == "the last")
          result = table.pack(one:receive(30))
        end)
        for _ = 1, 20 do websock.step(0) end
        between:cut()
        ends.turn_until(function() return result end)
        assert.same({nil, "closed", 1006, "eof", n = 4}, result)
        assert.is_false(one.close_clean)
      end)
    end

    it("is not clean by a close_notify alone either", function()
      local ws, peer = luasec_server()
      peer:close()
      assert.same({nil, "closed", 1006, "eof", n = 4}, table.pack(ws:receive(30)))
      assert.is_false(ws.close_clean)
    end)

    it("in the middle of a message delivers no part of it", function()
      local ours, theirs, between = pair()
      local result
      websock.spawn(function() result = table.pack(ours:receive(30)) end)
      websock.spawn(function() assert(theirs:writer "text"):write "half a" end)
      local down = between.down
      ends.turn_until(function() return between.down > down end)
      between:cut()
      ends.turn_until(function() return result end)
      assert.same({nil, "closed", 1006, "eof", n = 4}, result)
    end)

    for _, version in ipairs {"tlsv1_2", "tlsv1_3"} do
      it("comes with a close_notify from our server: " .. version, function()
        local peer = luasec_client(wss.serve(), {protocol = version})
        peer:masked("close", "\x03\xe8")
        assert.equal(1000, (peer:closed()))
        assert.same({"", "closed"}, {peer:rest()})  -- not "unexpected eof"
      end)

      it("comes with a close_notify from our client: " .. version, function()
        -- a client waits so long for its server to end first; if that was too short
        -- for the peer's Close frame on this machine, once more
        for _, timeout in ipairs {0.2, 3, 30} do
          local ws, peer = luasec_server({protocol = version}, {close_timeout = timeout})
          local closed
          websock.spawn(function() closed = table.pack(ws:close(1000)) end)
          assert.equal(1000, (peer:closed()))
          peer:plain("close", "\x03\xe8")
          local rest, err = peer:rest()
          peer:close()
          ends.turn_until(function() return closed end)
          if ws.close_clean then
            assert.same({"", "closed"}, {rest, err})
            return
          end
          assert.equal("timeout", closed[2])
        end
        error "it took too long"
      end)

      it("comes with a close_notify after a refusal: " .. version, function()
        local server = wss.serve {authorize = function() return false, 403, {}, "no" end}
        local peer = assert(secure.client(ends.port(server), {protocol = version}))
        peer:send(frames.request())
        local head, err = peer:rest()
        assert.matches("^HTTP/1.1 403 .*no$", head)
        assert.equal("closed", err)
        peer:close()
      end)
    end

    it("is clean without a close_notify after both Close frames", function()
      local ws, peer = luasec_server()
      peer:plain("close", "\x03\xe8")
      local result
      websock.spawn(function() result = table.pack(ws:receive(30)) end)
      assert.equal(1000, (peer:closed()))
      peer:shutdown()
      ends.turn_until(function() return result end)
      assert.same({nil, "closed", 1000, "", n = 4}, result)
      assert.is_true(ws.close_clean)
    end)

    it("raises no SIGPIPE", function()
      local raised = 0
      websock.signal("PIPE", function() raised = raised + 1 end)
      ends.at_end(function() websock.signal("PIPE", nil) end)
      local ours, theirs, between = pair()
      between:reset()
      for _ = 1, 10 do
        for _, ws in ipairs {ours, theirs} do ws:send(bytes(100000), "binary", {timeout = 0}) end
        websock.step(0.005)
      end
      for _, ws in ipairs {ours, theirs} do ws:close(1000, "", 0) end
      ends.turn_until(function() return ours:state() == "closed" and theirs:state() == "closed" end)
      assert.equal(0, raised)
    end)

    it("leaves no descriptor, whichever end begins", function()
      local count = descriptors.count()
      local server = wss.serve {handler = function(ws)
        local what = ws:receive(30)
        if what == "close" then ws:close() elseif what == "abort" then ws:abort() end
      end}
      for i = 1, 8 do
        local ws = assert(wss.dial(server))
        ws:send(({"close", "abort", "return", "wait"})[i % 4 + 1])
        if i > 4 then ws:abort() else ws:close() end
      end
      server:stop()
      ends.turn_until(function() return descriptors.count() <= count end)
    end)

    it("comes for all connections when the server stops", function()
      local server = wss.serve {close_timeout = 30}
      local open = wss.connect(server)
      local shaking = raw.client(ends.port(server))
      for _ = 1, 5 do websock.step(0.01) end
      local stopped, result
      websock.spawn(function() server:stop() stopped = true end)
      websock.spawn(function() result = table.pack(open:receive(30)) end)
      ends.turn_until(function() return stopped and result end)
      assert.equal(1001, result[3])
      assert.is_true(open.close_clean)
      assert.same({"", "closed"}, {shaking:rest()})
      shaking:close()
    end)
  end)
end)
