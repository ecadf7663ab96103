-- The fields of a client's request beside those of the handshake (RFC 6455 section 4.1):
-- those of the option `headers`, and a few that have a source of their own. Where a
-- field has both, `headers` wins; a false there removes it.

local core = require "websock.core"
local headers = require "websock.base.headers"
local misuse = require "websock.base.misuse"
local version = require "websock.base.version"

local USER_AGENT = "websock/" .. version

-- RFC 7617 section 2.
local function authorization(target)
  return target.user and "Basic " .. core.base64(target.user .. ":" .. target.password)
end

-- Adds a field that a request has only once, unless `headers` has set or removed it.
local function add_one(where, flat, removed, name, value)
  local given = headers.count(flat, name)
  if given > 1 then misuse("%s: header '%s': given twice", where, name) end
  if given == 1 or removed[name:lower()] or not value then return end
  flat[#flat + 1], flat[#flat + 2] = name, value
end

--- Returns the fields of a request: name, value, name, value ...
---@param where string # the function called
---@param o table # its options
---@param target table # of url.parse
---@return string[]
return function(where, o, target)
  local removed = {}
  local flat = headers.flatten(where, o.headers, removed)
  add_one(where, flat, removed, "User-Agent", USER_AGENT)
  add_one(where, flat, removed, "Origin", o.origin)
  add_one(where, flat, removed, "Authorization", authorization(target))
  add_one(where, flat, removed, "Cookie", o.cookies and o.cookies:field(target))
  return flat
end
