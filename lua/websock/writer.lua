-- A message that is sent in pieces. The link knows only that somebody writes, so
-- that a writer that is forgotten can be collected, and aborts the connection
-- then.

local call = require "websock.call"
local misuse = require "websock.misuse"
local options = require "websock.options"
local sender = require "websock.sender"

local trim = call.trim
local running = coroutine.running

local Writer = {__name = "websock.writer"}
Writer.__index = Writer

local function write(self, chunk, timeout, more)
  if self.done then misuse("writer: its message is finished") end
  sender.check_message("write", chunk, "text")
  options.check_timeout(timeout, "write")
  if self.link.writing then self.link.writing = running() end  -- whose it is now
  local ok, err, code, reason =
    sender.send(self.link, timeout, chunk, self.opcode, more, true, self.compress)
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
  return write(self, chunk, timeout, true)
end

--- Ends the message, with one more piece if one is given.
---@return true|nil, string? err, integer? code, string? reason
function Writer:finish(chunk, timeout)
  local ok, err, code, reason = write(self, chunk or "", timeout, false)
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

--- The writer of a link that nobody else is writing on.
---@param kind "text"|"binary"
---@param compress? boolean # nil leaves it to the core
return function(link, kind, compress)
  link.writing = running()
  link.conn:line(true)
  return setmetatable({link = link, opcode = kind, compress = compress}, Writer)
end
