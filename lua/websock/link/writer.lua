-- A message that is sent in pieces. The link knows only that somebody writes, so
-- that a writer that is forgotten can be collected, and aborts the connection
-- then.

local blocking = require "websock.link.blocking"
local misuse = require "websock.base.misuse"
local options = require "websock.base.options"
local sender = require "websock.link.sender"

local trim = blocking.trim

-- A coroutine that somebody drops takes its writer along: the link must not keep
-- it.
local WEAK = {__mode = "v"}

local Writer = {__name = "websock.writer"}
Writer.__index = Writer

-- where: who was called.
local function write(where, self, chunk, timeout, more)
  if getmetatable(self) ~= Writer then
    misuse("%s: writer expected (writer:%s, not writer.%s)", where, where, where)
  elseif self.done then
    misuse("%s: the message is finished", where)
  end
  sender.check_message(where, chunk, "text")
  options.check_timeout(timeout, where)
  local link = self.link
  if link.writing then link.writing[1] = link.loop.caller() end  -- whose it is now
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

--- The writer of a link that nobody else is writing on.
---@param kind "text"|"binary"
---@param compress? boolean # nil leaves it to the core
function writer.new(link, kind, compress)
  link.writing = setmetatable({(link.loop.caller())}, WEAK)
  link.conn:line(true)
  return setmetatable({link = link, opcode = kind, compress = compress}, Writer)
end

--- Has the loop run what may wait: see loop.wrap.
function writer.wrap_for(loop)
  loop.wrap_methods(Writer, "write finish __close")
end

return writer
