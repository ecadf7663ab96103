-- A source of websock.proxy.stream without a socket: what a proxy answers, in pieces, and
-- what it was sent.

local answers = {}

local Source = {}
Source.__index = Source

function Source:read()
  local piece = table.remove(self.pieces, 1)
  if piece then return piece end
  return nil, self.ending
end

function Source:write(bytes)
  self.sent = self.sent .. bytes
  if self.broken then return nil, self.broken end
  return true
end

---A source that gives these pieces, then fails.
---@param pieces string[]
---@param ending? string # the error ("eof")
function answers.source(pieces, ending)
  return setmetatable({pieces = table.move(pieces, 1, #pieces, 1, {}), ending = ending or "eof",
    sent = ""}, Source)
end

-- Ways to cut bytes into pieces.
local function cuts(bytes)
  local whole, single, two = {bytes}, {}, {}
  for i = 1, #bytes do
    single[i] = bytes:sub(i, i)
    two[i] = {bytes:sub(1, i), i < #bytes and bytes:sub(i + 1) or nil}
  end
  return {whole, single, table.unpack(two)}
end

---Calls f(source) for a source that gives the bytes whole, one that gives them byte by
---byte, and for each cut into two.
function answers.each(bytes, f)
  for _, pieces in ipairs(cuts(bytes)) do f(answers.source(pieces)) end
end

---Calls f(source) for each beginning of the bytes, after which the source ends.
function answers.each_beginning(bytes, f)
  for n = 0, #bytes - 1 do f(answers.source(n > 0 and {bytes:sub(1, n)} or {})) end
end

return answers
