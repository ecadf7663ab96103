-- Binding: addresses, ports, Unix paths, sockets that listen already. Accepting more than
-- one turn's batch.

local core = require "websock.core"
local socket = require "socket"
local unix = require "socket.unix"
local websock = require "websock"
local child = require "support.child"
local ends = require "support.ends"
local raw = require "support.raw"

local function handler(ws) ws:send "hi" end

local function listen(options)
  options.handler = handler
  return ends.listen(options)
end

local function greets(url, options)
  local ws <close> = assert(websock.connect(url, options))
  assert.equal("hi", ws:receive())
end

local function free_path()
  local path = os.tmpname()
  os.remove(path)
  ends.at_end(function() os.remove(path) end)
  return path
end

describe("listener", function()
  after_each(function() ends.finish() end)

  it("is on 127.0.0.1 by default", function()
    local server = listen {port = 0}
    local host, port, family = server:getsockname()
    assert.same({"127.0.0.1", "inet"}, {host, family})
    assert.equal("integer", math.type(port))
    greets("ws://127.0.0.1:" .. port)
    assert.is_nil(socket.connect("127.0.0.2", port))
  end)

  it("with port 0 takes a free one, another each time", function()
    assert.not_equal(ends.port(listen {port = 0}), ends.port(listen {port = 0}))
  end)

  it("on '*' has every address, IPv4 and IPv6 on one port", function()
    local port = ends.port(listen {host = "*", port = 0})
    greets("ws://127.0.0.1:" .. port)
    greets("ws://127.0.0.2:" .. port)
    local six = socket.tcp6()
    if six:bind("::1", 0) then greets("ws://[::1]:" .. port) end
    six:close()
  end)

  it("looks a name up", function()
    greets("ws://localhost:" .. ends.port(listen {host = "localhost", port = 0}))
  end)

  it("returns that an address is in use", function()
    local port = ends.port(listen {port = 0})
    for host, shown in pairs {["127.0.0.1"] = "127.0.0.1", ["*"] = "*"} do
      assert.same({nil, "address in use", shown .. ":" .. port},
        {websock.listen {host = host, port = port, handler = handler}})
    end
  end)

  it("returns which address is in use, an IPv6 one in brackets", function()
    for host, shown in pairs {["192.0.2.1"] = "192.0.2.1", ["2001:db8::1"] = "[2001:db8::1]",
      ["does-not-exist.invalid"] = "does-not-exist.invalid"} do
      local server, err, place = websock.listen {host = host, port = 8080, handler = handler}
      assert.is_nil(server)
      assert.is_string(err)
      assert.equal(shown .. ":8080", place)
    end
  end)

  it("returns other errors", function()
    local server, err = websock.listen {host = "192.0.2.1", port = 0, handler = handler}
    assert.is_nil(server)
    assert.is_string(err)
    server, err = websock.listen {host = "does-not-exist.invalid", port = 0, handler = handler}
    assert.is_nil(server)
    assert.matches("^dns: ", err)
    server, err = websock.listen {unix = "/nonexistent/path", handler = handler}
    assert.is_nil(server)
    assert.is_string(err)
  end)

  it("shares a port with reuseport", function()
    local one = listen {port = 0, reuseport = true}
    local two = listen {port = ends.port(one), reuseport = true}
    assert.equal(ends.port(one), ends.port(two))
    for _ = 1, 10 do greets("ws://127.0.0.1:" .. ends.port(one)) end
  end)

  it("binds again at once after a stop", function()
    local reserved <close> = raw.reserve()
    local url = "ws://127.0.0.1:" .. reserved.port
    local server = listen {port = reserved.port}
    greets(url)
    server:stop(0)
    listen {port = reserved.port}
    greets(url)
  end)

  it("may be a Unix path, which is removed by stop", function()
    local path = free_path()
    local server = listen {unix = path}
    assert.equal(path, (server:getsockname()))
    greets("ws://a/", {unix = path})
    server:stop(0)
    assert.is_nil(io.open(path))
    assert.is_nil(unix.stream():connect(path))
  end)

  it("takes over a path where nobody listens any more", function()
    local path = free_path()
    local stale = unix.stream()
    assert(stale:bind(path))
    assert(stale:listen())
    stale:close()
    listen {unix = path}
    greets("ws://a/", {unix = path})
  end)

  it("leaves a path alone if somebody listens there, or if it is no socket", function()
    local path = free_path()
    listen {unix = path}
    assert.same({nil, "address in use", path}, {websock.listen {unix = path, handler = handler}})
    greets("ws://a/", {unix = path})
    local file = os.tmpname()
    local server = websock.listen {unix = file, handler = handler}
    assert.is_nil(server)
    assert(io.open(file)):close()
    os.remove(file)
  end)

  it("leaves another socket alone that was renamed to its path", function()
    local path, temporary = free_path(), free_path()
    local old = listen {unix = path}
    listen {unix = temporary}
    assert(os.rename(temporary, path))
    old:stop(0)
    greets("ws://a/", {unix = path})
  end)

  it("leaves a path alone that was bound again, if it is stopped twice or collected", function()
    local path = free_path()
    local old = listen {unix = path}
    old:stop(0)
    listen {unix = path}
    old:stop(0)
    getmetatable(old).__gc(old)
    greets("ws://a/", {unix = path})
  end)

  it("removes its path while its socket is open, because another may get the same inode", function()
    local path = free_path()
    local server = listen {unix = path}
    local closefd, was_there = core.closefd, nil
    core.closefd = function(fd)
      was_there = core.socket_at(path)
      closefd(fd)
    end
    server:stop(0)
    core.closefd = closefd
    assert.is_nil(was_there)
  end)

  -- A server with one connection, whose process forks; the ways in which the child ends.
  local ENDS = {
    ["by os.exit that closes the state"] = "os.exit(0, true)",
    ["by stop"] = "server:stop(0) unistd.exit(0)",
    ["by stop, which waits for nobody"] = "server:stop(60) unistd.exit(0)",
    ["by a to-be-closed variable"] = "do local _ <close> = server end unistd.exit(0)",
    ["by the collector"] = "getmetatable(server).__gc(server) unistd.exit(0)",
    ["at once"] = "unistd.exit(0)",
  }
  for how, code in pairs(ENDS) do
    it("keeps its path and place when a forked child ends " .. how, function()
      local path = free_path()
      local status, output = child.run(([[
        local unistd = require "support.unistd"
        local server = assert(websock.listen {unix = %q, handler = function(ws)
          for message in ws:messages() do ws:send(message) end
        end})
        local function greets(ws)
          assert(ws:send "hi")
          assert(ws:receive(120) == "hi")
        end
        local ws = assert(websock.connect("ws://a/", {unix = %q}))
        greets(ws)
        local child = unistd.fork()
        if child == 0 then %s end
        assert(unistd.wait(child) == 0)
        greets(ws)
        local another <close> = assert(websock.connect("ws://a/", {unix = %q}))
        greets(another)
        server:stop(0)
        assert(not io.open(%q) and not websock.core.socket_at(%q))
        print "served"]]):format(path, path, code, path, path, path))
      assert.equal("served\n", output)
      assert.equal(0, status)
    end)
  end

  it("closes connections of a forked child with a Close frame when it stops there", function()
    local status, output = child.run [[
      local socket = require "socket"
      local frames = require "support.frames"
      local raw = require "support.raw"
      local unistd = require "support.unistd"
      local in_child
      local server = assert(websock.listen {port = 0, handler = function(ws)
        if in_child then return ws.server:stop(0) end
        for message in ws:messages() do ws:send(message) end
      end})
      local _, port = server:getsockname()
      local parents = raw.open(port)
      local child = unistd.fork()
      if child == 0 then
        in_child = true
        websock.run()
        unistd.exit(0)
      end
      local childs = assert(socket.connect("127.0.0.1", port))  -- does not turn the loop here
      childs:send(frames.request())
      repeat local line = assert(childs:receive()) until line == ""
      print(childs:receive "*a" == frames.plain("close", frames.close_payload(1001, "server stops")))
      assert(unistd.wait(child) == 0)
      parents:masked("text", "hi")
      print(parents:frame().payload)
      server:stop(0)]]
    assert.equal("true\nhi\n", output)
    assert.equal(0, status)
  end)

  it("leaves neither path nor descriptor behind if it cannot be polled", function()
    local path = free_path()
    local status, output = child.run(([[
      local core = websock.core
      local fds = {}
      while true do
        local fd = core.dupfd(0)
        if not fd then break end
        fds[#fds + 1] = fd
      end
      core.closefd(table.remove(fds))
      local server, err = websock.listen {unix = %q, handler = print}
      print(err or "listens")
      if server then server:stop(0) end
      print(core.socket_at(%q) == nil)
      print(core.dupfd(0) ~= nil)]]):format(path, path), 64)
    assert.equal(0, status)
    local expected = os.getenv "WEBSOCK_POLLER" == "poll"  -- needs no descriptor
      and "listens" or "too many open files"
    assert.equal(expected .. "\ntrue\ntrue\n", output)
  end)

  it("may be a socket that listens already", function()
    local bound = assert(socket.bind("127.0.0.1", 0))
    local _, port = bound:getsockname()
    local server = listen {socket = bound}
    assert.equal(math.tointeger(tonumber(port)), ends.port(server))
    assert.equal(-1, bound:getfd())
    greets("ws://127.0.0.1:" .. ends.port(server))
  end)

  it("raises on values that are no listening socket", function()
    assert.error_matches(function() listen {socket = {}} end, "a listening LuaSocket object expected")
    local bound = assert(socket.bind("127.0.0.1", 0))
    bound:close()
    assert.error_matches(function() listen {socket = bound} end, "listen: option 'socket': it is closed")
    for _, object in ipairs {socket.tcp(), (assert(socket.connect("127.0.0.1", ends.port(listen {port = 0}))))} do
      assert.error_matches(function() listen {socket = object} end,
        "listen: option 'socket': a listening LuaSocket object expected, got tcp{%a+}: ")
      assert.equal(-1, object:getfd())
    end
  end)

  it("accepts more than a turn's batch", function()
    local server = listen {port = 0}
    local socks, greeted = {}, 0
    for i = 1, 150 do socks[i] = assert(socket.connect("127.0.0.1", ends.port(server))) end
    for _, sock in ipairs(socks) do
      websock.spawn(function()
        local ws <close> = assert(websock.connect("ws://a", {socket = sock}))
        assert.equal("hi", ws:receive())
        greeted = greeted + 1
      end)
    end
    ends.turn_until(function() return greeted == 150 end)
  end)

  it("is collected with its server", function()
    local port
    do
      local server = websock.listen {port = 0, handler = handler}
      port = ends.port(server)
      server:stop(0)
    end
    collectgarbage()
    assert.is_nil(socket.connect("127.0.0.1", port))
  end)
end)
