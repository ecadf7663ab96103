-- Who may connect from a browser (RFC 6455 section 10.2, RFC 6454): the Origin
-- field against the Host field or a list.

local origin = {}

local PORTS = {http = "80", https = "443", ws = "80", wss = "443"}

-- "scheme://host[:port]" -> scheme, host, port, in lower case; nil if it is none
local function parse(text)
  local scheme, rest = text:lower():match "^(%a[%w+.-]*)://([^/?#@]+)$"
  if not scheme then return nil end
  local host, port = rest:match "^(.-):(%d+)$"
  if rest:find("]", 1, true) and not rest:match "%]:%d+$" then host = nil end
  return scheme, host or rest, port or PORTS[scheme]
end

local function is_same(scheme, host, port, host_field)
  local _, own_host, own_port = parse(scheme .. "://" .. host_field)
  return own_host == host and own_port == port
end

-- One entry of a list: "https://a.example:8443", "*.example", "https://*.example"
local function matches(entry, scheme, host, port)
  if not entry:find("://", 1, true) then entry = scheme .. "://" .. entry end
  local own_scheme, own_host, own_port = parse(entry)
  if own_scheme ~= scheme or own_port ~= port then return false end
  local suffix = own_host:match "^%*(%..+)$"
  if suffix then
    return #host > #suffix and host:sub(-#suffix) == suffix
  end
  return own_host == host
end

--- Whether a request may come from where it says it does. One without an Origin
--- field comes from no browser and passes.
---@param allowed "same"|"*"|string[]
---@param field string? # the Origin field
---@param host_field string? # the Host field
---@return boolean
function origin.allowed(allowed, field, host_field)
  if field == nil or allowed == "*" then return true end
  local scheme, host, port = parse(field)
  if type(allowed) == "table" then
    for _, entry in ipairs(allowed) do
      if entry:lower() == field:lower() then return true end
      if scheme and matches(entry, scheme, host, port) then return true end
    end
    return false
  end
  return scheme ~= nil and is_same(scheme, host, port, host_field or "")
end

return origin
