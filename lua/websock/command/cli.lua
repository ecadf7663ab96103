-- The command line: `websock URL` talks to a server by hand or from a pipe,
-- `websock --listen PORT` is an echo server. A module, so that bin/websock stays a few
-- lines; the library itself never loads it.
local websock = require "websock"
local arguments = require "websock.command.arguments"
local core = require "websock.core"
local printable = require "websock.base.printable"

local cli = {}

local MOST_BODY = 1024  -- bytes of a refusal's body that are shown

-- Exit statuses, as in --help.
local OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

local function say(...)
  io.stderr:write(table.concat({...}), "\n")
end

-- Converts --max-message: 0 is the library's false.
local function limit(max_message)
  if max_message == 0 then return false end
  return max_message
end

-- Removes the position in this file from an error that the library has raised.
local function without_position(err)
  return (tostring(err):gsub("^[^\n:]*:%d+: ", ""))
end

-- Turns a misuse that only the library recognizes (such as a header name with a blank)
-- into a message: here it is the user's mistake, and needs no traceback.
local function attempt(f, ...)
  local results = table.pack(pcall(f, ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  return nil, without_position(results[2]), nil, USAGE
end

--------------------------------------------------------------------- the input

-- Returns an iterator over the lines of standard input, which waits by the loop. The
-- last line need not end in a newline. Chunks are joined only when a line is complete,
-- so that a very long line takes linear time.
local function lines()
  local parts, ended = {}, false    -- of the current line
  local chunk, at = "", 1           -- what was read last, and where it is unused
  local function rest_of_line(stop)
    parts[#parts + 1] = chunk:sub(at, stop)
    at = stop + 2
    local line = table.concat(parts)
    parts = {}
    return line
  end
  return function()
    while not ended do
      local newline = chunk:find("\n", at, true)
      if newline then return rest_of_line(newline - 1) end
      parts[#parts + 1] = chunk:sub(at)
      chunk, at = "", 1
      websock.wait(0, "r")
      local data, err = core.read(0, 4096)
      if data then
        chunk = data
      elseif err ~= "again" then
        ended = true
      end
    end
    local last = table.concat(parts)
    parts = {}
    return last ~= "" and last or nil
  end
end

-------------------------------------------------------------------- the client

-- One run of the client: {ws=, options=, received=, closing=, terminal=}. `closing`: we,
-- not the server, began to close; `terminal`: the output is a terminal.
local Session = {}
Session.__index = Session

function Session:status(...)
  if not self.options.quiet then say(...) end
end

-- Makes a message safe for a terminal, and marks it, so that it cannot be taken for a
-- line of ours.
local function quoted(message)
  return "< " .. printable(message, "\n\t"):gsub("\n", "\n| ")
end

function Session:print(message, kind)
  if kind == "binary" and not self.options.binary then
    message = ("<%d bytes of binary>"):format(#message)
  elseif self.terminal then
    message = quoted(message)
  end
  return io.stdout:write(message, "\n") and io.stdout:flush()
end

-- Reports a line of input that could not be sent.
function Session:complain(...)
  self.failed = true
  say("websock: ", ...)
end

function Session:close(code, reason)
  self.closing = true
  local done, err = pcall(self.ws.close, self.ws, code, reason)
  if done then return end
  self.closing = false
  self:complain(without_position(err))
end

function Session:ping()
  local seconds, err = self.ws:ping(nil, self.options.timeout)
  if seconds then
    say(("ping: %.3f ms"):format(seconds * 1000))
  else
    say("ping: ", err)
  end
end

-- RFC 6455 section 7.4: whether an endpoint may send a code.
local function may_be_sent(code)
  return code and (code >= 1000 and code <= 1003 or code >= 1007 and code <= 1014
    or code >= 3000 and code <= 4999)
end

local commands = {ping = Session.ping}

function commands.close(session, rest)
  local word, reason = rest:match("^(%S*)%s*(.*)$")
  local code = word == "" and 1000 or word:find("^%d+$") and tonumber(word)
  if may_be_sent(code) then return session:close(math.tointeger(code), reason) end
  session:complain("/close: not a code that may be sent: ", printable(word),
    " (1000-1003, 1007-1014, 3000-4999)")
end

function commands.help()
  say((arguments.COMMANDS:gsub("\n$", "")))
end

function Session:command(line)
  local name, rest = line:match("^/(%S*)%s*(.-)%s*$")
  if commands[name] then return commands[name](self, rest) end
  self:complain("unknown command, not sent: ", printable(line),
    "\nThere are /ping, /close and /help; // sends a slash.")
end

function Session:send(line)
  local kind = self.options.binary and "binary" or "text"
  if kind == "text" and not utf8.len(line) then
    return self:complain("not UTF-8, not sent (--binary sends any bytes)")
  end
  self.ws:send(line, kind)
end

function Session:line(line)
  if not self.options.binary then line = line:gsub("\r$", "") end
  if line:sub(1, 2) == "//" then
    self:send(line:sub(2))
  elseif line:sub(1, 1) == "/" then
    self:command(line)
  else
    self:send(line)
  end
end

-- Waits until the server has answered what it was sent. One pong proves little: a
-- server may answer pings before messages that its application has yet to take. But
-- two round trips in a row that bring nothing else mean that it has no more to send
-- (or needs longer: --linger is for that).
function Session:settle()
  local deadline = websock.now() + self.options.timeout
  local quiet = 0
  while quiet < 2 and websock.now() < deadline do
    local before = self.received
    if not self.ws:ping(nil, self.options.timeout) then return end
    quiet = self.received == before and quiet + 1 or 0
  end
end

function Session:read_input()
  for line in lines() do
    if self.ws:state() ~= "open" then return end
    self:line(line)
  end
  if self.ws:state() ~= "open" then return end
  self:settle()
  if self.options.linger then websock.sleep(self.options.linger) end
  self:close(1000)
end

-- Prints what arrives until the connection has ended; returns the status.
function Session:run()
  local ws = self.ws
  websock.spawn(self.read_input, self)
  for message, kind in ws:messages() do
    self.received = self.received + 1
    if not self:print(message, kind) then    -- our output was closed
      self:close(1000)
      break
    end
  end
  local reason = ws.close_reason
  self:status("closed ", tostring(ws.close_code),
              reason and reason ~= "" and " " .. printable(reason) or "")
  local normal = self.closing or ws.close_code == 1000 or ws.close_code == 1001
                 or ws.close_code == 1005
  return ws.close_clean and normal and not self.failed and OK or FAILED
end

-- Calls f when the signal arrives. The second time it ends the program.
local function on_signal(name, f)
  websock.signal(name, function()
    websock.signal(name)
    f()
  end)
end

-- Runs the loop; returns a status if it ended with an error, which a second Ctrl-C
-- raises.
local function run()
  local ok, ended = pcall(websock.run)
  if ok then return not ended and FAILED or nil end
  if tostring(ended):find("interrupted!", 1, true) then return INTERRUPTED end
  error(ended, 0)
end

-- Called on Ctrl-C: closes the connection, or ends if there is none yet.
function Session:interrupted(code)
  if not self.ws or self.closing then return websock.stop() end
  self:close(code)
end

-- Returns the option `tls`, nil if no argument sets it.
local function client_tls(options)
  if not (options.insecure or options.ca or options.cert) then return nil end
  return {verify = not options.insecure, ca_file = options.ca,
          cert = options.cert, key = options.key}
end

-- Describes a refusal: the status line, and the first lines of a text body.
local function explanation(response)
  if not response then return "" end
  local shown = {printable(": " .. tostring(response))}
  if (response.headers["content-type"] or ""):find "^text/plain" then
    for line in (response.body or ""):sub(1, MOST_BODY):gmatch "[^\n]+" do
      shown[#shown + 1] = "| " .. printable(line, "\t")
    end
  end
  return table.concat(shown, "\n")
end

local function connect(session)
  local options = session.options
  local ws, err, response, status = attempt(websock.connect, options.url, {
    timeout = options.timeout, protocols = options.protocols,
    headers = options.headers, origin = options.origins and options.origins[1],
    max_message = limit(options.max_message), tls = client_tls(options),
  })
  if ws then
    session.ws = ws
    session:status("connected to ", printable(options.url),
                   ws.protocol and " speaking " .. ws.protocol or "")
    return true
  end
  say("websock: ", printable(options.url), ": ", printable(err), explanation(response))
  return nil, status or err:find("^url: ") and USAGE or FAILED
end

local function client(options)
  options.timeout = options.timeout or 10
  local session = setmetatable({options = options, received = 0,
    terminal = os.execute "test -t 1"}, Session)
  local status = FAILED
  on_signal("INT", function() session:interrupted(1000) end)
  on_signal("TERM", function() session:interrupted(1001) end)
  websock.spawn(function()
    local connected, failure = connect(session)
    status = failure or connected and session:run()
    websock.stop()    -- the coroutine that waits for input need not end
  end)
  return run() or status
end

-------------------------------------------------------------------- the server

local function address(host, number_of_port)
  return (host:find(":", 1, true) and "[%s]:%d" or "%s:%d"):format(host, number_of_port)
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

local function serve(options)
  local function status(...)
    if not options.quiet then say(...) end
  end
  local host = options.host or "127.0.0.1"
  local tls = options.cert and {cert = options.cert, key = options.key}
  local server, err, _, usage = attempt(websock.listen, {
    host = host, port = options.listen, protocols = options.protocols,
    origins = origins_of(options), max_message = limit(options.max_message), tls = tls,
    handler = function(ws) echo(ws, status) end,
  })
  if not server then
    say("websock: cannot listen on ", address(host, options.listen), ": ", printable(err))
    return usage or FAILED
  end
  for _, name in ipairs {"INT", "TERM"} do
    on_signal(name, function() server:stop() end)
  end
  local _, bound = server:getsockname()
  say("listening on ", tls and "wss" or "ws", "://", address(host, bound), "/")
  return run() or OK
end

--- Runs the command.
---@param args string[]  its arguments
---@return integer status  to exit with
function cli.main(args)
  local options, err = arguments.parse(args)
  if not options then
    say("websock: ", printable(err), "\nTry 'websock --help'.")
    return USAGE
  end
  if options.help or options.version then
    io.stdout:write(options.help and arguments.HELP or websock._VERSION .. "\n")
    return OK
  end
  websock.signal("PIPE", function() end)    -- writing reports the closed pipe
  return options.listen and serve(options) or client(options)
end

return cli
