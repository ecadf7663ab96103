-- The option `proxy`: through which proxy to go to a target.

local environment = require "websock.proxy.environment"
local misuse = require "websock.base.misuse"
local tls = require "websock.base.tls"
local url = require "websock.proxy.url"

local proxy = {}

-- Replaces the URL by the proxy that it means.
local function parse(where, o)
  local parsed, err = url.parse(o.proxy)
  if not parsed then misuse("%s: option 'proxy': %s", where, err) end
  if o.proxy_tls and parsed.scheme ~= "https" then
    misuse("%s: option 'proxy_tls' is for an https proxy", where)
  end
  o.proxy = parsed
end

--- Prepares the options `proxy` and `proxy_tls`, which are then for `choose` and for
--- route.lua; raises about a mistake.
---@param where string # the function called
---@param o table # its options, checked
---@return string? err # "proxy: tls: ..."; it cannot heal
function proxy.prepare(where, o)
  if type(o.proxy) == "string" then parse(where, o) end
  if not o.proxy_tls then return nil end
  local err
  o.proxy_tls, err = tls.of(where, o.proxy_tls, "client")
  return err and "proxy: " .. err
end

--- Returns the proxy for a target.
---@param option table|boolean|nil # prepared
---@param target table # of client/url.lua
---@return table|nil proxy # nil: none
---@return string? err # about the environment: "proxy: ..."
function proxy.choose(option, target)
  if option == true then return environment.find(target) end
  return option or nil
end

return proxy
