-- The command as an echo server.

local printable = require "websock.base.printable"
local process = require "websock.command.process"
local websock = require "websock"

local say = process.say

local function address(host, port)
  return (host:find(":", 1, true) and "[%s]:%d" or "%s:%d"):format(host, port)
end

local function echo(ws, status)
  local peer = address(ws.request.remote.host, ws.request.remote.port)
  status(peer, " connected")
  for message, kind in ws:messages() do ws:send(message, kind) end
  status(peer, " closed ", tostring(ws.close_code))
end

-- Returns the option `origins`, nil if no argument sets it.
local function origins_of(options)
  local list = options.origins
  return list and list[1] == "*" and "*" or list
end

local function listen(options, tls)
  local function status(...)
    if not options.quiet then say(...) end
  end
  return process.attempt(websock.listen, {
    host = options.host, port = options.listen, protocols = options.protocols,
    origins = origins_of(options), max_message = process.or_none(options.max_message),
    compress = options.compress, ping_interval = process.or_none(options.ping_interval),
    tls = tls, handler = function(ws) echo(ws, status) end,
  })
end

--- Serves until a signal stops it.
---@param options table # of arguments.parse
---@return integer status
return function(options)
  local host = options.host or "127.0.0.1"
  local tls = options.cert and {cert = options.cert, key = options.key}
  local server, err, _, usage = listen(options, tls)
  if not server then
    say("websock: cannot listen on ", address(host, options.listen), ": ", printable(err))
    return usage or process.FAILED
  end
  for _, name in ipairs {"INT", "TERM"} do
    process.on_signal(name, function() server:stop() end)
  end
  local _, bound = server:getsockname()
  say("listening on ", tls and "wss" or "ws", "://", address(host, bound), "/")
  return process.run() or process.OK
end
