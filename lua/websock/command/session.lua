-- One run of the client: its connection or, with --reconnect, its connections one after
-- the other; what its input, which feed.lua reads, may ask for; and the status to exit with.

local failure = require "websock.command.failure"
local feed = require "websock.command.feed"
local process = require "websock.command.process"
local websock = require "websock"

local FAILED, OK = process.FAILED, process.OK

-- `ws`: the connection, nil while there is none; `finishing`: it is to be the last one;
-- `ours`: we, not the server, have begun to close it; `ended`: there is no more; `failed`:
-- something could not be sent.
local Session = {}
Session.__index = Session

--- Returns a session. Set before it runs: `open_input`, a function that returns an iterator
--- over the lines of the input, and a function that says what one means; `trace`, if there
--- is one. `terminal` is set once lines are edited.
---@param options table # of arguments.parse
---@param out table # of output.lua or json.lua
---@param dial table # options of websock.connect
---@param files string[] # messages to be sent first
function Session.new(options, out, dial, files)
  return setmetatable({options = options, out = out, dial = dial, files = files, received = 0,
    status = FAILED}, Session)
end

--- Shows what --verbose shows.
function Session:drain()
  if self.trace then self.trace:drain() end
end

-- Reports an event, and what went wrong, behind what --verbose shows of it.
function Session:event(name, fields, has_failed)
  self:drain()
  self.out:event(name, fields, has_failed)
end

function Session:problem(text)
  self:drain()
  self.out:problem(text)
end

--- Reports something that was not done.
function Session:complain(text)
  self.failed = true
  self:problem(text)
end

-- What the input asks for ------------------------------------------------------------

--- Returns the connection, nil if there is none. With --reconnect waits for one that is
--- open, and not the one that was found to be lost.
function Session:connection(lost)
  while self.options.reconnect and not self.finishing do
    if self.ws and self.ws ~= lost and self.ws:state() == "open" then break end
    self.waiting = coroutine.running()
    websock.park()
  end
  return self.ws
end

--- Sends a message.
function Session:deliver(message, kind)
  kind = kind or self.options.binary and "binary" or "text"
  if kind == "text" and not utf8.len(message) then
    local instead = self.options.json and '"type":"binary"' or "--binary"
    return self:complain(("not UTF-8, not sent (%s sends any bytes)"):format(instead))
  end
  local ws, ok, err
  repeat
    ws = self:connection(ws)
    if not ws then break end
    ok, err = ws:send(message, kind)
  until ok or not self.options.reconnect
  if not ok then self:unsent(err or "closed") end
end

-- Reports a message for which the end of the connection came first; not if we have
-- ended it.
function Session:unsent(err)
  if not self.finishing then self:complain("not sent: " .. err) end
end

--- Measures the round trip.
function Session:ping()
  local ws = self:connection()
  if not ws then return end
  local seconds, err = ws:ping(nil, self.options.timeout)
  if seconds then return self:event("pong", {seconds = seconds}) end
  if not self.finishing then self:problem("ping: " .. err) end
end

--- Prints a text.
function Session:tell(text)
  self.out:say("status", text)
end

--- Ends the session: closes the connection, or ends at once if there is none.
---@param code integer
---@param reason string?
function Session:close(code, reason)
  local ws = self.ws
  if not ws then return self:stop() end
  local was, ours = self.finishing, self.ours
  self.finishing, self.ours = true, ours or ws:state() == "open"
  local done, err = pcall(ws.close, ws, code, reason)
  if done then return end
  self.finishing, self.ours = was, ours
  self:complain(process.without_position(err))
end

--- The same for a signal, which ends the editing of lines.
function Session:interrupt(code)
  if self.terminal then self.terminal:close() end
  if self.finishing then return self:stop() end
  self:close(code)
end

--- Ends it at once.
function Session:stop()
  self.finishing, self.ended = true, true
  websock.stop()
end

-- Connections -----------------------------------------------------------------------

-- Prints messages until the connection has ended, or there is no need for more.
function Session:print_all(ws)
  for message, kind in ws:messages() do
    self.received = self.received + 1
    self:drain()
    local printed, err = self.out:message(message, kind)
    if err then self:complain("cannot write: " .. err) end
    if not printed or self.received == self.options.count then return self:close(1000) end
  end
end

local NORMAL = {[1000] = true, [1001] = true, [1005] = true}

-- The status after a connection.
function Session:judge(ws)
  if self.failed then return FAILED end
  if self.options.count then return self.received >= self.options.count and OK or FAILED end
  return ws.close_clean and (self.ours or NORMAL[ws.close_code]) and OK or FAILED
end

-- From its opening to its end.
function Session:attend(ws)
  self.ws = ws
  self:event("open", {url = ws.response.url, protocol = ws.protocol})
  if not self.feeding then
    self.feeding = websock.spawn(feed, self)
  elseif self.waiting then
    websock.wake(self.waiting)
  end
  self:print_all(ws)
  self.ws = nil
  self.status = self:judge(ws)
  self:event("close", {code = ws.close_code, reason = ws.close_reason,
    clean = ws.close_clean},
    self.status ~= OK and not self.failed and not self.options.reconnect)
end

-- Reports that there is no connection.
function Session:report(err, response, status)
  self:problem(failure.describe(self.options, err, response))
  self.status = status or err:find "^url: " and process.USAGE or FAILED
end

function Session:run_once()
  local ws, err, response, status = process.attempt(websock.connect, self.options.url, self.dial)
  if not ws then return self:report(err, response, status) end
  self:attend(ws)
end

-- For websock.reconnect, after each failure.
function Session:failure(err, delay, attempt, response, ws)
  if self.finishing then return false end
  if not delay and not ws then return self:report(err, response) end
  if delay then
    self:event("retry", {error = failure.reason(self.options, err, response), seconds = delay,
      attempt = attempt})
  end
end

function Session:run_again_and_again()
  self.dial.on_retry = function(...) return self:failure(...) end
  local iterate, state, _, guard = process.attempt(websock.reconnect, self.options.url, self.dial)
  if not iterate then return self:report(state, nil, process.USAGE) end
  local closing <close> = guard  -- luacheck: ignore closing
  repeat
    local ws, err, _, status = process.attempt(iterate, state)
    if ws then self:attend(ws) end
    if err then self:report(err, nil, status) end
  until not ws or self.finishing
end

--- Runs it to its end, or until `stop`; sets `status`.
function Session:run()
  local _ <close> = setmetatable({}, {__close = function() self:stop() end})
  if self.options.reconnect then self:run_again_and_again() else self:run_once() end
end

return Session
