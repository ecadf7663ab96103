-- A message that is sent in pieces. The link does not refer to the writer, so a writer
-- that the application drops is collected, which aborts the connection.

local blocking = require "websock.link.blocking"
local misuse = require "websock.base.misuse"
local options = require "websock.base.options"
local sender = require "websock.link.sender"

local trim = blocking.trim

-- The link must not keep the coroutine alive: one that is dropped is collected
-- together with its writer.
local WEAK = {__mode = "v"}

local Writer = {__name = "websock.writer"}
Writer.__index = Writer

-- where: the name of the method called.
local function write(where, self, chunk, timeout, more)
  if getmetatable(self) ~= Writer then
    misuse("%s: writer expected (writer:%s, not writer.%s)", where, where, where)
  elseif self.done then
    misuse("%s: the message is finished", where)
  end
  sender.check_message(where, chunk, "text")
  options.check_timeout(timeout, where)
  local link = self.link
  if link.writing then link.writing[1] = link.loop.caller() end  -- its owner now
  local ok, err, code, reason =
    sender.send(where, link, timeout, chunk, self.opcode, more, true, self.compress)
  if ok then self.opcode = "continuation" end
  return trim(ok, err, code, reason)
end

local function release(self)
  self.done = true
  self.link.writing = nil
  self.link:wake_sender()
end

--- Sends a piece of the message; text may be split inside a character.
---@return true|nil, string? err, integer? code, string? reason
function Writer:write(chunk, timeout)
  return write("write", self, chunk, timeout, true)
end

--- Ends the message, with one more piece if one is given.
---@return true|nil, string? err, integer? code, string? reason
function Writer:finish(chunk, timeout)
  if chunk == nil then chunk = "" end
  local ok, err, code, reason = write("finish", self, chunk, timeout, false)
  if ok then release(self) end
  return trim(ok, err, code, reason)
end

local function abandon(self)
  if self.done then return end
  local link = self.link
  release(self)
  if link.stage == "open" then link:drop "aborted" end
end

Writer.__close, Writer.__gc = abandon, abandon

function Writer:__tostring()
  local state = self.done and "ended" or "open"
  return ("websock.writer (%s): %p"):format(state, self)
end

local writer = {}

--- Returns a writer for a link that has none.
---@param kind "text"|"binary"
---@param compress? boolean # nil leaves it to the core
function writer.new(link, kind, compress)
  link.writing = setmetatable({(link.loop.caller())}, WEAK)
  link.conn:line(true)
  return setmetatable({link = link, opcode = kind, compress = compress}, Writer)
end

--- Wraps the methods that may wait: see loop.wrap.
function writer.wrap_for(loop)
  loop.wrap_methods(Writer, "write finish __close")
end

return writer
