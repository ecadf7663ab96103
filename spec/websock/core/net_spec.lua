-- The binding of the system calls on descriptors, and of signals: arguments,
-- results and error texts. What they do is tested in C.

local core = require "websock.core"
local socket = require "socket"
local child = require "support.child"
local descriptors = require "support.descriptors"

local NOT_OPEN = 999999  -- above the limit of a process

local function listen()
  local listener = assert(socket.bind("127.0.0.1", 0))
  listener:settimeout(0)
  local fd = math.tointeger(listener:getfd())
  assert(core.nonblocking(fd))
  return listener, fd, math.tointeger(tonumber((select(2, listener:getsockname()))))
end

local function bare_conn() return core.conn(core.config "server") end

-- Accepts a connection when there is one. Returns a duplicate of its descriptor, and
-- its address.
local function accept(fd)
  local poller <close> = core.poller()
  assert(poller:watch(fd, 1, 1))
  assert.equal(1, poller:wait(120))
  local conn = bare_conn()
  assert.equal(assert(core.accept(fd, conn)), conn:fd())
  local copy = assert(core.dupfd(conn:fd()))
  conn:closefd()
  return copy, conn:remote()
end

-- A socket and the descriptor of its other end.
local function connection()
  local listener, fd, port = listen()
  local client = assert(socket.connect("127.0.0.1", port))
  local other = assert(accept(fd))
  listener:close()
  return client, other
end

local function readable(fd)
  local poller <close> = core.poller()
  assert(poller:watch(fd, 1, 1))
  return poller:wait(120) == 1
end

describe("core.accept", function()
  it("returns a descriptor and the address of the peer", function()
    local listener, fd, port = listen()
    assert.same({nil, "again"}, {core.accept(fd, bare_conn())})
    assert.is_nil(bare_conn():remote())
    local client = assert(socket.connect("127.0.0.1", port))
    local other, host, from, family = accept(fd)
    assert.same({client:getsockname()}, {host, tostring(from), family})
    assert.same({"127.0.0.1", from, "inet"}, {core.peer(other)})
    assert.same({"127.0.0.1", port, "inet"}, {core.localname(other)})
    core.closefd(other)
    client:close()
    listener:close()
  end)

  it("says what is wrong", function()
    local conn = bare_conn()
    assert.same({nil, "bad descriptor"}, {core.accept(NOT_OPEN, conn)})
    assert.same({nil, "not a socket"}, {core.accept(core.signal_fd(), conn)})
    conn:close()
    getmetatable(conn).__gc(conn)
    assert.error_matches(function() core.accept(NOT_OPEN, conn) end, "closed")
  end)
end)

describe("core.bind, core.listen and core.connect", function()
  -- Whether a client can connect by this address to a listener bound to it.
  local function meets(family, host)
    local listening = assert(core.bind(family, host, 0))
    assert.is_true(core.listen(listening, 8))
    local client, connected = core.connect(family, core.localname(listening))
    assert.is_boolean(connected)
    local other, _, _, from = accept(listening)
    assert.equal(family, from)
    for _, fd in ipairs {listening, client, other} do core.closefd(fd) end
  end

  it("meet at an address or a path", function()
    meets("inet", "127.0.0.1")
    local path = os.tmpname()
    os.remove(path)
    meets("unix", path)
    os.remove(path)
  end)

  it("have backlogs of any size", function()
    local fd = assert(core.bind("inet", "127.0.0.1", 0))
    assert.is_true(core.listen(fd, 0))
    assert.is_true(core.listen(fd, math.maxinteger))
    core.closefd(fd)
  end)

  it("share a port only if both ask for it", function()
    local fd = assert(core.bind("inet", "127.0.0.1", 0, true))
    local _, port = core.localname(fd)
    local other = assert(core.bind("inet", "127.0.0.1", port, true))
    assert.is_true(core.listen(fd, 1))
    assert.is_true(core.listen(other, 1))
    assert.same({nil, "address in use"}, {core.bind("inet", "127.0.0.1", port)})
    core.closefd(other)
    core.closefd(fd)
  end)

  it("say what is wrong, and leave no descriptor", function()
    local before = descriptors.count()
    for _, f in ipairs {core.bind, core.connect} do
      assert.same({nil, "no such file or directory"}, {f("unix", "/nonexistent/path")})
      assert.same({nil, "path too long"}, {f("unix", ("x"):rep(108))})
      assert.same({nil, "path too long"}, {f("unix", ("x"):rep(100000))})
      assert.same({nil, "invalid argument"}, {f("inet", "localhost", 1)})
      assert.error_matches(function() f("ipx", "1", 1) end, "invalid option 'ipx'")
      for _, port in ipairs {-1, 65536} do
        assert.error_matches(function() f("inet", "127.0.0.1", port) end, "port expected")
      end
    end
    assert.same({nil, "address not available"}, {core.bind("inet", "192.0.2.1", 0)})
    assert.same({nil, "bad descriptor"}, {core.listen(NOT_OPEN, 1)})
    assert.equal(before, descriptors.count())
  end)
end)

describe("core.base64", function()
  it("is that of RFC 4648", function()
    for bytes, text in pairs {[""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v",
      ["\xff\xef\0"] = "/+8A", [("\0"):rep(3000)] = ("A"):rep(4000)} do
      assert.equal(text, core.base64(bytes))
    end
  end)
end)

describe("core.random", function()
  it("is from 0 up, below 1, and leaves math.random alone", function()
    math.randomseed(1)
    local first = math.random()
    math.randomseed(1)
    local least, most = 1, 0
    for _ = 1, 1000 do
      local x = core.random()
      assert.is_true(x >= 0 and x < 1)
      least, most = math.min(least, x), math.max(most, x)
    end
    assert.is_true(least < 0.1 and most > 0.9)  -- else once in 10^45 runs
    assert.equal(first, math.random())
  end)
end)

describe("a descriptor", function()
  it("is any number with an integer value from 0 up", function()
    local client, fd = connection()
    assert.same({core.peer(fd)}, {core.peer(fd + 0.0)})
    for _, bad in ipairs {-1, 0x80000000, 1.5, math.huge, "x", {}} do
      assert.has_error(function() core.peer(bad) end)
    end
    assert.has_error(function() core.peer() end)
    core.closefd(fd)
    client:close()
  end)

  it("that is not open is an error, not a crash", function()
    for _, name in ipairs {"peer", "localname", "nonblocking", "dupfd", "nodelay", "shutdown"} do
      assert.same({nil, "bad descriptor"}, {core[name](NOT_OPEN)}, name)
    end
    assert.equal("bad descriptor", core.so_error(NOT_OPEN))
    assert.equal(0, core.fdunread(NOT_OPEN))
    assert.equal(0, select("#", core.closefd(NOT_OPEN)))
    assert.same({nil, "bad descriptor"}, {core.read(NOT_OPEN, 1)})
  end)

  it("can be duplicated, and shut down on one side", function()
    local client, fd = connection()
    local copy = assert(core.dupfd(fd))
    core.closefd(fd)
    assert.is_true(core.nodelay(copy, true))
    assert.is_nil((core.so_error(copy)))
    assert(client:send "abc")
    assert.is_true(readable(copy))
    assert.equal(3, core.fdunread(copy))
    assert.is_true(core.shutdown(copy))
    client:settimeout(20)
    assert.equal("closed", (select(2, client:receive(1))))
    core.closefd(copy)
    client:close()
  end)
end)

describe("core.read", function()
  it("distinguishes bytes, nothing and the end", function()
    local client, fd = connection()
    assert.same({nil, "again"}, {core.read(fd, 10)})
    assert(client:send "a\0bc")
    assert.is_true(readable(fd))
    assert.equal("a\0b", core.read(fd, 3))
    assert.equal("c", core.read(fd, 100000))
    client:close()
    assert.is_true(readable(fd))
    assert.same({nil, "eof"}, {core.read(fd, 3)})
    core.closefd(fd)
  end)

  it("requires a size", function()
    for _, size in ipairs {0, -1, 0x80000000} do
      assert.error_matches(function() core.read(0, size) end, "size expected")
    end
  end)
end)

describe("signals", function()
  it("are caught by name, reported once, and restored", function()
    local status, output = child.run [[
      local core = require "websock.core"
      local pid = assert(io.open "/proc/self/stat"):read "n"
      local function send(name) assert(os.execute(("kill -%s %d"):format(name, pid))) end
      local poller = core.poller()
      assert(core.signal_catch "USR1")
      assert(core.signal_catch "TERM")
      assert(poller:watch(core.signal_fd(), 1, 1))
      send "USR1" send "TERM" send "USR1"
      assert(poller:wait(120) == 1)
      local told = {}
      for name in core.signal_next do told[#told + 1] = name end
      table.sort(told)
      print(table.concat(told, " "), core.signal_next())
      assert(core.signal_restore "TERM")
      print "restored"
      send "TERM"
      print "not reached"]]
    assert.equal("TERM USR1\nrestored\n", (output:gsub("\t", "")))
    assert.not_equal(0, status)
  end)

  it("that cannot be caught are refused", function()
    for _, name in ipairs {"KILL", "STOP", "SIGTERM", "term", ""} do
      assert.same({nil, "no signal that can be caught"}, {core.signal_catch(name)}, name)
      assert.same({nil, "no signal that can be caught"}, {core.signal_restore(name)}, name)
    end
    assert.has_error(function() core.signal_catch() end)
  end)

  -- For the code of a child with several states: send(name), states.
  local function with_states(code, before)
    local status, output = child.run(before .. [[
      local states = require "support.states"
      local pid = assert(io.open "/proc/self/stat"):read "n"
      local function send(name) assert(os.execute(("kill -%s %d"):format(name, pid))) end
      local catch = 'assert(require "websock.core".signal_catch "USR1")'
      local told = 'return tostring((require "websock.core".signal_next()))'
      ]] .. code)
    return output:gsub("%s+$", ""), status
  end

  it("reach every state that catches them, once", function()
    assert.equal("USR1 USR1 nil nil nil", (with_states([[
      local one, other, third = states.open(), states.open(), states.open()
      one:run(catch) other:run(catch) third:run "require 'websock.core'"
      send "USR1"
      print(table.concat({one:run(told), other:run(told), third:run(told), one:run(told),
        other:run(told)}, " "))
    ]], "")))
  end)

  it("stay caught while one state is left that catches them", function()
    assert.equal("USR1 USR1", (with_states([[
      local one, other = states.open(), states.open()
      one:run(catch) other:run(catch)
      one:close()
      send "USR1"
      local first = other:run(told)
      other:run 'assert(require "websock.core".signal_restore "USR1")'
      other:run(catch)
      send "USR1"
      print(first, other:run(told))
    ]], ""):gsub("\t", " ")))
  end)

  it("are the host's again after the last state has closed", function()
    local function last(how)
      local code = [[
        local one, other = states.open(), states.open()
        one:run(catch) other:run(catch)
        one:close() other:close()
        io.stdout:write "closed " io.stdout:flush()
        send "USR1"
        print "ignored"]]
      local output, status = with_states(code, how)
      return output, status
    end
    local output, status = last ""
    assert.equal("closed", output)
    assert.not_equal(0, status)
    -- the same under a host that ignores it, here another state with a handler
    assert.equal("closed ignored", (last [[
      require("websock.core").signal_catch "USR1"
    ]]))
  end)

  it("are the host's again at the end of a loop that caught them", function()
    assert.equal("true closed", (with_states([[
      local state = states.open()
      io.stdout:write(state:run [=[
        local websock = require "websock"
        local called = false
        websock.signal("USR1", function() called = true; websock.stop() end)
        local pid = assert(io.open "/proc/self/stat"):read "n"
        websock.spawn(function()
          assert(os.execute(("kill -USR1 %d"):format(pid)))
          websock.sleep(60)
        end)
        websock.run()
        return tostring(called)
      ]=], " closed\n")
      io.stdout:flush()
      state:close()
      send "USR1"
      print "not reached"
    ]], "")))
  end)

  it("have one descriptor", function()
    assert.equal("integer", math.type(core.signal_fd()))
    assert.equal(core.signal_fd(), core.signal_fd())
    assert.equal(0, select("#", core.signal_next()))
  end)
end)
