-- Whether another attempt may succeed where one has failed.

local verdict = {}

-- Beginnings of errors of TLS that last: a certificate is refused, ours or the server's.
-- One that is not yet valid may only mean that this machine's clock is not yet set.
local CERTIFICATES = {
  "tls: certificate", "tls: peer asks for a client certificate", "tls: peer refuses our certificate",
  "tls: peer does not know the authority of our certificate", "tls: peer says that our certificate",
  "tls: peer does not support our kind of certificate",
}
local NOT_YET = "tls: certificate is not yet valid"

local function is_about_certificate(err)
  if err == NOT_YET then return false end
  for _, text in ipairs(CERTIFICATES) do
    if err:sub(1, #text) == text then return true end
  end
  return false
end

-- The request is at fault (RFC 9110 section 15.5), but for 408 (Request Timeout) and 429
-- (Too Many Requests, RFC 6585 section 4).
local function is_final(status)
  return status >= 400 and status <= 499 and status ~= 408 and status ~= 429
end

-- What SOCKS proxies say of a request that they will not grant the next time either.
local SAID = {"user or password refused", "no way to authenticate", "no connection without",
  "not allowed by its rules"}

-- What a proxy said lasts if it is about us; so does a variable that cannot be read.
local function is_about_proxy(err)
  if err:find "^proxy: [%w_]+: " then return true end
  local said = err:match "^proxy: .- says: (.*)$"
  if not said then return is_about_certificate(err:match "^proxy: .-: (tls: .*)$" or "") end
  local status = said:match "^%d%d%d"
  if status then return is_final(tonumber(status)) end
  for _, text in ipairs(SAID) do
    if said:sub(1, #text) == text then return true end
  end
  return false
end

local function has(list, value)
  for _, one in ipairs(list) do
    if one == value then return true end
  end
  return false
end

--- Whether it is of no use to try again.
---@param failure {err: any, response: table?, ws: table?, lasts: boolean?} # the results of
---   connect, or a connection that has ended; lasts: the URL or an option is at fault
---@param fatal_codes integer[] # close codes (RFC 6455 section 7.4)
---@return boolean
function verdict.is_fatal(failure, fatal_codes)
  local err = failure.err
  if failure.lasts then return true end
  if failure.ws then return has(fatal_codes, failure.ws.close_code) end
  if err == "refused" then return is_final(failure.response.status) end
  return type(err) == "string" and (is_about_certificate(err) or is_about_proxy(err))
end

--- Describes a failure on a line.
---@return string
function verdict.text(failure)
  local ws, response = failure.ws, failure.response
  if ws then
    return (("closed with %s %s"):format(ws.close_code, ws.close_reason):gsub(" $", ""))
  end
  return response and ("%s: %s"):format(failure.err, response) or tostring(failure.err)
end

return verdict
