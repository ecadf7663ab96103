-- Asks a proxy, to which there is a connection, for one to a host and port.

local http = require "websock.proxy.http"
local socks4a = require "websock.proxy.socks4a"
local socks5 = require "websock.proxy.socks5"
local stream = require "websock.proxy.stream"
local url = require "websock.proxy.url"

local PROTOCOLS = {http = http, https = http, socks4a = socks4a, socks5 = socks5, socks5h = socks5}

local ERRORS = {eof = "the connection ended before its answer", reset = "connection reset"}

---@param source table # of stream.lua, connected to the proxy
---@param proxy table # of url.parse
---@param host string # a name or a numeric address
---@param port integer
---@return string|nil received # what was read behind the proxy's answer
---@return string? err # "proxy: ...", "timeout"
return function(source, proxy, host, port)
  host = host:gsub("%%.*", "")  -- a zone means something to this machine only (RFC 4007)
  local reader = stream.new(source)
  local ok, err = PROTOCOLS[proxy.scheme](reader, proxy, host, port)
  if ok then return reader:rest() end
  return nil, url.failure(proxy, ERRORS[err] or err)
end
