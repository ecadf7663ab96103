-- The opening handshake of a link for connect and accept: a coroutine waits until the
-- peer's request or response has arrived, or the link has ended. A server that listens
-- does not wait: its links call on_handshake.

local core = require "websock.core"
local driver = require "websock.link.driver"

local opening = {}

local Unopened = {__close = function(self)
  local link = self.link
  if link.stage == "handshake" then link:drop "aborted" end
end}

--- Returns a guard for a to-be-closed variable, which drops the link, and closes its
--- descriptor, unless it has opened when the call ends (also by coroutine.close or an
--- error).
function opening.guard(link)
  return setmetatable({link = link}, Unopened)
end

--- Begins on the link's transport, from which `received` was read already. A socket
--- object that is driven through its methods is taken for LuaSec's, which has its own
--- TLS.
---@param context? userdata # for TLS; name and place: see Link:secure
---@return true|nil, string? err # then the link is gone
function opening.start(link, context, received, name, place)
  if context and link.driver == driver.native then
    return link:secure(context, received, name, place)
  elseif received == "" then
    return true
  end
  local flags, err = link.conn:feed(received, core.WANT.MESSAGE)
  if not flags then
    link:drop "aborted"
    return nil, err
  end
  link:digest(flags)
  return true
end

--- Waits until the request or response has arrived, or the link has ended, which it
--- does at its deadline.
function opening.wait(link)
  link.opener = coroutine.running()
  while link.stage == "handshake" and not link.asked do link.loop.park(nil, link) end
  link.opener = nil
end

--- Returns why the link has ended, if its deadline or TLS was the reason.
---@return string? err # "timeout", "tls: ..."
function opening.failure(link)
  if link.timed_out then return "timeout" end
  return link.conn:tls_error()
end

return opening
