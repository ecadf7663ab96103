-- The options of websock.connect and websock.reconnect, from the command's arguments.

local core = require "websock.core"
local process = require "websock.command.process"

-- Returns the option `tls`, nil if no argument sets it.
local function tls_of(options)
  if not (options.insecure or options.ca or options.cert) then return nil end
  return {verify = not options.insecure, ca_file = options.ca,
          cert = options.cert, key = options.key}
end

-- Returns the option `headers`: the fields given, and those that have an argument of
-- their own (RFC 6265 section 4.2.1, RFC 7617 section 2).
local function headers_of(options)
  local list = table.move(options.headers or {}, 1, #(options.headers or {}), 1, {})
  if options.cookies then
    list[#list + 1] = {"Cookie", table.concat(options.cookies, "; ")}
  end
  if options.auth then
    list[#list + 1] = {"Authorization", "Basic " .. core.base64(options.auth)}
  end
  return list
end

local function proxy_of(options)
  if options.proxy == "env" then return true end
  return options.proxy
end

---@param options table # of arguments.parse
---@return table
return function(options)
  return {
    timeout = options.timeout, protocols = options.protocols, headers = headers_of(options),
    origin = options.origins and options.origins[1], proxy = proxy_of(options),
    redirects = options.redirects,
    max_message = process.or_none(options.max_message), compress = options.compress,
    ping_interval = process.or_none(options.ping_interval), tls = tls_of(options),
  }
end
