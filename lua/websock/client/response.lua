-- The server's answer to a client's request, for users.

local headers = require "websock.base.headers"

-- Printed as "401 Unauthorized"; the server may have sent no reason.
local Response = {__name = "websock.response"}

function Response:__tostring()
  local line = self.reason == "" and tostring(self.status) or self.status .. " " .. self.reason
  return self.not_followed and ("%s (not followed: %s)"):format(line, self.not_followed) or line
end

--- Returns the answer that a conn has received.
---@param url string # that was asked
---@return table
return function(conn, url)
  local head = headers.read(conn)
  return setmetatable({status = head.status, reason = head.reason,
    headers = head.headers, fields = head.fields, url = url}, Response)
end
