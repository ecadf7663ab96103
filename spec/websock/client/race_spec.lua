-- Racing a host's addresses (RFC 8305). The delays are passed by clock.lua.

local socket = require "socket"
local websock = require "websock"
local core = require "websock.core"
local clock = require "support.clock"
local descriptors = require "support.descriptors"
local ends = require "support.ends"
local race = require "websock.client.race"

-- A listener whose queue is full: it answers no further connect.
local function dead(host, port)
  local listener = assert(socket.bind(host, port, 0))
  local _, bound = listener:getsockname()
  for _ = 1, 3 do
    local filler = assert(socket.tcp())
    filler:settimeout(0)
    filler:connect(host, bound)
    ends.at_end(function() filler:close() end)
  end
  ends.at_end(function() listener:close() end)
  return math.tointeger(tonumber(bound))
end

-- A server on this address.
local function alive(host, port)
  local server = ends.listen {host = host, port = port, handler = function(ws) ws:receive() end}
  return ends.port(server)
end

-- Makes the look-up of every host return these addresses.
local function resolve_to(...)
  local real, file, fd = core.lookup, descriptors.of(io.open, "Makefile")
  local list = {}
  for i, host in ipairs {...} do
    list[i] = {host = host, family = host:find ":" and "inet6" or "inet"}
  end
  core.lookup = function()
    return setmetatable({
      fd = function() return fd end,  -- a file is readable at once
      take = function() return list end,
    }, {__close = function() end})
  end
  ends.at_end(function()
    core.lookup = real
    file:close()
  end)
end

-- Notes each address that is dialled.
local function watch_dials()
  local real, dialled = core.connect, {}
  core.connect = function(family, host, port)
    dialled[#dialled + 1] = host
    return real(family, host, port)
  end
  ends.at_end(function() core.connect = real end)
  return dialled
end

-- Binds one port at all of them that are dead or alive; nil, err if another program has it
-- at one of them.
local function bind_all(...)
  local port = 0
  for _, one in ipairs {...} do
    local address, become = table.unpack(one)
    if become then
      local ok, bound = pcall(become, address, port)
      if not ok then return nil, bound end
      port = bound
    end
  end
  return port
end

-- A host with these addresses, each {address, dead or alive or nothing}: one that has
-- neither refuses. Returns the port, and the list of the addresses dialled.
local function host_with(...)
  local addresses, port, err = {}, nil, nil
  for i, one in ipairs {...} do addresses[i] = one[1] end
  for _ = 1, 20 do
    port, err = bind_all(...)
    if port then break end
  end
  assert(port, err)
  resolve_to(table.unpack(addresses))
  return port, watch_dials()
end

-- Connects in a coroutine; the results are in the table then.
local function dial(port, options)
  local o = {ping_interval = false}
  for name, value in pairs(options or {}) do o[name] = value end
  local result = {}
  result.thread = websock.spawn(function()
    result.ws, result.err = websock.connect("ws://shop.example:" .. port, o)
    result.ended = true
    ends.at_end(function() if result.ws then result.ws:abort() end end)
  end)
  return result
end

-- Turns the loop until n addresses were dialled and nothing else is to be done.
local function turn_to(dialled, n)
  ends.turn_until(function() return #dialled >= n end)
  for _ = 1, 5 do websock.step(0) end
  assert.equal(n, #dialled)
end

local function host_of(result)
  ends.turn_until(function() return result.ended end)
  return (assert(result.ws, result.err):getpeername())
end

describe("race.interleave", function()
  local function ordered(...)
    local list = {}
    for i, host in ipairs {...} do list[i] = {host = host, family = host:find "^6" and "inet6" or "inet"} end
    local hosts = {}
    for i, address in ipairs(race.interleave(list)) do hosts[i] = address.host end
    return table.concat(hosts, " ")
  end

  it("begins with IPv6, and lets the families take turns", function()
    assert.equal("6a 4a 6b 4b", ordered("4a", "4b", "6a", "6b"))
    assert.equal("6a 4a 6b 6c", ordered("6a", "6b", "6c", "4a"))
    assert.equal("6a 4a 4b 4c", ordered("4a", "4b", "4c", "6a"))
    assert.equal("4a 4b", ordered("4a", "4b"))
    assert.equal("6a", ordered "6a")
  end)
end)

describe("a host's addresses", function()
  descriptors.watch(before_each, after_each, ends.finish)

  it("are tried 0.25 s after each other, and the first to answer counts", function()
    local port, dialled = host_with({"127.0.0.2", dead}, {"127.0.0.3", dead}, {"127.0.0.1", alive})
    local result = dial(port, {timeout = 1000})
    turn_to(dialled, 1)
    assert.is_true(websock.timeout() > 0.01)  -- it rests
    clock.skip(0.25)
    turn_to(dialled, 2)
    assert.is_nil(result.ended)
    clock.skip(0.25)
    assert.equal("127.0.0.1", host_of(result))
    assert.same({"127.0.0.2", "127.0.0.3", "127.0.0.1"}, dialled)
  end)

  it("may have another delay between them", function()
    local port, dialled = host_with({"127.0.0.2", dead}, {"127.0.0.1", alive})
    local result = dial(port, {timeout = 1000, attempt_delay = 100})
    turn_to(dialled, 1)
    clock.skip(90)
    turn_to(dialled, 1)
    clock.skip(10)
    assert.equal("127.0.0.1", host_of(result))
  end)

  it("are tried at once after one has failed", function()
    local port = host_with({"127.0.0.2"}, {"127.0.0.3"}, {"127.0.0.1", alive})
    local result = dial(port, {timeout = false, attempt_delay = 1000})
    assert.equal("127.0.0.1", host_of(result))
  end)

  it("do not wait for one that is being tried when another has failed", function()
    local port, dialled = host_with({"127.0.0.2", dead}, {"127.0.0.3"}, {"127.0.0.1", alive})
    local result = dial(port, {timeout = 10000, attempt_delay = 1000})
    turn_to(dialled, 1)
    clock.skip(1000)
    assert.equal("127.0.0.1", host_of(result))
  end)

  it("count until the time is up, also those tried first", function()
    local port, dialled = host_with({"127.0.0.2", dead}, {"127.0.0.3", dead})
    local result = dial(port, {timeout = 30})
    turn_to(dialled, 1)
    clock.skip(1)
    turn_to(dialled, 2)
    assert.is_true(websock.timeout() > 1)  -- nothing is to be done before
    clock.skip(29)
    ends.turn_until(function() return result.ended end)
    assert.same({nil, "timeout"}, {result.ws, result.err})
  end)

  it("are judged by what has arrived when the time is up", function()
    local port = host_with {"127.0.0.1", alive}
    local real = core.connect
    core.connect = function(...)
      local fd = real(...)
      clock.skip(10)  -- the loop is late
      return fd, false
    end
    ends.at_end(function() core.connect = real end)
    local fd, err = ends.inside(race.connect, require "websock.io.loop", {{host = "127.0.0.1", family = "inet"}},
      port, 0.25, websock.now() + 5)
    assert.is_truthy(fd, err)
    core.closefd(fd)
  end)

  it("all failing give the last error", function()
    local port = alive("127.0.0.1", 0)
    host_with({"127.0.0.2"}, {"127.0.0.3"})
    local result = dial(port)
    ends.turn_until(function() return result.ended end)
    assert.equal("connect: connection refused", result.err)
  end)

  it("with attempt_delay = false are tried one after the other, each for its share of the time", function()
    local port, dialled = host_with({"127.0.0.2", dead}, {"127.0.0.3", dead}, {"127.0.0.1", alive})
    local before = descriptors.count()
    local result = dial(port, {timeout = 3000, attempt_delay = false})
    turn_to(dialled, 1)
    clock.skip(990)
    turn_to(dialled, 1)
    clock.skip(20)
    turn_to(dialled, 2)
    assert.is_true(descriptors.count() <= before + 1)
    clock.skip(1000)
    assert.equal("127.0.0.1", host_of(result))
  end)

  it("with attempt_delay = false and no timeout wait for the kernel", function()
    local port, dialled = host_with({"127.0.0.2", dead}, {"127.0.0.1"})
    local result = dial(port, {timeout = false, attempt_delay = false})
    turn_to(dialled, 1)
    assert.is_nil(websock.timeout())
    clock.skip(10000)
    turn_to(dialled, 1)
    assert.equal("suspended", coroutine.status(result.thread))
    coroutine.close(result.thread)
  end)

  it("are let go by coroutine.close", function()
    local port, dialled = host_with({"127.0.0.2", dead}, {"127.0.0.3", dead})
    local before = descriptors.count()
    local result = dial(port, {timeout = 1000})
    turn_to(dialled, 1)
    clock.skip(1)
    turn_to(dialled, 2)
    coroutine.close(result.thread)
    assert.equal(before, descriptors.count())
    websock.step(0)
    assert.is_nil(websock.timeout())
  end)

  it("of both families are tried, IPv6 first", function()
    local listener = socket.bind("::1", 0)
    if not listener then return end  -- this machine has no IPv6
    listener:close()
    local port = host_with({"127.0.0.1", alive}, {"::1", alive})
    assert.equal("::1", host_of(dial(port)))
  end)
end)
