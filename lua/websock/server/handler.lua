-- Runs a server's hooks and handler for a connection, in a thread that begins when the
-- request has arrived.

local callbacks = require "websock.link.callbacks"
local connection = require "websock.link.connection"
local handshake = require "websock.server.handshake"
local log = require "websock.base.log"
local remote_of = require("websock.link.request").remote
local text_of = require "websock.base.text"
local tracking = require "websock.server.tracking"

local handler = {}

local function report(on_error, err, ws, traceback)
  if not on_error then return log.stderr(traceback) end
  local ok, second = pcall(on_error, err, ws, traceback)
  if ok then return end
  log.stderr(traceback .. "\nand on_error raised: " .. text_of(second))
end

--- Returns a function that reports an error of a handler or hook, and never raises.
---@param on_error? function # the user's
---@return fun(err: any, ws?: table, traceback: string)
function handler.reporter(on_error)
  return function(...) pcall(report, on_error, ...) end
end

--- Called when the thread has ended.
function handler.ended(link, ok, err, traceback)
  if link.stage == "handshake" then  -- in the middle of a hook
    if ok then return link:drop "aborted" end
    return handshake.failed(link, err, traceback)
  end
  local o = link.options
  if not ok then link.report(err, link.ws, traceback) end
  if o.on_message and link.ws then return callbacks.ended(link, ok) end
  if link.stage == "open" then
    link:begin_close(ok and 1000 or 1011)
  end
  if o.on_close then callbacks.handler_ended(link) end
end

-- The thread of a connection that Lua has let in.
local function run(link)
  link:hand_over()
  link.options.handler(link.ws)
end

-- The same from the request on, if hooks may yield.
local function answer_and_run(link)
  if not handshake.answer(link, link.server.options) then return end
  tracking.admit(link)
  if link.options.on_message then return callbacks.run(link) end
  return run(link)
end

-- Logs a request that the core has refused by itself, or that was cut off.
local function log_refused(link)
  if link.conn:tls_error() then return end
  local _, rule, _, _, _, _, _, status = link.conn:ending()
  log.write("info", "request refused",
    {status = status, rule = rule, remote = log.place(remote_of(link))})
end

--- Called when the request has arrived.
function handler.on_request(link)
  local o = link.server.options
  if link.conn:state() == "closed" then return log_refused(link) end
  if handshake.has_hooks(o) then
    link.loop.spawn_for(link, answer_and_run, link)
  elseif handshake.answer(link, o) then
    tracking.admit(link)
    if o.on_message then return callbacks.start(link) end
    link.loop.spawn_for(link, run, link)
  end
end

--- Called when C has answered the request, with the subprotocol that it chose, and flags
--- for what came behind it. The handler is the first function of its thread, whose stack
--- stays small: most connections spend their life waiting in it.
function handler.on_upgrade(link, protocol, flags)
  if protocol then link.protocol = protocol end
  local ws, o = connection.new(link), link.options
  tracking.join(link)
  if flags ~= 0 then link:digest(flags) end
  if o.on_message then return callbacks.start(link) end
  link:hand_over()
  link.loop.start_for(link, o.handler, ws)
end

return handler
