-- Runs functions in coroutines of another scheduler for threads of the loop.

local pumps = require "websock.io.pumps"
local scheduler = require "websock.io.scheduler"
local trace = require "websock.base.trace"

local delegate = {
  wake = nil,  -- set by the loop: scheduler.wake, wrapped
}

local function with_traceback(err)
  return {err = err, traceback = trace.of(coroutine.running(), err)}
end

-- What runs in the host's coroutine. If that is closed or dropped, the caller goes on
-- without results.
local Run = {}

local function finish(self)
  if self.call.told then return end
  self.call.told = true
  delegate.wake(self.call, self.call.thread)
end

Run.__close, Run.__gc = finish, finish

local function perform(call, f, ...)
  local _ <close> = setmetatable({call = call}, Run)
  call.results = table.pack(xpcall(f, with_traceback, ...))
end

--- Returns a function that runs f in a coroutine of the host, and returns or raises what
--- f does. It waits, in a thread of the loop.
function delegate.to(adapter, f)
  return function(...)
    local call = {thread = coroutine.running()}
    pumps.join(adapter)
    adapter.spawn(perform, call, f, ...)
    repeat scheduler.park(nil, call) until call.told
    local results = call.results
    if not results then return end
    if results[1] then return table.unpack(results, 2, results.n) end
    trace.keep(call.thread, results[2].traceback)
    error(results[2].err, 0)
  end
end

return delegate
