-- What a line that was typed on a terminal means: a message, or a command.

local help = require "websock.command.help"
local printable = require "websock.base.printable"

local commands = {}

-- RFC 6455 section 7.4: whether an endpoint may send a code.
local function may_be_sent(code)
  return code and (code >= 1000 and code <= 1003 or code >= 1007 and code <= 1014
    or code >= 3000 and code <= 4999)
end

function commands.ping()
  return "ping"
end

function commands.close(rest)
  local word, reason = rest:match("^(%S*)%s*(.*)$")
  local code = word == "" and 1000 or word:find("^%d+$") and tonumber(word)
  if may_be_sent(code) then return "close", math.tointeger(code), reason end
  return nil, "/close: not a code that may be sent: " .. printable(word)
    .. " (1000-1003, 1007-1014, 3000-4999)"
end

function commands.help()
  return "tell", (help.COMMANDS:gsub("\n$", ""))
end

--- Reads a line.
---@return string? action # a method of the session
---@return any ... # its arguments; nil, what is wrong with the line
return function(line)
  if line:sub(1, 1) ~= "/" then return "deliver", line end
  if line:sub(1, 2) == "//" then return "deliver", line:sub(2) end
  local name, rest = line:match("^/(%S*)%s*(.-)%s*$")
  if commands[name] then return commands[name](rest) end
  return nil, "unknown command, not sent: " .. printable(line)
    .. "\nThere are /ping, /close and /help; // sends a slash."
end
