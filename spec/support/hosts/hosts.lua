-- The schedulers that the conformance spec runs its rows in. Each is
--
--   name
--   scheduler           the value of the option of that name
--   run(f)              runs f in a coroutine of the host, and the host until nothing is
--                       left to it
--   spawn(f, ...)       runs f in another one; returns it
--   sleep(seconds)      the host's own
--   waits(f)            begins f in a coroutine that can be cancelled; returns a function
--                       that cancels it as its host's users do
--   take_error()        removes and returns an error of one of the host's coroutines,
--                       from where the host's users expect it; nil if there is none
--   serve(listener, f)  calls f(sock) for each connection of a LuaSocket listener, as the
--                       host's users would; returns a function that ends it
--   is_own()            whether the running coroutine was resumed by its own scheduler
--   nested              how a call that has to wait fares in a coroutine inside one of
--                       the host's: "raises", "turns", or nil: it cannot be told

local resume = coroutine.resume
local resumers = setmetatable({}, {__mode = "k"})  -- coroutine -> the file that resumes it

local function resumed(co, before, ...)
  resumers[co] = before
  return ...
end

-- The library's C code does not come through here.
rawset(coroutine, "resume", function(co, ...)
  local before = resumers[co]
  resumers[co] = debug.getinfo(2, "S").source
  return resumed(co, before, resume(co, ...))
end)

local websock = require "websock"
local running = coroutine.running

local function resumed_by(pattern)
  local file = resumers[running()]
  return file ~= nil and file:find(pattern) ~= nil
end

-- Whether this is a coroutine that C has resumed, as the loop does.
local function resumed_in_c()
  local co, is_main = running()
  return not is_main and resumers[co] == nil
end

-- Accepts in a loop that waits by wait(); `ended` is set by the function returned.
local function accept_loop(spawn, listener, f, wait)
  local ended = false
  listener:settimeout(0)
  spawn(function()
    while not ended do
      wait()
      local sock = listener:accept()
      if sock then spawn(f, sock) end
    end
    listener:close()
  end)
  return function() ended = true end
end

-- A coroutine that its host has dropped is gone once it was collected.
local function collect()
  for _ = 1, 3 do collectgarbage() end
end

-- Closes a coroutine, which its host then forgets.
local function closer(spawn, forget)
  return function(f)
    local co = spawn(f)
    return function()
      assert(coroutine.close(co))
      if forget then forget(co) end
    end
  end
end

local hosts = {}

-- The main chunk: what else goes on does so in coroutines of the loop.
function hosts.main()
  local host = {scheduler = "loop", nested = "turns", spawn = websock.spawn, sleep = websock.sleep}
  local failure

  function host.run(f)
    f()
    websock.run()
  end

  function host.is_own() return select(2, running()) or resumed_in_c() end

  function host.fails(f)  -- an error comes out of the call
    local ok, err = pcall(f)
    failure = not ok and err or nil
  end

  function host.take_error()
    local err = failure
    failure = nil
    return err
  end

  function host.serve(listener, f)
    return accept_loop(websock.spawn, listener, f, function() websock.wait(listener, "r", 0.01) end)
  end

  return host
end

function hosts.loop()
  local errors = {}
  local host = {scheduler = "loop", nested = "raises", spawn = websock.spawn, sleep = websock.sleep}

  function host.run(f)
    websock.on_error = function(err) table.insert(errors, err) end
    websock.spawn(f)
    websock.run()
  end

  host.is_own = resumed_in_c

  function host.take_error() return table.remove(errors, 1) end

  host.waits = closer(websock.spawn)

  function host.serve(listener, f)
    return accept_loop(websock.spawn, listener, f, function() websock.wait(listener, "r", 0.01) end)
  end

  return host
end

local function copas_host(copas, file)
  local errors = {}
  local host = {scheduler = "copas", copas = copas, nested = nil, spawn = copas.addthread,
    sleep = copas.pause}

  function host.run(f)
    copas.seterrorhandler(function(err) table.insert(errors, err) end, true)
    copas.addthread(f)
    copas.loop()
  end

  function host.is_own() return resumed_by(file) end

  function host.take_error() return table.remove(errors, 1) end

  function host.waits(f)
    local co = copas.addthread(f)
    return function()
      copas.removethread(co)
      co = nil
      copas.pause()
      collect()
    end
  end

  function host.serve(listener, f)
    copas.addserver(listener, f)
    return function() copas.removeserver(listener) end
  end

  function host.wake(co) copas.wakeup(co) end

  return host
end

hosts["copas-like"] = function()
  local copas = require "support.copas_like"
  package.loaded.copas = copas
  return copas_host(copas, "support/copas_like%.lua$")
end

function hosts.copas()
  return copas_host(require "copas", "copas%.lua$")
end

function hosts.cqueues()
  local cqueues = require "cqueues"
  local controller, errors = cqueues.new(), {}
  local host = {scheduler = "cqueues", controller = controller, nested = "raises",
    sleep = cqueues.sleep}

  function host.spawn(...) controller:wrap(...) end

  function host.run(f)
    controller:wrap(f)
    repeat
      local ok, err = controller:loop()
      if not ok then table.insert(errors, err) end
    until controller:empty()
  end

  function host.is_own()
    local cq, is_its_own = cqueues.running()
    return cq ~= nil and is_its_own and resumers[running()] == nil
  end

  function host.take_error() return table.remove(errors, 1) end

  -- A controller of its own, which the host's own thread turns until it is closed.
  function host.waits(f)
    local other, ended = cqueues.new(), false
    other:wrap(f)
    controller:wrap(function()
      while not ended do
        assert(other:step(0))
        cqueues.poll(other, 0.01)
      end
    end)
    return function()
      ended = true
      cqueues.sleep(0.02)
      other:close()
      other = nil
      collect()
    end
  end

  function host.serve(listener, f)
    return accept_loop(host.spawn, listener, f, function()
      cqueues.poll({pollfd = listener:getfd(), events = "r"}, 0.01)
    end)
  end

  return host
end

function hosts.luv()
  local uv = require "luv"
  local host = {scheduler = "luv", nested = nil}

  local function go_on(co, ...)
    local ok, err = coroutine.resume(co, ...)
    if not ok then error(debug.traceback(co, tostring(err)), 0) end
  end

  local function after(seconds, f, ...)
    local timer, arguments = uv.new_timer(), table.pack(...)
    uv.update_time()
    timer:start(math.ceil(seconds * 1000), 0, function()
      timer:close()
      f(table.unpack(arguments, 1, arguments.n))
    end)
  end

  function host.spawn(f, ...)
    local co = coroutine.create(f)
    after(0, go_on, co, ...)
    return co
  end

  -- A turn of libuv's loop: a timer of 0 seconds that is started by a timer is served
  -- in the same turn.
  local function next_turn(co)
    local idle = uv.new_idle()
    idle:start(function()
      idle:close()
      go_on(co)
    end)
  end

  function host.sleep(seconds)
    if seconds > 0 then after(seconds, go_on, running()) else next_turn(running()) end
    coroutine.yield()
  end

  function host.run(f)
    host.spawn(f)
    uv.run()
  end

  function host.is_own() return resumed_by "support/hosts/hosts%.lua$" or resumed_by "websock/io/luv%.lua$" end

  host.waits = closer(host.spawn)
  host.errors_end = true  -- luv prints an error of a callback and ends the process

  function host.serve(listener, f)
    listener:settimeout(0)
    local poll = uv.new_poll(listener:getfd())
    poll:start("r", function()
      local sock = listener:accept()
      if sock then host.spawn(f, sock) end
    end)
    return function()
      poll:close()
      listener:close()
    end
  end

  function host.wake(co) coroutine.resume(co) end

  websock.use "luv"
  return host
end

function hosts.table()
  local toy = require "support.hosts.toy"
  local host = {scheduler = toy.adapter, nested = "raises", spawn = toy.spawn, sleep = toy.sleep}

  function host.run(f)
    toy.spawn(f)
    toy.run()
  end

  function host.is_own() return resumed_by "support/hosts/toy%.lua$" end

  function host.take_error() return table.remove(toy.errors, 1) end

  host.waits = closer(toy.spawn, toy.forget)

  function host.serve(listener, f)
    return accept_loop(toy.spawn, listener, f, function() toy.sleep(0.005) end)
  end

  function host.wake(co) toy.adapter.wake(co) end

  websock.use(toy.adapter)
  return host
end

-- The host of this name; its coroutines run handlers if `whose` is "theirs".
return function(name, whose)
  local host = hosts[name]()
  host.name, host.whose = name, whose
  host.handlers = whose == "theirs" and host.scheduler or "loop"
  --- Whether a handler was resumed by whom it should be.
  function host.is_handler()
    if whose == "theirs" then return host.is_own() end
    return resumed_in_c() and (host.scheduler == "loop" or not host.is_own())
  end
  return host
end
