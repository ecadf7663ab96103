-- What a server runs for a connection: its hooks and its handler, in a thread that
-- begins when the request is there.

local handshake = require "websock.server.handshake"
local log = require "websock.base.log"
local text_of = require "websock.base.text"
local tracking = require "websock.server.tracking"

local handler = {}

--- What reports an error of a handler or hook: never raises.
---@param on_error? function # the user's
---@return fun(err: any, ws?: table, traceback: string)
function handler.reporter(on_error)
  return function(err, ws, traceback)
    if not on_error then return log.stderr(traceback) end
    local ok, second = pcall(on_error, err, ws, traceback)
    if ok then return end
    log.stderr(traceback .. "\nand on_error raised: " .. text_of(second))
  end
end

--- The thread has ended.
function handler.ended(link, ok, err, traceback)
  if link.stage == "handshake" then  -- in the middle of a hook
    if ok then return link:drop "aborted" end
    return handshake.failed(link, err, traceback)
  end
  if not ok then link.report(err, link.ws, traceback) end
  if link.stage == "open" then
    link:begin_close(ok and 1000 or 1011)
  end
end

-- The life of a connection that is open, in a thread of its own. The thread's
-- stack stays small, for this is all that many will ever wait in.
local function live(link)
  link:hand_over()
  link.server.options.handler(link.ws)
end

-- The same from its request on, where hooks may yield.
local function answer_and_live(link)
  local ws = handshake.answer(link, link.server.options)
  if not ws then return end
  tracking.admit(link)
  link:hand_over()
  link.server.options.handler(ws)
end

-- The core has refused a request by itself, or there will be none.
local function tell_refused(link)
  if link.conn:tls_error() then return end
  local _, rule, _, _, _, _, _, status = link.conn:ending()
  log.write("info", "request refused",
    {status = status, rule = rule, remote = log.place(link.remote)})
end

--- The request has arrived.
function handler.on_request(link)
  local o = link.server.options
  if link.conn:state() == "closed" then return tell_refused(link) end
  if handshake.has_hooks(o) then
    link.loop.spawn_for(link, answer_and_live, link)
  elseif handshake.answer(link, o) then
    tracking.admit(link)
    link.loop.spawn_for(link, live, link)
  end
end

return handler
