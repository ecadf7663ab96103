-- The command's arguments: `parse` turns them into a table, or returns what is wrong with
-- them.

local arguments = {}

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

local function count(value)
  local n = whole(value)
  if n and n > 0 then return n end
  return nil, "not a whole number from 1 up: " .. value
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

-- RFC 6265 section 4.2.1.
local function cookie(value)
  if value:find "^[^=;%s]+=[^;%c]*$" then return value end
  return nil, "not of the form NAME=VALUE: " .. value
end

local function credentials(value)
  if value:find "^[^:]*:" then return value end
  return nil, "not of the form USER:PASSWORD"
end

-- Option -> field of the result, function that reads its value (none: a switch),
-- whether it may be repeated, and which half it belongs to (none: both).
local OPTIONS = {
  ["--auth"]          = {field = "auth", read = credentials, half = "client"},
  ["--binary"]        = {field = "binary", half = "client"},
  ["--ca"]            = {field = "ca", read = text, half = "client"},
  ["--cert"]          = {field = "cert", read = text},
  ["--compress"]      = {field = "compress"},
  ["--cookie"]        = {field = "cookies", read = cookie, many = true, half = "client"},
  ["--count"]         = {field = "count", read = count, half = "client"},
  ["--header"]        = {field = "headers", read = header, many = true, half = "client"},
  ["--help"]          = {field = "help"},
  ["--host"]          = {field = "host", read = text, half = "server"},
  ["--insecure"]      = {field = "insecure", half = "client"},
  ["--json"]          = {field = "json", half = "client"},
  ["--key"]           = {field = "key", read = text},
  ["--linger"]        = {field = "linger", read = number, half = "client"},
  ["--listen"]        = {field = "listen", read = port, half = "server"},
  ["--max-message"]   = {field = "max_message", read = whole},
  ["--origin"]        = {field = "origins", read = text, many = true},
  ["--ping-interval"] = {field = "ping_interval", read = number},
  ["--protocol"]      = {field = "protocols", read = text, many = true},
  ["--proxy"]         = {field = "proxy", read = text, half = "client"},
  ["--quiet"]         = {field = "quiet"},
  ["--redirects"]     = {field = "redirects", read = whole, half = "client"},
  ["--reconnect"]     = {field = "reconnect", half = "client"},
  ["--send-file"]     = {field = "files", read = text, many = true, half = "client"},
  ["--timeout"]       = {field = "timeout", read = number, half = "client"},
  ["--verbose"]       = {field = "verbose", half = "client"},
  ["--version"]       = {field = "version"},
}
arguments.OPTIONS = {}  -- their names, sorted
for name in pairs(OPTIONS) do table.insert(arguments.OPTIONS, name) end
table.sort(arguments.OPTIONS)

OPTIONS["-H"], OPTIONS["-h"], OPTIONS["-v"] =
  OPTIONS["--header"], OPTIONS["--help"], OPTIONS["--verbose"]

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

-- Rejects options of the other half.
local function check_half(result)
  local half = result.listen and "server" or "client"
  for _, name in ipairs(arguments.OPTIONS) do
    local option = OPTIONS[name]
    if result[option.field] ~= nil and option.half and option.half ~= half then
      return nil, name .. (half == "server" and " does not go with --listen"
                           or " needs --listen")
    end
  end
  return result
end

-- Checks the arguments against each other.
local function check(result)
  local ok, err = check_half(result)
  if not ok then return nil, err end
  if result.url and result.origins and result.origins[2] then
    return nil, "more than one --origin"
  end
  if result.listen and result.url then return nil, "a URL does not go with --listen" end
  if not result.listen and not result.url then return nil, "no URL given" end
  if result.url and not result.url:find("^%a[%w+.-]*://") then
    return nil, "not a WebSocket URL: " .. result.url .. suggestion(result.url)
  end
  if result.json and result.binary then return nil, "--json does not go with --binary" end
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
