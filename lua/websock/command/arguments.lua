-- The command's arguments, and its help: `parse` turns the arguments into a table, or
-- returns what is wrong with them.

local arguments = {}

arguments.COMMANDS = [==[
  /ping                  measure the round trip
  /close [CODE [REASON]] close the connection; CODE is 1000 unless given, and
                         may be 1000-1003, 1007-1014 or 3000-4999
  /help                  list these
]==]

arguments.HELP = [==[
usage: websock [options] URL            connect; lines go out, messages come in
       websock [options] --listen PORT  echo server

  -H, --header 'NAME: VALUE'  send this field with the handshake (repeatable)
      --protocol NAME         offer (or accept) this subprotocol (repeatable)
      --origin ORIGIN         send this Origin (or let its pages in, repeatable)
      --timeout SECONDS       for connecting, and for a ping's answer (10)
      --linger SECONDS        after the end of input, wait so long for messages
      --max-message BYTES     largest message accepted (1048576; 0: no limit)
      --binary                send binary messages, print binary ones raw
      --quiet                 no status lines, only errors
      --listen PORT           be an echo server (0: any free port)
      --host HOST             where to listen (127.0.0.1)
      --ca FILE               trust these authorities instead of the system's
      --insecure              trust any server's certificate
      --cert FILE, --key FILE certificate and its key (PEM): a server's, which
                              then serves wss, or a client's
      --version, --help

Each line of input is sent as one message. A line that begins with a slash is
a command; write // to send a slash.
]==] .. arguments.COMMANDS .. [==[

Messages are printed one per line on standard output, all else on standard
error. On a terminal a message begins with "< ", its further lines with "| ",
and control characters are spelled out (^[); pipes get it as it came.
After the end of input the answers are still printed: it closes once the server
has answered pings and sent nothing else meanwhile. Ctrl-C closes the connection
or server, a second one ends the command at once.
Exit status: 0 closed normally, 1 failed, 2 wrong usage. Normal are the codes
1000, 1001 and 1005 (none given), and any with which you have closed. A line or
a command that could not be sent makes it 1.
]==]

local function text(value)
  return value
end

local function number(value)
  local n = tonumber(value)
  if n and n >= 0 and n < math.huge then return n end
  return nil, "not a number of seconds: " .. value
end

local function whole(value)
  local n = value:find("^%d+$") and math.tointeger(tonumber(value))
  if n then return n end
  return nil, "not a whole number: " .. value
end

local function port(value)
  local n = whole(value)
  if n and n <= 65535 then return n end
  return nil, "not a port: " .. value
end

local function header(value)
  local name, content = value:match("^([^:%s]+):%s*(.-)%s*$")
  if name then return {name, content} end
  return nil, "not of the form 'NAME: VALUE': " .. value
end

-- Option -> field of the result, function that reads its value (none: a switch),
-- whether it may be repeated, and which half it belongs to (none: both).
local OPTIONS = {
  ["--header"]      = {field = "headers", read = header, many = true, half = "client"},
  ["--protocol"]    = {field = "protocols", read = text, many = true},
  ["--origin"]      = {field = "origins", read = text, many = true},
  ["--timeout"]     = {field = "timeout", read = number, half = "client"},
  ["--linger"]      = {field = "linger", read = number, half = "client"},
  ["--max-message"] = {field = "max_message", read = whole},
  ["--binary"]      = {field = "binary", half = "client"},
  ["--quiet"]       = {field = "quiet"},
  ["--listen"]      = {field = "listen", read = port, half = "server"},
  ["--host"]        = {field = "host", read = text, half = "server"},
  ["--ca"]          = {field = "ca", read = text, half = "client"},
  ["--insecure"]    = {field = "insecure", half = "client"},
  ["--cert"]        = {field = "cert", read = text},
  ["--key"]         = {field = "key", read = text},
  ["--version"]     = {field = "version"},
  ["--help"]        = {field = "help"},
}
OPTIONS["-H"], OPTIONS["-h"] = OPTIONS["--header"], OPTIONS["--help"]

local function store(result, option, value)
  if not option.many then
    result[option.field] = value
    return
  end
  local list = result[option.field] or {}
  list[#list + 1] = value
  result[option.field] = list
end

-- Reads the option at args[i]; returns the index of the next argument.
local function parse_option(result, args, i)
  local name, value = args[i]:match("^(%-%-[^=]+)=(.*)$")
  name = name or args[i]
  local option = OPTIONS[name]
  if not option then return nil, "unknown option " .. name end
  if not option.read then
    if value then return nil, name .. " takes no value" end
    store(result, option, true)
    return i + 1
  end
  if not value then
    i = i + 1
    value = args[i]
  end
  if not value then return nil, name .. " needs a value" end
  local read, err = option.read(value)
  if read == nil then return nil, name .. ": " .. err end
  store(result, option, read)
  return i + 1
end

-- Returns the URL that was probably meant by a host alone.
local function suggestion(url)
  local rest = url:match "^%[[%x:.]+%](.*)$" or url:match "^[%w.-]+(.*)$"
  if not rest or not (rest:gsub("^:%d+", "") .. "/"):find "^[/?]" then return "" end
  return " (did you mean ws://" .. url .. "?)"
end

local function is_secure(url)
  local scheme = url:match("^(.-)://"):lower()
  return scheme == "wss" or scheme == "https"
end

-- Rejects options of TLS that would have no effect: asking for TLS never results in a
-- connection without it.
local function check_tls(result)
  if (result.cert == nil) ~= (result.key == nil) then
    return nil, "--cert and --key need each other"
  elseif result.ca and result.insecure then
    return nil, "--ca does not go with --insecure"
  end
  for _, field in ipairs {"insecure", "ca", "cert"} do
    if result[field] and result.url and not is_secure(result.url) then
      return nil, ("--%s needs a wss:// URL"):format(field)
    end
  end
  return result
end

-- Checks the arguments against each other.
local function check(result)
  local half = result.listen and "server" or "client"
  for name, option in pairs(OPTIONS) do
    if result[option.field] ~= nil and option.half and option.half ~= half then
      return nil, name .. (half == "server" and " does not go with --listen"
                           or " needs --listen")
    end
  end
  if result.url and result.origins and result.origins[2] then
    return nil, "more than one --origin"
  end
  if result.listen and result.url then return nil, "a URL does not go with --listen" end
  if not result.listen and not result.url then return nil, "no URL given" end
  if result.url and not result.url:find("^%a[%w+.-]*://") then
    return nil, "not a WebSocket URL: " .. result.url .. suggestion(result.url)
  end
  return check_tls(result)
end

--- Reads the command's arguments.
---@param args string[]
---@return table? options  nil, message when they make no sense
---@return string? message
function arguments.parse(args)
  local result, i = {}, 1
  while args[i] do
    if args[i]:find("^%-.") then
      local next_i, err = parse_option(result, args, i)
      if not next_i then return nil, err end
      i = next_i
    elseif result.url then
      return nil, "more than one URL"
    else
      result.url, i = args[i], i + 1
    end
  end
  if result.help or result.version then return result end
  return check(result)
end

return arguments
