-- What the command says about a connection that could not be made: where, why, what the
-- server has to say about it, and which option would help, where that is known.

local printable = require "websock.base.printable"

local MOST_BODY = 1024  -- bytes of a refusal's body that are shown

local REDIRECTS = {[301] = true, [302] = true, [303] = true, [307] = true, [308] = true}

-- Errors about a certificate that would be no error to who trusts its authority.
local UNTRUSTED = {
  ["tls: certificate is self-signed"] = true,
  ["tls: certificate of an unknown authority"] = true,
}

local function advice_on_refusal(response, options)
  local fields = response.headers
  if REDIRECTS[response.status] and fields.location then
    return options.redirects and "" or (" to %s (try --redirects 5)"):format(fields.location)
  elseif response.status == 401 and not options.auth
      and (fields["www-authenticate"] or ""):lower():find "^basic" then
    return " (try --auth USER:PASSWORD)"
  end
  return ""
end

local function advice(err, response, options)
  if response then return advice_on_refusal(response, options) end
  if UNTRUSTED[err] and not options.ca then return " (try --ca FILE, or --insecure)" end
  return ""
end

-- Adds the first lines of a body that is text.
local function add_body(lines, response)
  if not (response.headers["content-type"] or ""):find "^text/plain" then return end
  for line in (response.body or ""):sub(1, MOST_BODY):gmatch "[^\n]+" do
    lines[#lines + 1] = "| " .. printable(line, "\t")
  end
end

-- Returns the URL that the failure is about, without user and password.
local function place(response, options)
  if response and options.redirects then return response.url end
  return (options.url:gsub("^([^/]*//)[^/?#]*@", "%1"))
end

local failure = {}

--- Says why a connection could not be made, and what would help.
---@param options table # of arguments.parse
---@param err string # of websock.connect, as is the response
---@param response table?
---@return string
function failure.reason(options, err, response)
  local status = response and ": " .. tostring(response) or ""
  return err .. status .. advice(err, response, options)
end

--- The same, with the place and the first lines of what the server has to say.
---@return string # printable lines
function failure.describe(options, err, response)
  local lines = {printable(("%s: %s"):format(place(response, options),
    failure.reason(options, err, response)))}
  if response then add_body(lines, response) end
  return table.concat(lines, "\n")
end

return failure
