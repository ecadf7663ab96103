-- Callbacks in place of a handler. on_open, on_message and on_drain are called in C (see
-- lua_callback.c), in a coroutine that the loop lends them; here they begin and end.
-- on_close, which may stand beside a handler or alone, has a coroutine of its own.

local callbacks = {}

--- Has the callbacks of a link called from now on, in coroutines that are lent to them.
function callbacks.start(link)
  link.conn:serve(link.options.on_open)
  link:wake_receiver()
end

--- The same in a thread of the link: calls those that are due.
function callbacks.run(link)
  link.conn:serve(link.options.on_open)
  link.conn:calling()
  return link.loop.call_back(link.conn)
end

--- Called when a coroutine that was lent has ended, because nothing is due, by an error
--- or because it was closed. After an error no more messages are delivered.
function callbacks.ended(link, ok)
  local conn = link.conn
  if not ok then conn:mute() end
  conn:called()
  if not ok and link.stage == "open" then link:begin_close(1011) end
  link:wake_receiver()
  link:read_on()  -- reading may have stopped while the callback waited
  callbacks.closed(link)
end

--- Called when the handler of a link that has on_close has ended.
function callbacks.handler_ended(link)
  link.handled = true
  callbacks.closed(link)
end

-- Whether nothing else of the application's runs, or is due, for a link. One that was
-- accepted for a caller who receives has nothing here that could run.
local function is_done(link)
  local o = link.options
  if o.on_message then return link.conn:is_done() end
  return link.handled or not o.handler
end

-- The owner of on_close's thread.
local Closer = {}
Closer.__index = Closer

function Closer:thread_ended(ok, err, traceback)
  local link = self.link
  if ok then return end
  if link.report then return link.report(err, link.ws, traceback) end
  link.loop.report(err, nil, traceback)
end

--- Calls on_close, once, if the connection was open, its close code is final, and
--- everything else of the application's has ended.
function callbacks.closed(link)
  local on_close, stage = link.options.on_close, link.stage
  if not on_close or not link.ws or link.told then return end
  if stage ~= "closed" and stage ~= "gone" or not is_done(link) then return end
  local code, reason, clean = link.conn:ending()
  link.loop.spawn_for(setmetatable({link = link}, Closer), on_close, link.ws, code, reason,
    clean)
  link.told = true
end

return callbacks
