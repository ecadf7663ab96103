-- Numeric addresses as bytes in the order of the network.

local core = require "websock.core"

local function pack_inet(text)
  return (text:gsub("(%d+)%.?", function(part) return string.char(tonumber(part)) end))
end

local function pack_groups(text)
  return (text:gsub("(%x+):?", function(group)
    return string.pack(">I2", tonumber(group, 16))
  end))
end

-- The last two groups may have been written in dotted form (RFC 4291 section 2.2).
local function undot(text)
  return (text:gsub("(%d+)%.(%d+)%.(%d+)%.(%d+)$", function(a, b, c, d)
    return ("%x:%x"):format(a * 256 + b, c * 256 + d)
  end))
end

local function pack_inet6(text)
  text = undot(text)
  local head, tail = text:match "^(.-)::(.*)$"
  head, tail = pack_groups(head or text), pack_groups(tail or "")
  return head .. ("\0"):rep(16 - #head - #tail) .. tail
end

--- Returns the bytes of a numeric address, 4 or 16; nil if it is none. Leaves out the zone.
---@param host string
---@return string?
return function(host)
  local text, family = core.numeric(host)
  if not text then return nil end
  text = text:gsub("%%.*", "")
  return family == "inet" and pack_inet(text) or pack_inet6(text)
end
