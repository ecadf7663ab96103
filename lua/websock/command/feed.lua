-- The input of a session: the files of --send-file, then lines, each of which asks for one
-- of its methods; and what to wait for at the end of input.

local websock = require "websock"

-- Waits until the server has answered what it was sent. One pong proves little: a server
-- may answer pings before messages that its application has yet to take. But two round
-- trips in a row that bring nothing else mean that it has no more to send (or needs
-- longer: --linger is for that).
local function settle(session, ws)
  if not ws:flush() then return end
  local timeout = session.options.timeout
  local deadline, quiet = websock.now() + timeout, 0
  while quiet < 2 and websock.now() < deadline do
    local before = session.received
    if not ws:ping(nil, timeout) then return end
    quiet = session.received == before and quiet + 1 or 0
  end
end

local function act(session, action, ...)
  if action then return session[action](session, ...) end
  session:complain((...))
end

local function obey(session, line, read)
  local o = session.options
  if not (o.binary or o.json) then line = line:gsub("\r$", "") end
  act(session, read(line))
end

-- Closes when no more messages are expected. With --count, the last one does.
local function finish(session)
  local o, ws = session.options, session:connection()
  if ws and not o.count then settle(session, ws) end
  if o.linger then websock.sleep(o.linger) end
  if o.linger or not o.count then session:close(1000) end
end

-- Whether there is a connection, of which no other one will take the place, that has ended.
local function is_over(session)
  return session.ws and session.ws:state() ~= "open" and not session.options.reconnect
end

--- Sends the files and the lines, then ends the session.
---@param session table # of session.lua
return function(session)
  for _, text in ipairs(session.files) do session:deliver(text) end
  local lines, read = session.open_input()
  for line in lines do
    if is_over(session) then return end
    obey(session, line, read)
    if session.finishing then return end
  end
  finish(session)
end
