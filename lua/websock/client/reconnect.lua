-- websock.reconnect: an iterator that yields a fresh connection whenever the last one has
-- ended, for a generic for loop, whose closing value ends it.
--
-- The iterator runs in its caller's coroutine, as do the functions that the user gives.
-- Only the connecting itself runs in a thread of the loop, so that `websock.stop` can
-- break it off at any of its waits.

local backoff = require "websock.client.backoff"
local client = require "websock.client.connect"
local connection = require "websock.link.connection"
local misuse = require "websock.base.misuse"
local options = require "websock.base.options"
local verdict = require "websock.client.verdict"

local LIFE = 30  -- seconds after which a connection has lived: attempts count from 1 again

-- A thread that connects -------------------------------------------------------

local Dialling = {}
Dialling.__index = Dialling

-- Called by the loop when the thread has ended.
function Dialling:thread_ended(ok, err)
  self.ended, self.raised = true, not ok
  if self.raised then self.err = err end
  self.owner:wake()
end

local function dialling(owner, prepared)
  local self = setmetatable({owner = owner}, Dialling)
  local loop = owner.loop
  self.thread = loop.call(loop.spawn_for, self, function()
    self.ws, self.err, self.response = client.open(loop, prepared)
  end)
  return self
end

-- Breaks it off, unless its result was taken.
function Dialling:__close()
  self.owner.waiter = nil  -- it may have been closed
  if not self.ended then coroutine.close(self.thread) end
  if self.ws then self.ws:abort() end
end

-- Returns the connection, or nil and a failure.
function Dialling:take()
  if self.raised then error(self.err, 0) end
  local ws = self.ws
  self.ws = nil
  if ws then return ws end
  return nil, {err = self.err, response = self.response}
end

-- The iterator -----------------------------------------------------------------

local Reconnect = {__name = "websock.reconnect"}
Reconnect.__index = Reconnect

function Reconnect:__tostring()
  return ("websock.reconnect (%s): %p"):format(self.ended and "ended" or "at work", self)
end

-- Lets whoever waits in `wait` look again.
function Reconnect:wake()
  local thread = self.waiter
  if thread then self.loop.call(self.loop.wake, self, self.loop.visitor(thread)) end
end

-- Waits until done() is true, `stop`, or a time of loop.now.
function Reconnect:wait(done, at)
  self.waiter = coroutine.running()
  while not self.stopped and not done() do self.loop.park(at, self, "reconnect") end
  self.waiter = nil
end

--- Called by websock.stop: ends a wait at once, and begins to close the connection.
function Reconnect:stop()
  self.stopped = true
  if self.ws then self.ws:close(1000, nil, 0) end
  self:wake()
end

-- Ends it for good.
function Reconnect:finish()
  self.stopped, self.ended = true, true
  self.loop.not_at_stop(self)
end

-- Closes the connection as a to-be-closed variable would.
function Reconnect:leave(err)
  local ws = self.ws
  self.ws = nil
  connection.leave(ws, err)
  return ws
end

function Reconnect:__close(err)
  self:finish()
  if self.ws then self:leave(err) end
end

-- Calls what may be a function in place of a value.
local function value_of(option)
  if options.callable(option) then return option() end
  return option
end

-- Returns what client.open takes, or nil and a failure. A function that returns nil, err
-- has failed this time only.
function Reconnect:prepare()
  local text, err = value_of(self.url)
  if text == nil and err ~= nil then return nil, {err = err} end
  local o = {}
  for name, value in pairs(self.options) do o[name] = value end
  o.headers, err = value_of(o.headers)
  if o.headers == nil and err ~= nil then return nil, {err = err} end
  local prepared, why = self.loop.call(client.prepare, self.loop, "reconnect", text, o)
  if prepared then return prepared end
  return nil, {err = why, lasts = true}
end

-- Connects once: sets self.ws, or returns a failure.
function Reconnect:connect()
  local prepared, failure = self:prepare()
  if not prepared or self.stopped then return failure end
  local dial <close> = dialling(self, prepared)
  self:wait(function() return dial.ended end)
  if self.stopped then return end
  self.ws, failure = dial:take()
  self.opened = self.ws and self.loop.now()
  return failure
end

-- Closes the connection whose body has ended. Returns it as a failure.
function Reconnect:ended_body()
  if self.loop.now() - self.opened >= LIFE then self.attempt = 0 end
  return {err = "closed", ws = self:leave()}
end

-- Tells on_retry of a failure. Returns whether to go on.
function Reconnect:tell(failure, delay)
  local on_retry = self.options.on_retry
  if on_retry then
    return on_retry(failure.err, delay, self.attempt, failure.response, failure.ws) ~= false
  elseif not delay then
    self:finish()
    misuse("reconnect: %s", verdict.text(failure))
  end
  return true
end

-- Waits after a failure. Returns whether to try again.
function Reconnect:pause(failure)
  local o, delay = self.options, nil
  self.attempt = self.attempt + 1
  if not verdict.is_fatal(failure, o.fatal_codes) then
    delay = backoff.delay(o.backoff, self.attempt, failure.response)
  end
  if not self:tell(failure, delay) or not delay then return false end
  local now = self.loop.now
  local at = now() + delay
  self:wait(function() return now() >= at end, at)
  return not self.stopped
end

-- Returns the next connection, nil at the end.
local function next_connection(self)
  local failure = self.ws and self:ended_body()
  repeat
    if self.stopped or failure and not self:pause(failure) then return self:finish() end
    failure = self:connect()
  until self.ws
  return self.ws
end

-- A low `max` lowers the default of `min`, too.
local function check_order(given, checked)
  local min = given and given.backoff and given.backoff.min
  if min and min > checked.max then
    misuse("reconnect: backoff: option 'min' is above 'max'")
  end
end

--- See docs/reference.md.
return function(loop, url, given)
  local o = options.check("reconnect", given)
  check_order(given, o.backoff)
  if type(url) ~= "string" and not options.callable(url) then
    misuse("reconnect: url: string or function expected, got %s", type(url))
  end
  local self = setmetatable({loop = loop, url = url, options = o, attempt = 0, stopped = false},
    Reconnect)
  loop.at_stop(self)
  return next_connection, self, nil, self
end
