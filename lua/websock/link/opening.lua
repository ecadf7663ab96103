-- The opening handshake of a link as connect and accept do it: a coroutine waits
-- until the peer has done its part, or until nothing is left to wait for. A server
-- that listens waits nowhere: its links tell it (on_handshake).

local core = require "websock.core"
local driver = require "websock.link.driver"

local opening = {}

local Unopened = {__close = function(self)
  local link = self.link
  if link.stage == "handshake" then link:drop "aborted" end
end}

--- For a to-be-closed variable: the link goes, and its descriptor with it, unless it
--- has opened when the call ends, by coroutine.close or an error perhaps.
function opening.guard(link)
  return setmetatable({link = link}, Unopened)
end

--- Begins on the link's transport, of which somebody has read `received` already. A
--- socket object that is driven by its methods is LuaSec's, or is taken for one: it
--- has its TLS already.
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

--- Waits until there is a request or response, or the link has ended; at its
--- deadline it has.
function opening.wait(link)
  link.opener = coroutine.running()
  while link.stage == "handshake" and not link.asked do link.loop.park(nil, link) end
  link.opener = nil
end

--- What the link has ended by, if it was its deadline or TLS.
---@return string? err # "timeout", "tls: ..."
function opening.failure(link)
  if link.timed_out then return "timeout" end
  return link.conn:tls_error()
end

return opening
