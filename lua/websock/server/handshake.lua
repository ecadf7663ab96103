-- The server's answer to an opening handshake (RFC 6455 section 4.2.2): origin,
-- authorize, subprotocol, header fields; and plain HTTP answers. The core has
-- checked the request's form already. The hooks may yield.

local core = require "websock.core"
local connection = require "websock.link.connection"
local headers = require "websock.base.headers"
local log = require "websock.base.log"
local text_of = require "websock.base.text"
local trace = require "websock.base.trace"
local origin = require "websock.server.origin"
local callable = require("websock.base.options").callable
local rehearse = require "websock.base.rehearse"
local show = require("websock.base.options").show
local request = require "websock.link.request"

local request_of, remote_of = request.of, request.remote

local handshake = {}

local function with_traceback(err)
  return {err = err, traceback = trace.of(coroutine.running(), err, 2)}
end

-- Reports an error of a hook to the user's on_error.
local function report(link, failure)
  link.report(failure.err, nil, failure.traceback)
end

-- Sends an answer that ends the connection. Returns false if the hook's fields or
-- status cannot be sent; then the answer is 500.
local function reject(link, status, fields, body)
  local flat_ok, flat = pcall(headers.flatten, "answer", fields)
  local rule = flat
  if flat_ok then
    local ok
    ok, rule = link.conn:reject(status, flat, body)
    if ok then
      link:look_at_core()
      return true
    end
    rule = rehearse.culprit("answer", flat) or rule
  end
  report(link, with_traceback("websock: answer: " .. text_of(rule)))
  link.conn:reject(500, nil, "Internal Server Error\n")
  link:look_at_core()
  return false
end

local function fail(link, failure)
  report(link, failure)
  if link.stage == "handshake" then
    reject(link, 500, nil, "Internal Server Error\n")
  end
  return nil, "refused"
end

--- Called when a hook has raised, or its thread has failed.
function handshake.failed(link, err, traceback)
  fail(link, {err = err, traceback = traceback})
end

-- Runs a hook. Returns true and its results, or nil, err when the connection
-- has been answered (500) or has ended meanwhile.
local function run_hook(link, hook, ...)
  local results = table.pack(xpcall(hook, with_traceback, ...))
  if not results[1] then return fail(link, results[2]) end
  if link.stage ~= "handshake" then
    return nil, link.timed_out and "timeout" or "closed"
  end
  return table.unpack(results, 1, results.n)
end

-- Returns the error to report for a hook that has returned a wrong value.
local function complain(hook, message)
  local info = type(hook) == "function" and debug.getinfo(hook, "S")
  if info then
    message = ("%s (hook at %s:%d)"):format(message, info.short_src, info.linedefined)
  end
  return {err = message, traceback = message}
end

local function answer_plain(link, o, received)
  local ok, status, fields, body = true, nil, nil, nil
  if o.http then
    local asked = request_of(link)
    asked.body = received
    ok, status, fields, body = run_hook(link, o.http, asked)
  end
  if not ok then return nil, status end
  if status == nil then
    reject(link, 426, nil, "This is a WebSocket server.\n")
    return nil, "refused"
  end
  if math.type(status) ~= "integer" or status < 200 or status > 599 then
    return fail(link, complain(o.http, "http: a status from 200 to 599 expected, got "
      .. text_of(status)))
  elseif body ~= nil and type(body) ~= "string" then
    return fail(link, complain(o.http,
      "http: body: string expected, got " .. type(body)))
  end
  reject(link, status, fields, body)
  return nil, "refused"
end

-- Returns the host of a request: an absolute target takes precedence over the Host
-- field (RFC 9112 section 3.2.2).
local function host_of(conn)
  return conn:head_target():match "^%a[%w+.-]*://([^/?]*)"
    or conn:head_field "host"
end

local PLAIN = {
  ["Content-Type"] = "text/plain; charset=utf-8", ["X-Content-Type-Options"] = "nosniff",
}

-- Returns the option that would allow a page; nil if none can.
local function remedy(field)
  local ok = pcall(origin.compile, "listen", {field})
  return ok and ("origins = {%q}"):format(log.shown(field)) or nil
end

local BODY = [[
Origin not allowed.
  Origin: %s
  Host:   %s
The option 'origins' of this server says which pages may connect: %s.
]]

-- Refuses a page of another origin. The answer, which can be read in the browser, and
-- the log say why.
local function refuse_origin(link, o)
  local field, host = link.conn:head_field "origin", host_of(link.conn) or ""
  local line, remote = remedy(field), log.place(remote_of(link))
  local rule = o.origins == "same" and [["same", those that it serves itself]]
    or "those of its list"
  local body = BODY:format(log.shown(field), log.shown(host), rule)
  if line then body = body .. ("To let this one in: %s\n"):format(line) end
  reject(link, 403, PLAIN, body)
  log.write("warn", "origin refused", {origin = log.bare(field), host = log.bare(host),
    remote = remote, hint = line and "to let its pages in: " .. line})
  return nil, "refused"
end

-- true | nil, err
local function authorize(link, o)
  local field, host = link.conn:head_field "origin", host_of(link.conn)
  if not origin.allowed(o.origins, field, host, o.tls) then
    return refuse_origin(link, o)
  end
  if field and o.usual then core.allow(o.usual, field, host) end
  if not o.authorize then return true end
  local ok, allowed, status, fields, body = run_hook(link, o.authorize, request_of(link))
  if not ok then return nil, allowed end
  if allowed then return true end
  if status ~= nil and (math.type(status) ~= "integer" or status < 300
      or status > 599) then
    return fail(link, complain(o.authorize, "authorize: a status from 300 to 599 expected, got "
      .. text_of(status)))
  end
  reject(link, status or 403, fields, body)
  return nil, "refused"
end

-- true, protocol | nil, err
local function choose_protocol(link, o)
  if not o.protocols then return true end
  local conn = link.conn
  if not callable(o.protocols) then return true, conn:choose(o.protocols) end
  local ok, chosen = run_hook(link, o.protocols, conn:offered(), request_of(link))
  if ok and chosen ~= nil and conn:choose {chosen} == nil then
    return fail(link, complain(o.protocols, ("protocols: %s was not offered")
      :format(show(chosen))))
  end
  return ok, chosen
end

-- true, flat fields | nil, err
local function more_fields(link, o)
  if not o.headers then return true, o.fields end
  local ok, fields = run_hook(link, o.headers, request_of(link))
  if not ok then return nil, fields end
  return run_hook(link, headers.flatten, "headers", fields)
end

local function upgrade(link, o, protocol, fields)
  request.keep(link)
  local ok, rule = link.conn:accept(protocol, fields)
  if not ok then
    rule = rehearse.culprit("server", fields or {}) or rule
    return fail(link, complain(o.headers, "headers: " .. rule))
  end
  link.protocol = protocol
  local ws = connection.new(link)
  link:mark()
  return ws
end

--- Checks and prepares the options of handshakes once for all connections: a table of
--- `headers` becomes `fields`, a list of origins is compiled.
---@param where string # the function called
---@param o table # checked options of listen or accept; they change
function handshake.prepare(where, o)
  if o.headers and not callable(o.headers) then
    o.fields, o.headers = headers.flatten(where, o.headers), nil
    rehearse.fields(where, "server", o.fields)
  end
  if o.protocols and not callable(o.protocols) then
    rehearse.protocols(where, o.protocols)
    o.protocols = table.move(o.protocols, 1, #o.protocols, 1, {})
  end
  if type(o.origins) == "table" then
    o.origins = origin.compile(where, o.origins)
  end
end

--- Has C answer the usual requests of conns with this configuration, if there is nothing
--- that a hook may add to their answer: see lua_upgrade.c.
---@param o table # the prepared options of listen; they change
---@param config userdata
function handshake.delegate(o, config)
  if o.authorize or o.headers or callable(o.protocols) then return end
  core.usual(config, o.origins == "*", o.protocols, o.fields)
  o.usual = config
end

--- Whether the answer may run the user's hooks, which may yield.
---@param o table # the prepared options of listen or accept
function handshake.has_hooks(o)
  return o.http or o.authorize or o.headers or o.protocols and callable(o.protocols)
end

--- Answers the request that has arrived on a link.
---@param o table # the prepared options of listen or accept
---@return table|nil ws, string? err # nil once a refusal or plain answer is queued
function handshake.answer(link, o)
  local what, body, _, reason = link.conn:handshake()
  if what ~= "request" then return nil, "handshake: " .. tostring(reason) end
  if link.refuse then
    reject(link, link.refuse, nil, "Too many connections\n")
    return nil, "refused"
  end
  if not link.conn:is_upgrade() then return answer_plain(link, o, body) end
  local ok, err = authorize(link, o)
  if not ok then return nil, err end
  local protocol, fields
  ok, protocol = choose_protocol(link, o)
  if not ok then return nil, protocol end
  ok, fields = more_fields(link, o)
  if not ok then return nil, fields end
  return upgrade(link, o, protocol, fields)
end

return handshake
