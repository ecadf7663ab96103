-- The command as a client: connects, sends what comes in, and prints what comes back.

local commands = require "websock.command.commands"
local dialling = require "websock.command.dialling"
local input = require "websock.command.input"
local json = require "websock.command.json"
local Output = require "websock.command.output"
local printable = require "websock.base.printable"
local process = require "websock.command.process"
local Screen = require "websock.command.screen"
local Session = require "websock.command.session"
local Terminal = require "websock.command.terminal"
local Trace = require "websock.command.trace"
local websock = require "websock"

-- Returns the texts of the files of --send-file.
local function read_files(options)
  local texts = {}
  for i, name in ipairs(options.files or {}) do
    local file, err, text
    if name == "-" then file = io.stdin else file, err = io.open(name, "rb") end
    if not file then return nil, "--send-file: " .. err end
    text, err = file:read "a"
    if not text then return nil, ("--send-file: %s: %s"):format(name, err) end
    if not options.binary and not utf8.len(text) then
      return nil, "--send-file: " .. name .. ": not UTF-8 (--binary sends any bytes)"
    end
    texts[i] = text
  end
  return texts
end

-- Whether a file was standard input, so that no lines come from there.
local function is_input_used(options)
  for _, name in ipairs(options.files or {}) do
    if name == "-" then return true end
  end
  return false
end

local function no_lines() end

-- Reads a line of a pipe: all of it is data.
local function plain(line)
  return "deliver", line
end

-- The same on a terminal that edits its lines by itself.
local function typed(line)
  if input.is_cut(line) then
    return nil, "not sent: the terminal cuts lines after 4095 bytes; use a pipe or --send-file"
  end
  return commands(line)
end

-- Returns an iterator over the lines, and the function that says what one means.
local function source(session, screen)
  local options = session.options
  if is_input_used(options) then return no_lines, plain end
  session.terminal = Terminal.open(screen)
  local read = options.json and json.read or not screen.typed and plain
    or session.terminal and commands or typed
  return session.terminal and session.terminal:lines() or input.lines(), read
end

-- Returns a session that is ready to run.
local function prepare(options)
  local files, err = read_files(options)
  if not files then return nil, err end
  local screen = Screen.new()
  local out, missing = (options.json and json.output or Output.new)(screen, options)
  if not out then return nil, missing end
  local dial = dialling(options)
  local session = Session.new(options, out, dial, files)
  if options.verbose then
    session.trace = Trace.new(function(line) out:say("status", line) end)
    dial.tap = session.trace.tap
  end
  session.open_input = function() return source(session, screen) end
  return session
end

--- Runs until the session ends.
---@param options table # of arguments.parse
---@return integer status
return function(options)
  options.timeout = options.timeout or 10
  local session, err = prepare(options)
  if not session then
    process.say("websock: ", printable(err))
    return process.USAGE
  end
  process.on_signal("INT", function() session:interrupt(1000) end)
  process.on_signal("TERM", function() session:interrupt(1001) end)
  websock.spawn(function() session:run() end)
  local _ <close> = setmetatable({}, {__close = function()
    if session.terminal then session.terminal:close() end
  end})
  local status = process.run(function() session:drain() end, function() return session.ended end)
  session:drain()
  return status or session.status
end
