-- The proxy that the environment names. Lower case first; a variable that is empty counts
-- as not set.

local exempt = require "websock.proxy.exempt"
local url = require "websock.proxy.url"

local environment = {
  get = os.getenv,
}

local VARIABLES = {
  ws = {"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"},
  wss = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"},
}

-- In a CGI program HTTP_PROXY is what a client has sent in a field "Proxy" (RFC 3875
-- section 4.1.18).
local function is_foreign(name)
  return name == "HTTP_PROXY" and environment.get "REQUEST_METHOD" ~= nil
end

-- Returns the value and name of the first variable that is set.
local function first(names)
  for _, name in ipairs(names) do
    local value = not is_foreign(name) and environment.get(name)
    if value and value ~= "" then return value, name end
  end
end

--- Returns the proxy for a target.
---@param target {scheme: "ws"|"wss", host: string, port: integer}
---@return table|nil proxy # nil: none
---@return string? err # "proxy: ..."
function environment.find(target)
  local text, name = first(VARIABLES[target.scheme])
  if not text then return nil end
  local list = first {"no_proxy", "NO_PROXY"}
  if list and exempt(list, target.host, target.port) then return nil end
  local proxy, err = url.parse(text, "http")
  if not proxy then return nil, ("proxy: %s: %s"):format(name, err) end
  proxy.from = name
  return proxy
end

return environment
