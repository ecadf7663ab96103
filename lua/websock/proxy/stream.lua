-- Reads a line, or so many bytes, from a source: what the protocols of proxies need.
--
-- A source has source:read() -> bytes | nil, err, with what is there, at least a byte;
-- and source:write(bytes) -> true | nil, err. Both wait, by a deadline of theirs.

local Stream = {}
Stream.__index = Stream

local stream = {}

---@param source table
function stream.new(source)
  return setmetatable({source = source, buffer = ""}, Stream)
end

--- Writes. A failure is left to the next read: a proxy that has ended the connection may
--- have said why.
---@param bytes string
function Stream:write(bytes)
  self.source:write(bytes)
end

local function fill(self)
  local bytes, err = self.source:read()
  if not bytes then return nil, err end
  self.buffer = self.buffer .. bytes
  return true
end

-- Removes n bytes from the beginning of the buffer, and returns them.
local function take(self, n)
  local bytes = self.buffer:sub(1, n)
  self.buffer = self.buffer:sub(n + 1)
  return bytes
end

--- Returns exactly n bytes.
---@param n integer
---@return string|nil bytes, string? err
function Stream:read(n)
  while #self.buffer < n do
    local ok, err = fill(self)
    if not ok then return nil, err end
  end
  return take(self, n)
end

--- Returns a line without its end, LF or CR LF.
---@param most integer # bytes, the end included
---@return string|nil line
---@return integer|string # the line's bytes with its end, or the error, perhaps "too long"
function Stream:line(most)
  local from = 1
  while true do
    local at = self.buffer:find("\n", from, true)
    if (at or #self.buffer) > most then return nil, "too long" end
    if at then return take(self, at):gsub("\r?\n$", ""), at end
    from = #self.buffer + 1
    local ok, err = fill(self)
    if not ok then return nil, err end
  end
end

--- Returns what was read and not taken.
---@return string
function Stream:rest()
  return take(self, #self.buffer)
end

return stream
