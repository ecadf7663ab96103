-- Lines that are typed on a terminal, edited by editor.lua: switches the terminal's own
-- editing off, and draws the line, in the last row, on standard error.

local Editor = require "websock.command.editor"
local input = require "websock.command.input"
local keys_of = require "websock.command.keys"
local printable = require "websock.base.printable"
local row = require "websock.command.row"
local websock = require "websock"

local PROMPT, WIDTH = ">", 2  -- columns that it takes, with a blank

local LEAVING = {"TSTP", "QUIT"}  -- signals of keys (Ctrl-Z, Ctrl-\) that leave us

local Terminal = {}
Terminal.__index = Terminal

-- Returns what `stty` says about the terminal on standard input, nil if it fails.
local function stty(arguments)
  local pipe <close> = io.popen("stty " .. arguments .. " 2>/dev/null")
  local said = pipe:read "a"
  return pipe:close() and said or nil
end

local function columns()
  local said = stty "size"
  local n = said and math.tointeger(tonumber(said:match "^%d+ (%d+)"))
  return n and n > 10 and n or 80
end

--- Starts editing on the screen's terminal.
---@return table? # nil if there is none that can
function Terminal.open(screen)
  if not (screen.typed and screen.err and screen.able) then return nil end
  local saved = stty "-g"
  local self = setmetatable({screen = screen, saved = saved, editor = Editor.new()}, Terminal)
  if not saved or not self:enter() then return nil end
  websock.signal("CONT", function() self:enter() end)  -- somebody else had stopped us
  websock.signal("WINCH", function() self:resize() end)
  for _, name in ipairs(LEAVING) do self:catch(name) end
  return self
end

--- Switches the terminal's own editing off, and shows the line.
---@return boolean # whether that worked
function Terminal:enter()
  if self.ended or not stty "-icanon -echo -iexten min 1 time 0" then return false end
  self.screen.line = self
  self:resize()
  return true
end

-- Leaves the terminal as it was.
function Terminal:leave()
  self:hide()
  self.screen.line = nil
  stty("'" .. self.saved:gsub("%s", "") .. "'")
end

-- Has a signal leave the terminal first, and then do what it does by default. The shell
-- that runs `kill` is a child of ours, and we are stopped while we wait for it; not by
-- os.execute, which ignores SIGQUIT meanwhile.
function Terminal:catch(name)
  websock.signal(name, function()
    self:leave()
    websock.signal(name)
    io.popen(("kill -%s $PPID"):format(name)):close()
    if self.ended then return end
    self:catch(name)
    self:enter()
  end)
end

function Terminal:resize()
  self.columns = columns()
  self:show()
end

--- Leaves the terminal as it was. Idempotent.
function Terminal:close()
  if self.ended then return end
  self:leave()
  self.ended = true
  websock.signal "CONT"
  websock.signal "WINCH"
  for _, name in ipairs(LEAVING) do websock.signal(name) end
end

function Terminal:prompt()
  return self.screen:paint("err", "sent", PROMPT) .. " "
end

--- Removes the line from the screen, before something else is written.
function Terminal:hide()
  if not self.ended then io.stderr:write "\r\27[K" end
end

--- Draws the line.
function Terminal:show()
  if self.ended then return end
  local editor = self.editor
  local text, column = row(editor.chars, editor.at, self.columns - WIDTH)
  io.stderr:write("\r\27[K", self:prompt(), text, ("\r\27[%dC"):format(WIDTH + column))
end

-- Leaves a line that is complete above the next one.
function Terminal:keep(line)
  io.stderr:write("\r\27[K", self:prompt(), printable(line, "\t"), "\n")
end

-- Reads some keys. Appends the lines that they complete to `lines`.
function Terminal:read(pending, lines)
  local data = input.read()
  if not data then return nil end
  local keys, rest = keys_of(pending .. data)
  for _, key in ipairs(keys) do
    local what, line = self.editor:key(key)
    if what == "ended" then return nil end
    if what == "clear" then io.stderr:write "\27[H\27[2J" end
    if what == "line" then
      self:keep(line)
      lines[#lines + 1] = line
    end
  end
  self:show()
  return rest
end

--- Returns an iterator over the lines.
---@return fun(): string?
function Terminal:lines()
  local lines, pending = {}, ""
  return function()
    while pending and not lines[1] do pending = self:read(pending, lines) end
    return table.remove(lines, 1)
  end
end

return Terminal
