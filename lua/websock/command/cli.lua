-- The command line: `websock URL` talks to a server by hand or from a pipe,
-- `websock --listen PORT` is an echo server. A module, so that bin/websock stays a few
-- lines; the library itself never loads it.

-- A standard stream that was closed would be the next descriptor to be opened, a socket:
-- what is printed would go there. These take its place, and stay open.
local placeholders = {}
for i = 1, 3 do placeholders[i] = io.open("/dev/null", "r+") end

local arguments = require "websock.command.arguments"
local client = require "websock.command.client"
local help = require "websock.command.help"
local process = require "websock.command.process"
local server = require "websock.command.server"
local websock = require "websock"

local cli = {placeholders = placeholders}

--- Runs the command.
---@param args string[]  its arguments
---@return integer status  to exit with
function cli.main(args)
  local options, err = arguments.parse(args)
  if not options then return process.misused(err) end
  if options.help or options.version then
    io.stdout:write(options.help and help.USAGE or websock._VERSION .. "\n")
    return process.OK
  end
  websock.signal("PIPE", function() end)    -- writing reports the closed pipe
  return options.listen and server(options) or client(options)
end

return cli
