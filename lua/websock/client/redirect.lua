-- Redirects (RFC 9110 section 15.4): whether to follow one, and with what. What belongs
-- to one origin goes to no other one: user and password, the fields of `headers`, the
-- client certificate, `server_name`. Nor is it sent again once another origin was
-- visited, which would choose the path then.

local headers = require "websock.base.headers"
local tls = require "websock.base.tls"
local url = require "websock.client.url"

local STATUS = {[301] = true, [302] = true, [303] = true, [307] = true, [308] = true}
local MOST = 20  -- where a function decides

local redirect = {}

-- What a request would be: another one with the same key makes a loop.
local function key_of(visit)
  local jar = visit.o.cookies
  return url.text(visit.target) .. "\n" .. (jar and jar:field(visit.target) or "")
end

--- Returns the state of a chain of redirects that begins with this visit.
function redirect.trail(visit)
  local allowed = visit.o.redirects
  local is_number = type(allowed) == "number"
  return {
    most = is_number and allowed or MOST, allows = not is_number and allowed or nil,
    followed = 0, seen = {[key_of(visit)] = true},
  }
end

--- Whether an answer to this visit may be followed.
---@return boolean
function redirect.goes_on(trail, visit)
  return trail.followed < trail.most and not visit.o.socket
end

-- Returns the target that an answer redirects to, or nil and why it has none.
local function target_of(visit, location)
  local target, err = url.parse(url.resolve(visit.target, location), visit.where)
  if not target then return nil, err end
  local base = visit.target
  if url.is_same_origin(base, target) and not target.user then
    target.user, target.password = base.user, base.password
  end
  return target
end

-- Returns why the options forbid to go there, if they do.
local function obstacle(trail, visit, target)
  local o = visit.o
  if trail.followed == trail.most then
    return ("%d followed before"):format(trail.most)
  elseif visit.target.scheme == "wss" and target.scheme == "ws" then
    return "from wss:// to ws://"
  elseif o.socket then
    return "the option 'socket' is one connection"
  elseif o.unix and not url.is_same_origin(visit.target, target) then
    return "the option 'unix' is one server"
  elseif trail.allows and not trail.allows(url.text(target)) then
    return "the option 'redirects' says no"
  end
end

-- Of `headers`, only that there is no User-Agent.
local function anonymous_headers(where, given)
  local removed = {}
  headers.flatten(where, given, removed)
  return removed["user-agent"] and {["User-Agent"] = false} or nil
end

-- Returns options without what belongs to their origin; or nil, err.
local function anonymous(visit)
  local o = {}
  for name, value in pairs(visit.o) do o[name] = value end
  o.headers = anonymous_headers(visit.where, o.headers)
  if not o.tls then return o end
  local err
  o.tls, err = tls.anonymous(o.tls)
  if not o.tls then return nil, err end
  return o
end

-- Returns the visit to a target; or nil, err.
local function visit_to(visit, target)
  local next_one = {where = visit.where, o = visit.o, target = target, context = visit.context}
  if url.is_same_origin(visit.target, target) then return next_one end
  local err
  next_one.o, err = anonymous(visit)
  if not next_one.o then return nil, err end
  if target.scheme == "wss" then
    next_one.context, err = tls.of(visit.where, next_one.o.tls, "client")
  end
  if err then return nil, err end
  return next_one
end

-- Returns the visit, or nil and why not.
local function follow(trail, visit, location)
  local target, err = target_of(visit, location)
  if not target then return nil, err end
  err = obstacle(trail, visit, target)
  if err then return nil, err end
  local following
  following, err = visit_to(visit, target)
  if not following then return nil, err end
  local key = key_of(following)
  if trail.seen[key] then return nil, "a loop" end
  trail.seen[key], trail.followed = true, trail.followed + 1
  return following
end

--- Returns the next visit, if an answer is a redirect that is to be followed.
---@param trail table # of redirect.trail
---@param visit table # that was answered
---@param response table
---@return table|nil visit
---@return string? why # if it is a redirect, but not followed
function redirect.following(trail, visit, response)
  local location = response.headers.location
  if not STATUS[response.status] or not location or trail.most == 0 then return nil end
  return follow(trail, visit, location)
end

return redirect
