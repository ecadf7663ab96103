-- support.copas_like against the documentation of Copas 4; the same against Copas itself,
-- where that is installed, which shows that the two agree.

local socket = require "socket"

-- A real Copas 4, or nil.
local function real()
  local ok, copas = pcall(require, "copas")
  return ok and tostring(copas._VERSION):find "^Copas 4%." and copas or nil
end

local hosts = {["support.copas_like"] = require "support.copas_like", copas = real()}

for name, copas in pairs(hosts) do
  describe(name, function()
    local log

    local function note(...) log[#log + 1] = table.concat({...}, " ") end

    -- An assertion that fails in a thread ends this process: others may wait for it.
    local function give_up(...)
      print(copas.gettraceback(...))
      os.exit(1)
    end

    before_each(function()
      log = {}
      copas.seterrorhandler(give_up, true)
    end)

    -- Runs f in a thread, and all that it begins, to the end.
    local function inside(f)
      copas.addthread(f)
      copas.loop()
      assert.is_true(copas.finished())
    end

    it("is running inside its loop only", function()
      assert.is_false(copas.running)
      inside(function() note(tostring(copas.running), tostring(copas.status().running)) end)
      assert.is_false(copas.running)
      assert.same({"true true"}, log)
    end)

    it("begins a thread in the next step, with its arguments", function()
      copas.addthread(function(a, b)
        note("one", a, b)
        copas.addthread(function() note "three" end)
        note "two"
      end, "a", "b")
      assert.same({}, log)
      copas.loop()
      assert.same({"one a b", "two", "three"}, log)
    end)

    it("names threads", function()
      local co = copas.addnamedthread("worker", function() note(copas.getthreadname()) end)
      assert.equal("worker", copas.getthreadname(co))
      copas.loop()
      assert.same({"worker"}, log)
    end)

    it("pauses threads, in the order of their times", function()
      inside(function()
        for _, seconds in ipairs {0.05, 0.02, 0.04, 0.03, 0.01, 0} do
          copas.addthread(function()
            local begun = socket.gettime()
            copas.pause(seconds)
            assert(socket.gettime() - begun >= seconds)
            note(seconds)
          end)
        end
      end)
      assert.same({"0", "0.01", "0.02", "0.03", "0.04", "0.05"}, log)
    end)

    it("wakes a thread that sleeps, not inside the call, and no other", function()
      inside(function()
        local threads = {}
        threads[1] = copas.addthread(function() copas.pauseforever() note "forever" end)
        threads[2] = copas.addthread(function() copas.pause(1000) note "long" end)
        threads[3] = copas.addthread(function()
          copas.pause()
          copas.pause()
          copas.pause(0.05)
          note "not woken"
        end)
        copas.wakeup(threads[3])
        copas.pause()
        copas.pause()
        for i = 1, 2 do
          copas.wakeup(threads[i])
          copas.wakeup(threads[i])
        end
        note "called"
      end)
      assert.same({"called", "forever", "long", "not woken"}, log)
    end)

    it("holds a thread in pauseforever weakly, and does not wait for it", function()
      local held = setmetatable({}, {__mode = "k"})
      inside(function()
        local co = copas.addthread(function() copas.pauseforever() note "never" end)
        held[co] = true
        copas.pause(0.01)
        assert.equal(1, copas.status().inactive)
      end)
      for _ = 1, 3 do collectgarbage() end
      assert.is_nil(next(held))
      assert.same({}, log)
    end)

    it("does not resume a removed thread, nor close it", function()
      inside(function()
        local co = copas.addthread(function()
          local _ <close> = setmetatable({}, {__close = function() note "closed" end})
          copas.pause(0.01)
          note "went on"
        end)
        copas.pause()
        copas.pause()
        copas.removethread(co)
        copas.wakeup(co)
        copas.pause(0.05)
        assert.equal("suspended", coroutine.status(co))
      end)
      assert.same({}, log)
    end)

    it("gives errors of threads to their handler, else to the default one", function()
      copas.seterrorhandler(function(err, co) note("default", tostring(err), type(co)) end, true)
      inside(function()
        copas.addthread(error, "one", 0)
        copas.addthread(function()
          copas.seterrorhandler(function(err) note("own", err) end)
          error("two", 0)
        end)
        copas.addthread(function() coroutine.yield "strange" end)
      end)
      assert.equal("default one thread", log[1])
      assert.equal("own two", log[2])
      assert.matches("^default .*yield", log[3])
      assert.matches("three.*traceback", copas.gettraceback("three", coroutine.create(print)))
    end)

    it("calls back after a timeout, unless it was ended", function()
      inside(function()
        local co = coroutine.running()
        copas.timeout(0.02, function(who)
          note("over", tostring(who == co))
          copas.wakeup(who)
        end)
        copas.pauseforever()
        copas.timeout(0.02, function() note "not this" end)
        copas.timeout(0)
        copas.pause(0.15)
      end)
      assert.same({"over true"}, log)
    end)

    it("releases those who wait for the exit, when nothing else is left", function()
      inside(function()
        copas.addthread(function()
          copas.waitforexit()
          note("exit", tostring(copas.exiting()))
        end)
        copas.pause(0.02)
        note("work", tostring(copas.exiting()))
      end)
      assert.same({"work false", "exit true"}, log)
    end)

    -- A server with this handler; returns its port. It ends after n connections.
    local function serve(n, handler)
      local server = assert(socket.bind("127.0.0.1", 0))
      copas.addserver(server, copas.handler(function(skt)
        handler(skt)
        n = n - 1
        if n == 0 then copas.removeserver(server) end
      end), nil, "server")
      return (select(2, server:getsockname()))
    end

    it("serves connections side by side, and closes them after their handlers", function()
      inside(function()
        local port = serve(3, function(skt)
          local line = assert(skt:receive "*l")
          note("got", line)
          assert(skt:send(line .. "\n"))
        end)
        local all = {}
        for i = 1, 3 do
          all[i] = copas.wrap(socket.tcp())
          assert(all[i]:connect("127.0.0.1", port))
        end
        for i = 3, 1, -1 do
          assert(all[i]:send(i .. "\n"))
          assert.equal(tostring(i), all[i]:receive "*l")
          assert.equal("closed", select(2, all[i]:receive "*l"))
          all[i]:close()
        end
      end)
      assert.same({"got 3", "got 2", "got 1"}, log)
    end)

    it("sends more than the kernel takes at once, while another receives", function()
      local big = ("x"):rep(4 << 20)
      local received
      inside(function()
        local port = serve(1, function(skt) received = skt:receive(#big) end)
        local skt = copas.wrap(socket.tcp())
        assert(skt:connect("127.0.0.1", port))
        assert.equal(#big, skt:send(big))
        skt:close()
      end)
      assert.equal(#big, #received)
    end)

    it("ends a receive at the socket's timeout, keeps what came and goes on later", function()
      inside(function()
        local port = serve(1, function(skt)
          assert(skt:send "part")
          assert(skt:receive "*l")
          assert(skt:send " rest\n")
        end)
        local skt = copas.wrap(socket.tcp())
        assert(skt:connect("127.0.0.1", port))
        skt:settimeout(0.05)
        local line, err, part = skt:receive "*l"
        assert.same({nil, "timeout", "part"}, {line, err, part})
        skt:settimeout(nil)
        assert(skt:send "go on\n")
        assert.equal("part rest", skt:receive("*l", part))
        skt:close()
      end)
    end)

    it("waits on any object that has getfd", function()
      inside(function()
        local port = serve(1, function(skt) copas.pause(0.02) skt:send "x" end)
        local skt = assert(socket.connect("127.0.0.1", port))
        local asked = 0
        local object = {getfd = function() return skt:getfd() end, receive = function()
          asked = asked + 1
          if asked == 1 then return nil, "timeout" end
          return "ready"
        end}
        assert.equal("ready", copas.receive(object))
        assert.equal("x", skt:receive(1))
        skt:close()
      end)
    end)

    it("wakes those who wait for a socket that copas.close closes", function()
      inside(function()
        local port = serve(1, function(skt) skt:receive "*l" end)
        local skt = copas.wrap(socket.tcp())
        assert(skt:connect("127.0.0.1", port))
        copas.addthread(function() note(tostring(select(2, skt:receive "*l"))) end)
        copas.pause(0.02)
        skt:close()
      end)
      assert.same({"closed"}, log)
    end)

    it("tells in status what waits", function()
      inside(function()
        local port = serve(1, function() note(copas.status().read > 0 and "read" or "?") end)
        local client = assert(socket.connect("127.0.0.1", port))
        copas.pause(0.02)
        client:close()
      end)
      assert.same({"read"}, log)
    end)

    it("steps: true if a socket was served, false if none", function()
      local port = serve(1, function() note "accepted" end)
      assert.is_false(copas.step(0))
      local client = assert(socket.connect("127.0.0.1", port))
      assert.is_true(copas.step(1))
      client:close()
      copas.loop()
      assert.same({"accepted"}, log)
    end)
  end)
end

describe("support.heap", function()
  local Heap = require "support.heap"

  it("gives values in the order of their times, and forgets the removed ones", function()
    local heap, times = Heap.new(), {}
    for i = 1, 200 do
      times[i] = i * 7919 % 211
      heap:insert(times[i], "v" .. i)
    end
    for i = 1, 200, 3 do
      assert.equal("v" .. i, heap:remove("v" .. i))
      assert.is_nil(heap:remove("v" .. i))
    end
    local last, n = -1, 0
    for value in heap:due(math.huge) do
      local i = tonumber(value:sub(2))
      assert.is_true(times[i] >= last and i % 3 ~= 1)
      last, n = times[i], n + 1
    end
    assert.equal(133, n)
    assert.is_nil(heap:first())
    heap:insert(5, "a")
    assert.is_nil(heap:due(4)())
    assert.equal(5, heap:first())
    assert.equal("a", heap:due(5)())
  end)
end)
