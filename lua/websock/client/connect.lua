-- websock.connect: checks what it is given, and makes the visit.

local attempt = require "websock.client.attempt"
local misuse = require "websock.base.misuse"
local options = require "websock.base.options"
local proxy = require "websock.client.proxy"
local redirect = require "websock.client.redirect"
local socket = require "websock.link.socket"
local tls = require "websock.base.tls"
local url = require "websock.client.url"

local client = {}

-- Returns the context for a connection to this target, nil for one without TLS. Asking
-- for TLS never results in a connection without it.
local function context_of(where, target, o)
  if target.scheme == "wss" then
    if o.tls and o.socket and socket.is_foreign(o.socket) then
      misuse("%s: option 'tls': a socket object that is no LuaSocket's has its own TLS", where)
    end
    return tls.of(where, o.tls, "client")
  end
  if o.tls then return nil, "url: wss:// expected beside the option 'tls'" end
end

--- Prepares a connection; raises about a mistake.
---@param where string # the function called
---@param text string # the URL
---@param o table # checked options
---@return table|nil prepared # for `open`
---@return string? err # "url: ...", "tls: ..."; it cannot heal
function client.prepare(loop, where, text, o)
  local target, err = url.parse(text, where)
  if not target then return nil, err end
  loop.place_hooks(where, o, options.callable)
  loop.must(where)
  local context
  context, err = context_of(where, target, o)
  if not err then err = proxy.prepare(where, o) end
  if err then return nil, err end
  local visit = {where = where, o = o, target = target, context = context}
  local trail = redirect.trail(visit)
  return {visit = visit, trail = trail,
    link = attempt.prepare(loop, visit, redirect.goes_on(trail, visit))}
end

-- Makes the visit, and keeps the cookies that its answer sets.
local function visited(loop, link, visit, deadline)
  local ws, err, response = attempt.run(loop, link, visit, deadline)
  local answer, jar = response or ws and ws.response, visit.o.cookies
  if answer and jar then jar:store(visit.target, answer.fields) end
  return ws, err, response
end

--- Connects, to where redirects lead.
---@return table|nil ws, string? err, table? response
function client.open(loop, prepared)
  local visit, trail, link = prepared.visit, prepared.trail, prepared.link
  local timeout = visit.o.timeout
  if timeout == 0 then return nil, "timeout" end  -- it cannot succeed without waiting
  local deadline = timeout and loop.now() + timeout or nil
  while true do
    local ws, err, response = visited(loop, link, visit, deadline)
    if err ~= "refused" then return ws, err end
    local following
    following, response.not_followed = redirect.following(trail, visit, response)
    if not following then return nil, err, response end
    visit = following
    link = attempt.prepare(loop, visit, redirect.goes_on(trail, visit))
  end
end

--- See docs/reference.md.
function client.connect(loop, text, given)
  local mine <close> = socket.given(type(given) == "table" and given.socket)
  local o = options.check("connect", given)
  o.given = mine
  local prepared, err = client.prepare(loop, "connect", text, o)
  if not prepared then return nil, err end
  return client.open(loop, prepared)
end

return client
