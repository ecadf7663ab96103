-- The library's log, `websock.log`: events for the operator that no call returns.
-- Errors of handlers and spawned functions do not belong here: they go to on_error.
-- Nothing here raises, even if the user's function does.

local core = require "websock.core"
local printable = require "websock.base.printable"
local text_of = require "websock.base.text"

local MOST = 256    -- bytes of a field
local PERIOD = 60   -- seconds in which the default writes an event once

local log = {}

log.sink = nil  -- function(level, event, fields); false: none; nil: to stderr

--- Writes a message of the library to stderr.
---@param text string # may contain anything; its newlines and tabs are kept
function log.stderr(text)
  core.without_sigpipe(io.stderr.write, io.stderr, "websock: ", printable(text, "\n\t"), "\n")
end

-- Fields ----------------------------------------------------------------------

-- Returns the first bytes, without cutting a UTF-8 character.
local function cut(text)
  if #text <= MOST then return text end
  local last = MOST
  while last > MOST - 3 and text:find("^[\x80-\xbf]", last + 1) do last = last - 1 end
  return text:sub(1, last) .. "..."
end

--- Makes text that a peer has chosen safe to log.
---@return string
function log.shown(text)
  return printable(cut(text))
end

--- Returns a host or origin without user, password, query and fragment.
---@return string
function log.bare(text)
  return (text:gsub("[?#].*$", ""):gsub("^([^/]*//)[^/]*@", "%1"):gsub("^[^/]*@", ""))
end

--- Returns "host:port" of a peer.
---@param remote {host: string, port: integer, family: string?}
---@return string
function log.place(remote)
  if remote.family == "unix" then return "unix" end
  local form = remote.host:find(":", 1, true) and "[%s]:%s" or "%s:%s"
  return form:format(remote.host, remote.port)
end

local function show_all(fields)
  local shown = {}
  for name, value in pairs(fields) do
    shown[name] = type(value) == "string" and log.shown(value) or value
  end
  return shown
end

-- The default -----------------------------------------------------------------

local written = {}  -- event -> {at=, n=}: when it was written, how often it occurred since

local function line_of(level, event, fields, n)
  local parts, names = {level .. ": " .. event .. ":"}, {}
  for name in pairs(fields) do
    if name ~= "hint" then names[#names + 1] = name end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    parts[#parts + 1] = ("%s=%s"):format(name, fields[name])
  end
  if fields.hint then parts[#parts + 1] = "(" .. fields.hint .. ")" end
  if n > 0 then parts[#parts + 1] = ("(%d more before)"):format(n) end
  return table.concat(parts, " ")
end

local LOUD = {warn = true, error = true}

local function to_stderr(level, event, fields)
  if not LOUD[level] then return end
  local now, last = core.now(), written[event]
  if last and now - last.at < PERIOD then
    last.n = last.n + 1
    return
  end
  written[event] = {at = now, n = 0}
  log.stderr(line_of(level, event, show_all(fields), last and last.n or 0))
end

local function write(level, event, fields)
  if not log.sink then return to_stderr(level, event, fields) end
  local ok, err = pcall(log.sink, level, event, show_all(fields))
  if not ok then to_stderr("error", "websock.log raised", {err = text_of(err)}) end
end

--- Writes an event to the log.
---@param level "debug"|"info"|"warn"|"error"
---@param event string # one of a few fixed ones
---@param fields table<string, any>
function log.write(level, event, fields)
  if log.sink ~= false then pcall(write, level, event, fields) end
end

return log
