-- What the command says, as text: messages on standard output, everything else on
-- standard error. json.lua says the same in JSON.

local printable = require "websock.base.printable"

local Output = {}
Output.__index = Output

--- Returns the output of a client.
---@param screen table
---@param options {quiet: boolean?, binary: boolean?}
function Output.new(screen, options)
  return setmetatable({screen = screen, options = options}, Output)
end

--- Writes a line to standard error.
function Output:say(style, text)
  self.screen:write("err", self.screen:paint("err", style, text) .. "\n")
end

-- Makes a message safe for a terminal, and marks it, so that it cannot be taken for a
-- line of ours.
function Output:quoted(message)
  local first = self.screen:paint("out", "received", "<") .. " "
  local further = "\n" .. self.screen:paint("out", "received", "|") .. " "
  return first .. printable(message, "\n\t"):gsub("\n", further)
end

--- Prints a message, as a line unless it is bytes for a file or a pipe.
---@return boolean ok, string? err # as of Screen:write
function Output:message(message, kind)
  if kind == "binary" and not self.options.binary then
    message = ("<%d bytes of binary>"):format(#message)
  elseif self.screen.out then
    message = self:quoted(message)
  elseif kind == "binary" then
    return self.screen:write("out", message)
  end
  return self.screen:write("out", message .. "\n")
end

--- Reports what went wrong.
---@param text string # printable, but for newlines
function Output:problem(text)
  self:say("problem", "websock: " .. text)
end

-- What happens: a line of text for each, with the fields that json.lua shows.
local EVENTS = {}

function EVENTS.open(e)
  return "connected to " .. printable(e.url) .. (e.protocol and " speaking " .. e.protocol or "")
end

function EVENTS.close(e)
  return ("closed %d%s"):format(e.code, e.reason ~= "" and " " .. printable(e.reason) or "")
end

function EVENTS.retry(e)
  return ("%s; next attempt in %.1f s"):format(printable(e.error), e.seconds)
end

function EVENTS.pong(e)
  return ("ping: %.3f ms"):format(e.seconds * 1000)
end

local ASKED = {pong = true}  -- shown with --quiet, too

--- Reports an event: open {url, protocol}, close {code, reason, clean}, retry {error,
--- seconds, attempt}, pong {seconds}. has_failed: it ends the command without success, so
--- it is reported with --quiet, too.
function Output:event(name, fields, has_failed)
  if self.options.quiet and not ASKED[name] and not has_failed then return end
  self:say("status", EVENTS[name](fields))
end

return Output
