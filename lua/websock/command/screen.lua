-- Where the command writes: standard output and standard error, either of which may be a
-- terminal, with the line that is being typed (see terminal.lua) kept below all else.

local Screen = {}
Screen.__index = Screen

-- SGR of ECMA-48 section 8.3.117.
local STYLES = {sent = "1", received = "1;36", status = "2", problem = "31"}

-- Whether a descriptor of this process is a terminal.
local function is_terminal(fd)
  return os.execute(("test -t %d"):format(fd)) == true
end

--- Returns the screen of this process.
function Screen.new()
  local quiet = os.getenv "NO_COLOR"  -- https://no-color.org
  local term = os.getenv "TERM"
  local able = term ~= nil and term ~= "" and term ~= "dumb"
  local self = {typed = is_terminal(0), out = is_terminal(1), err = is_terminal(2), able = able}
  self.colours = able and (quiet == nil or quiet == "")
  return setmetatable(self, Screen)
end

--- Colours text that goes to a stream ("out" or "err"), if it is a terminal that can.
---@param style "sent"|"received"|"status"|"problem"
function Screen:paint(stream, style, text)
  if not (self.colours and self[stream]) then return text end
  return ("\27[%sm%s\27[m"):format(STYLES[style], text)
end

local EPIPE = 32

--- Writes a text.
---@param stream "out"|"err"
---@return boolean ok, string? err # no err if nobody reads it any more
function Screen:write(stream, text)
  local file = stream == "out" and io.stdout or io.stderr
  local line = self[stream] and self.line
  if line then line:hide() end
  local written, err, errno = file:write(text)
  if written then written, err, errno = file:flush() end
  if line then line:show() end
  if written then return true end
  return false, errno ~= EPIPE and err or nil
end

return Screen
