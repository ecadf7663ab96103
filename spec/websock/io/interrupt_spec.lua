-- "interrupted!", as Ctrl-C raises it in the main chunk, at each event that a debug
-- hook sees there: the loop goes on afterwards, and nothing is lost or left behind.

local websock = require "websock"
local certificates = require "support.certificates"
local descriptors = require "support.descriptors"
local ends = require "support.ends"
local wss = require "support.wss"

local TIMES = tonumber(os.getenv "WEBSOCK_INTERRUPTS") or 30  -- places that are tried

-- Calls f, interrupted at the n-th event; returns whether it was, and its results.
local function interrupted(n, f, ...)
  local function hook()
    n = n - 1
    if n > 0 then return end
    debug.sethook()
    error("interrupted!", 0)
  end
  local results = table.pack(pcall(function(...)
    debug.sethook(hook, "crl", 1)
    local result = f(...)
    debug.sethook()
    return result
  end, ...))
  if not results[1] then assert.equal("interrupted!", results[2]) end
  return n <= 0, table.unpack(results, 1, results.n)
end

-- Returns the number of events in f.
local function events_of(f, ...)
  local n = 0
  debug.sethook(function() n = n + 1 end, "crl", 1)
  f(...)
  debug.sethook()
  return n
end

-- Numbers from 1 to n: all of the first ones, then some spread over the rest.
local function places(n)
  local list, step = {}, math.max(1, n // TIMES)
  for i = 1, math.min(n, TIMES) do list[#list + 1] = i end
  for i = TIMES + 1, n, step do list[#list + 1] = i end
  return list
end

local function assert_nothing_left(before)
  while websock.step(0.01) do end
  websock.run()
  websock.step(0)
  assert.is_false(websock.step(0))
  assert.is_nil(websock.timeout())
  collectgarbage()
  collectgarbage()
  assert.same(before, descriptors.list())
end

local function open_now()
  websock.step(0)
  collectgarbage()
  collectgarbage()
  return descriptors.list()
end

local KINDS = {
  ws = function() return nil, nil end,
  wss = function() return certificates.of "server", wss.trusting() end,
}

-- Begins an echo server, three clients of it and timers, which end by themselves. Returns
-- a table of those that have ended.
local function begin(kind)
  local server_tls, client_tls = KINDS[kind]()
  local server = assert(websock.listen {port = 0, tls = server_tls, ping_interval = false,
    handler = function(ws)
      for message in ws:messages() do assert(ws:send(message)) end
    end})
  local url = ("%s://localhost:%d/"):format(kind, ends.port(server))
  local done, left = {}, 3
  for i = 1, 3 do
    websock.spawn(function()
      local ws = assert(websock.connect(url, {tls = client_tls, ping_interval = false}))
      for n = 1, 5 do
        assert(ws:send(("%d %d"):format(i, n)))
        assert.equal(("%d %d"):format(i, n), (ws:receive(n % 2 == 0 and 1000 or nil)))
        websock.sleep(n % 3 == 0 and 0.001 or 0)
      end
      assert(ws:ping("x", 1000))
      done[i] = ws:close(1000, "", 1000)
      left = left - 1
      if left == 0 then server:stop() end
    end)
  end
  return done
end

-- The same by calls outside the loop.
local function directly(url, tls)
  local ws <close> = assert(websock.connect(url, {tls = tls, ping_interval = false}))
  assert(ws:send "one")
  assert.equal("one", (ws:receive()))
  local writer = assert(ws:writer())
  writer:write "tw"
  writer:finish "o"
  assert.equal("two", (ws:receive(1000)))
  assert(ws:ping("x", 1000))
  websock.sleep(0)
  assert(ws:close())
  return true
end

describe("interrupted!", function()
  local failures

  before_each(function()
    failures = {}
    websock.on_error = function(err) failures[#failures + 1] = err end
  end)
  after_each(function()
    websock.on_error = nil
    ends.finish()
  end)

  for kind in pairs(KINDS) do
    it("in run loses nothing (" .. kind .. ")", function()
      begin(kind)
      local n = events_of(websock.run)
      local before = open_now()
      for _, place in ipairs(places(n)) do
        local done = begin(kind)
        interrupted(place, websock.run)
        websock.run()
        assert.same({place, true, true, true}, {place, table.unpack(done)})
        assert.same({}, failures)
      end
      assert_nothing_left(before)
    end)

    it("in step loses nothing (" .. kind .. ")", function()
      begin(kind)
      while websock.step(0.01) do end
      local before = open_now()
      local function one() return websock.step(1) end
      for place = 1, 60, 60 // math.min(60, TIMES) do  -- in every second turn
        local done = begin(kind)
        while true do
          local was, ok, more = interrupted(place, one)
          if was then more = websock.step(0) end  -- otherwise it would never get far
          if (ok or was) and not more then break end
        end
        assert.same({place, true, true, true}, {place, table.unpack(done)})
        assert.same({}, failures)
      end
      assert_nothing_left(before)
    end)

    it("in calls outside the loop leaves nothing (" .. kind .. ")", function()
      local server_tls, client_tls = KINDS[kind]()
      local server = ends.listen {port = 0, tls = server_tls, ping_interval = false,
        handler = wss.echo}
      local url = ("%s://localhost:%d/"):format(kind, ends.port(server))
      directly(url, client_tls)
      local n = events_of(directly, url, client_tls)
      ends.turn_until(function() return server:count() == 0 end)
      local before = open_now()
      for _, place in ipairs(places(n)) do
        interrupted(place, directly, url, client_tls)
        collectgarbage()  -- which the call had not yet returned
        collectgarbage()
        ends.turn_until(function() return server:count() == 0 and next(server.links) == nil end)
        assert.same({}, failures)
      end
      assert.is_true(directly(url, client_tls))
      ends.turn_until(function() return server:count() == 0 and next(server.links) == nil end)
      assert.same(before, open_now())
    end)
  end
end)
