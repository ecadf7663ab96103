-- How long to wait before the next attempt: exponential backoff with full jitter, which
-- spreads the clients of a server that comes back; and never less than the server asks
-- for.

local core = require "websock.core"
local date = require "websock.client.date"

local backoff = {
  random = core.random,  -- from 0 up, below 1
}

local PATIENCE = 600  -- the most seconds that a server may ask for

-- The seconds that Retry-After asks for (RFC 9110 section 10.2.3): a number, or a date.
local function asked(response)
  local value = response and response.headers["retry-after"]
  if not value then return 0 end
  if value:find "^%d+$" then return tonumber(value) end
  local at = date.parse(value)
  return at and at - date.now() or 0
end

--- Returns the seconds to wait.
---@param o {min: number, max: number, factor: number} # seconds, seconds, a number
---@param attempt integer # 1 for the first failure in a row
---@param response? table # a refusal
---@return number
function backoff.delay(o, attempt, response)
  local most = math.min(o.max, o.min * o.factor ^ (attempt - 1))
  return math.max(backoff.random() * most, math.min(asked(response), PATIENCE))
end

return backoff
