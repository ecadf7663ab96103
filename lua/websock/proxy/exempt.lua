-- NO_PROXY: the hosts to which connections are made without a proxy. An entry is a name,
-- which its subdomains share (a dot or "*." before it means nothing); a numeric address;
-- or a block of addresses (RFC 4632), "10.0.0.0/8". A port may follow, and an address of
-- IPv6 may have brackets. "*" is every host. Names are not looked up.

local address = require "websock.proxy.address"

-- Whether two addresses begin with the same bits.
local function shares(one, other, bits)
  if #one ~= #other or bits > #one * 8 then return false end
  local bytes, rest = bits // 8, bits % 8
  if one:sub(1, bytes) ~= other:sub(1, bytes) then return false end
  return rest == 0 or one:byte(bytes + 1) >> (8 - rest) == other:byte(bytes + 1) >> (8 - rest)
end

local function covers_address(entry, bytes)
  local net, bits = entry:match "^(.*)/(%d+)$"
  local base = address(net or entry)
  return base ~= nil and shares(base, bytes, tonumber(bits) or #base * 8)
end

local function covers_name(entry, host)
  local name = entry:lower():gsub("^%*?%.", ""):gsub("%.$", "")
  return name ~= "" and (host == name or host:sub(-#name - 1) == "." .. name)
end

-- Returns an entry without its port or brackets, and the port or nil.
local function split(entry)
  local v6, port = entry:match "^%[(.-)%]:?(%d*)$"
  if v6 then return v6, tonumber(port) end
  local name, number = entry:match "^([^:]*):(%d+)$"
  return name or entry, tonumber(number)
end

-- Whether one entry covers a host, whose bytes are given if it is an address.
local function covers(entry, host, port, bytes)
  if entry == "*" then return true end
  local what, only_port = split(entry)
  if only_port and only_port ~= port then return false end
  if bytes then return covers_address(what, bytes) end
  return covers_name(what, host)
end

--- Whether a list covers a host.
---@param list string # entries, separated by commas or blanks
---@param host string # a name or a numeric address
---@param port integer
---@return boolean
return function(list, host, port)
  local bytes = address(host)
  host = host:lower():gsub("%.$", "")
  for entry in list:gmatch "[^%s,]+" do
    if covers(entry, host, port, bytes) then return true end
  end
  return false
end
