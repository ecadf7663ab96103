-- Options: one table per function, with default, check and one line of
-- documentation per option; a spec holds docs/reference.md against them.

local misuse = require "websock.base.misuse"
local nearest = require "websock.base.nearest"
local text_of = require "websock.base.text"

local MiB, KiB = 1024 * 1024, 1024

local options = {}

-- Checks: each returns true, or false and what it expected. ---------------------

local function is(kind)
  return function(value) return type(value) == kind, kind end
end

local function either(check, other)
  return function(value)
    local ok, expected = check(value)
    return ok or value == other, expected .. " or " .. tostring(other)
  end
end

local function integer(min, max)
  local expected = "an integer from " .. min .. (max and " to " .. max or " up")
  return function(value)
    local n = math.type(value) == "integer" and value
      or type(value) == "number" and math.tointeger(value)
    return n and n >= min and (not max or n <= max), expected
  end
end

-- value ~= value: NaN.
local function seconds(value)
  return type(value) == "number" and value >= 0 and value == value,
    "a number of seconds from 0 up"
end

local function positive(value)
  return type(value) == "number" and value > 0, "a number of seconds above 0"
end

local function at_least_one(value)
  return type(value) == "number" and value >= 1 and value < math.huge, "a number from 1 up"
end

-- A string for C: without zero bytes.
local function plain(value)
  return type(value) == "string" and not value:find("\0", 1, true),
    "a string without zero bytes"
end

local function filled(value)
  return plain(value) and value ~= "", "a string of one byte or more, without zero bytes"
end

local function is_list_of_strings(value)
  local expected = "a list of strings"
  if type(value) ~= "table" then return false, expected end
  local n = 0
  for _ in pairs(value) do n = n + 1 end
  for i = 1, n do
    if type(value[i]) ~= "string" then return false, expected end
  end
  return true, expected
end

local function is_list_of_domains(value)
  local expected = "a list of domain names"
  if not is_list_of_strings(value) then return false, expected end
  for _, name in ipairs(value) do
    if not name:find "^%.?[%w%-_]+[%w%-_.]*$" or name:find "^[%d.]+$" then return false, expected end
  end
  return true
end

--- Whether it can be called like a function; if not, "a function" was expected.
function options.callable(value)
  local meta = getmetatable(value)
  return type(value) == "function" or type(meta) == "table" and meta.__call ~= nil,
    "a function"
end

local callable = options.callable

local function any_of(first, second)
  return function(value)
    local ok, expected = first(value)
    if ok then return true end
    local ok2, expected2 = second(value)
    return ok2, expected .. " or " .. expected2
  end
end

local function one_of(...)
  local names = {...}
  return function(value)
    for _, name in ipairs(names) do
      if value == name then return true end
    end
    return false, '"' .. table.concat(names, '", "') .. '"'
  end
end

local function is_tap(value)
  local meta = getmetatable(value)
  return type(value) == "userdata" and meta ~= nil and meta.__name == "websock.tap",
    "what core.tap() has returned"
end

local function is_socket(value)
  local kind = type(value)
  return kind == "userdata" or kind == "table", "a socket object"
end

local function is_scheduler(value)
  local kind = type(value)
  return kind == "string" or kind == "userdata" or kind == "table",
    '"loop", "copas", "cqueues" or a controller of it, "luv", or a table'
end

-- A boolean, or a table of options of its own.
local function switch_or_table(value)
  return type(value) == "boolean" or type(value) == "table", "a boolean or a table"
end

-- The tables ------------------------------------------------------------------

local size_or_none = either(integer(0), false)
local count_or_none = either(integer(1), false)
local boolean, text = is "boolean", is "string"
local headers = is "table"

--- The metatable of jars, which websock.cookies() returns.
options.Jar = {__name = "websock.cookies"}

local function is_jar(value)
  return getmetatable(value) == options.Jar, "what websock.cookies() has made"
end

-- Options that listen, accept and connect share.
local connection = {
  max_message = {MiB, size_or_none,
    "most bytes of a message that is received; false: no limit"},
  max_fragments = {16384, count_or_none,
    "most frames of a message that is received; false: no limit"},
  max_queue = {MiB, integer(0),
    "bytes queued above which `send` waits"},
  close_timeout = {5, seconds,
    "seconds that `close` waits, and a closing connection for a byte to be accepted"},
  nodelay = {true, boolean, "TCP_NODELAY: send small messages at once"},
  compress = {false, switch_or_table,
    "permessage-deflate (RFC 7692): true, or a table of its options"},
  tls = {nil, either(is "table", false),
    "TLS: a table of its options, or what websock.tls has made of one"},
  ping_interval = {20, either(positive, false),
    "seconds between heartbeat pings; false: none"},
  ping_timeout = {20, positive,
    "seconds without a pong, or anything else, after which a peer is given up;"
    .. " also how long `ping` waits, and an answer for a byte to be accepted"},
  on_close = {nil, callable,
    "function(ws, code, reason, clean), called once the connection has ended"},
  scheduler = {nil, is_scheduler,
    'the scheduler whose coroutine calls: "copas", "cqueues" or a controller of it, "luv",'
    .. ' a table, or "loop" for none of these; nil: it is recognised'},
}

local function extend(base, more)
  local all = {}
  for name, option in pairs(base) do all[name] = option end
  for name, option in pairs(more) do all[name] = option end
  return all
end

options.connect = extend(connection, {
  timeout = {10, either(seconds, false),
    "seconds for look-up, connect and handshake together; false: no limit"},
  protocols = {nil, is_list_of_strings,
    "subprotocols to offer, the preferred one first"},
  headers = {nil, headers,
    "more fields of the request: a map (a value may be a list), or a list of pairs"},
  origin = {nil, text, "the Origin field"},
  max_header = {16 * KiB, integer(64), "most bytes of the answer's head"},
  cookies = {nil, is_jar, "a jar of websock.cookies(): keeps cookies for later requests"},
  redirects = {0, any_of(integer(0), callable),
    "how many redirects to follow, or function(url) -> whether to follow this one"},
  proxy = {nil, any_of(is "string", is "boolean"),
    "the URL of a proxy; true: the one that the environment names; false: none"},
  proxy_tls = {nil, is "table", "TLS to an https proxy: as `tls`"},
  family = {"any", one_of("any", "inet", "inet6"), "which addresses to try"},
  tap = {nil, is_tap, "what core.tap() has returned: it gets a copy of all bytes"},
  attempt_delay = {0.25, either(positive, false),
    "seconds between the addresses of a host that are tried; false: one after the other"},
  unix = {nil, filled, "path of a Unix socket to dial in place of the URL's host"},
  socket = {nil, is_socket,
    "a connected socket object; owned by the connection from the call on"},
})

local function is_list_of_codes(value)
  local expected = "a list of integers from 1000 to 4999"
  if type(value) ~= "table" then return false, expected end
  for _, code in ipairs(value) do
    if not integer(1000, 4999)(code) then return false, expected end
  end
  return true, expected
end

options.reconnect = extend(options.connect, {
  headers = {nil, any_of(headers, callable),
    "more fields of the request: as in connect, or function() -> those"},
  backoff = {{}, is "table", "how long to wait after a failure: a table of its options"},
  on_retry = {nil, callable,
    "function(err, delay or nil, attempt, response, ws), called before each wait; false ends"},
  fatal_codes = {{1002, 1003, 1007, 1010}, is_list_of_codes,
    "codes of a connection's end after which there is no other"},
})
options.reconnect.socket = nil  -- it is good for one connection

-- Options of the option `backoff`.
options.backoff = {
  min = {0.5, positive, "the most seconds after the first failure"},
  max = {60, positive, "the most seconds after any"},
  factor = {2, at_least_one, "by which the most grows with each failure in a row"},
}

-- Options that listen and accept share.
local served = extend(connection, {
  scheduler = {"loop", is_scheduler,
    'whose coroutines run handlers and hooks: "loop" (the built-in one), "copas",'
    .. ' "cqueues" or a controller of it, "luv", or a table'},
  on_message = {nil, callable,
    "function(ws, message, kind), called for each message in place of a handler"},
  on_open = {nil, callable, "function(ws), called before the first message"},
  on_drain = {nil, callable,
    "function(ws), called when a queue that was over max_queue has fallen to half of it"},
  protocols = {nil, any_of(is_list_of_strings, callable),
    "subprotocols in order of preference, or function(offered, request) -> one"},
  origins = {"same", any_of(one_of("same", "*"), is_list_of_strings),
    'who may connect from a browser: "same" (Origin matches Host), "*", or a list'
    .. " of exact origins and *. wildcards"},
  authorize = {nil, callable,
    "function(request) -> true | false [, status 403 [, headers [, body]]]"},
  headers = {nil, any_of(headers, callable),
    "more fields of the 101, or function(request) -> fields"},
  http = {nil, callable,
    "function(request) -> status, headers, body for what is no handshake"},
  max_body = {64 * KiB, integer(0), "most bytes of such a request's body"},
  max_header = {16 * KiB, integer(64), "most bytes of a request's head"},
  handshake_timeout = {10, either(seconds, false),
    "seconds from accept until the handshake is answered, `authorize` included, or"
    .. " a plain request is here; false: no limit"},
  idle_timeout = {false, either(positive, false),
    "seconds without a message, either way, after which the connection is closed"
    .. " with 1001; false: no limit"},
  on_error = {nil, callable,
    "function(err, ws or nil, traceback); default: stderr"},
})

options.accept = extend(served, {
  request = {nil, is "table",
    "{method=, target=, headers=} that an HTTP server has read already"},
  received = {nil, text, "bytes read past that request"},
  server = {nil, is "table", "the server that the connection joins"},
})

options.listen = extend(served, {
  handler = {nil, callable,
    "function(ws), run in a coroutine for each connection; it or on_message is required"},
  host = {"127.0.0.1", filled, '"*": every address, IPv4 and IPv6'},
  port = {nil, either(integer(0, 65535), false),
    "0: any that is free; false: no listener"},
  unix = {nil, filled, "path of a Unix socket to listen on in place of host and port"},
  socket = {nil, is_socket, "a socket object that is listening already"},
  backlog = {511, integer(1), "connections that wait to be accepted"},
  reuseport = {false, boolean, "SO_REUSEPORT: several processes share the port"},
  max_connections = {false, count_or_none,
    "more are answered with 503; false: no limit"},
})

local function is_list_of_names(value)
  local expected = "a list of strings of 1 to 255 bytes"
  if not is_list_of_strings(value) then return false, expected end
  for _, name in ipairs(value) do
    if #name == 0 or #name > 255 then return false, expected end
  end
  return true
end

--- The metatable of contexts, which websock.tls returns. A table with any other
--- metatable is checked as settings.
options.Context = {__name = "websock.tls"}

-- Options of the option `tls`, and of websock.tls. The fourth value is the only role
-- that an option applies to, if there is one.
options.tls = {
  verify = {true, boolean, "a client verifies chain and host name", "client"},
  ca_file = {nil, plain, "authorities, in place of the system's", "client"},
  ca_path = {nil, plain, "a folder of them, as `openssl rehash` leaves it", "client"},
  cert = {nil, plain, "the certificate, followed by its chain; a server needs one"},
  key = {nil, plain, "its private key"},
  password = {nil, plain, "what the key is encrypted with"},
  server_name = {nil, plain,
    "whom a client asks for and verifies, in place of the URL's host", "client"},
  alpn = {nil, is_list_of_names, "application protocols in order of preference"},
  min_version = {"1.2", one_of("1.2", "1.3"), "the oldest version of TLS"},
  ciphers = {nil, plain, "of TLS 1.2, as OpenSSL lists them"},
  ciphersuites = {nil, plain, "of TLS 1.3"},
  client_ca = {nil, plain,
    "a server's clients need a certificate of one of these authorities", "server"},
  keylog = {nil, plain, "a file that gets the keys, for debugging"},
}

-- Options of the option `compress`.
local window_bits = either(integer(8, 15), false)
options.compress = {
  server_no_context_takeover = {true, boolean,
    "each message from the server is compressed by itself"},
  client_no_context_takeover = {true, boolean,
    "each message from the client is compressed by itself"},
  server_max_window_bits = {12, window_bits,
    "how far back the server's compressor looks, as a power of two"},
  client_max_window_bits = {12, window_bits,
    "how far back the client's compressor looks, as a power of two"},
  level = {1, integer(0, 9), "zlib's level: 0 (none), 1 (fastest) to 9 (best)"},
  mem_level = {5, integer(1, 9), "zlib's memory level: 1 (least) to 9 (most)"},
  threshold = {256, integer(0), "smallest message that is compressed"},
}

options.cookies = {
  domains = {nil, is_list_of_domains,
    "domains whose hosts share the cookies that are set for them"},
}

options.serve = options.listen

options.set_tls = {
  tls = connection.tls,
}

options.send = {
  timeout = {nil, seconds, "seconds to wait for room in the queue"},
  compress = {nil, boolean, "whether to compress this message, where agreed"},
}

options.writer = {
  compress = options.send.compress,
}

options.publish = {
  except = {nil, is "table", "a connection that does not get the message"},
  slow = {"close", one_of("close", "drop"),
    'who has more than max_queue bytes queued: "close" (with 1008) or "drop" (skip)'},
}

options.broadcast = options.publish

-- Pairs of options that exclude each other.
local APART = {
  connect = {{"unix", "socket"}, {"family", "unix"}, {"family", "socket"},
    {"attempt_delay", "unix"}, {"attempt_delay", "socket"}, {"proxy", "unix"}, {"proxy", "socket"}},
  listen = {
    {"handler", "on_message"},
    {"unix", "socket"}, {"host", "unix"}, {"port", "unix"}, {"reuseport", "unix"},
    {"host", "socket"}, {"port", "socket"}, {"reuseport", "socket"}, {"backlog", "socket"},
  },
}
APART.serve = APART.listen
APART.reconnect = {{"family", "unix"}, {"attempt_delay", "unix"}, {"proxy", "unix"}}

-- Options that mean nothing without another.
local NEEDS = {on_open = "on_message", on_drain = "on_message", proxy_tls = "proxy"}

-- The role of a function's option `tls`; websock.tls serves both.
local ROLES = {
  connect = "client", reconnect = "client", listen = "server", serve = "server", accept = "server",
  set_tls = "server",
}

-- Checking --------------------------------------------------------------------

--- Returns a value in the form for an error message.
function options.show(value)
  return type(value) == "string" and ("%q"):format(value)
    or text_of(value)
end

local show = options.show

local function check_one(where, name, option, value)
  local ok, expected, instead = option[2](value)
  if ok then return end
  if instead then misuse("%s: option '%s': %s", where, name, instead) end
  misuse("%s: option '%s': %s expected, got %s", where, name, expected, show(value))
end

-- Describes where an option that is not in `all` belongs; nil if nowhere.
local function home_of(name, all)
  for _, inner in ipairs {"tls", "compress"} do
    if all[inner] and options[inner][name] then return "it belongs in '" .. inner .. "'" end
  end
  for _, where in ipairs {"connect", "listen", "accept"} do
    if options[where][name] then return where .. " has it" end
  end
end

-- Returns a hint for the message about an unknown option.
local function hint(name, all)
  if type(name) ~= "string" then return "" end
  local meant = nearest(name, all)
  if meant then return (" (did you mean '%s'?)"):format(meant) end
  local home = home_of(name, all)
  return home and " (" .. home .. ")" or ""
end

local OTHERS = {
  client = "means nothing to a server (whose clients `client_ca` is about)",
  server = "means nothing to a client (who trusts the authorities of `ca_file`)",
}

-- Rejects an option of the other role. role: nil if both are allowed.
local function check_role(where, name, option, role)
  local whose = option[4]
  if whose and role and whose ~= role then
    misuse("%s: option '%s' %s", where, name, OTHERS[whose])
  end
end

-- Checks one table of options against `all`, and adds the defaults.
local function check_table(where, all, given, role)
  local checked = {}
  for name, option in pairs(all) do checked[name] = option[1] end
  for name, value in pairs(given or {}) do
    local option = all[name]
    if not option then
      misuse("%s: unknown option '%s'%s", where, text_of(name), hint(name, all))
    end
    check_one(where, name, option, value)
    check_role(where, name, option, role)
    checked[name] = value
  end
  return checked
end

-- Rejects options of listening for a server that does not listen (port = false).
local function check_listener(where, given)
  if given.port ~= false or given.unix or given.socket then return end
  for _, one in ipairs {"host", "reuseport", "backlog"} do
    if given[one] then
      misuse("%s: option '%s' does not go with 'port = false'", where, one)
    end
  end
end

-- Rejects options that exclude each other, or lack another; false counts as not given.
local function check_pairs(where, given)
  for name, needed in pairs(NEEDS) do
    if given[name] and not given[needed] then
      misuse("%s: option '%s' needs '%s'", where, name, needed)
    end
  end
  if where == "listen" or where == "serve" then check_listener(where, given) end
  for _, pair in ipairs(APART[where] or {}) do
    local one, other = pair[1], pair[2]
    if given[one] and given[other] then
      misuse("%s: option '%s' does not go with '%s'", where, one, other)
    end
  end
end

--- Returns the given options with the defaults added; raises if one is unknown or out
--- of range.
---@param where string # the function they belong to: "connect", "listen", "send" ...
---@param given table?
---@return table
function options.check(where, given)
  if given ~= nil and type(given) ~= "table" then
    misuse("%s: options: table expected, got %s", where, type(given))
  end
  local checked = check_table(where, options[where], given)
  check_pairs(where, given or {})
  for _, name in ipairs {"compress", "backoff"} do
    if type(checked[name]) == "table" then
      checked[name] = check_table(where .. ": " .. name, options[name], checked[name])
    end
  end
  for _, name in ipairs {"tls", "proxy_tls"} do
    local given_tls = checked[name]
    if type(given_tls) == "table" and getmetatable(given_tls) ~= options.Context then
      checked[name] = check_table(where .. ": " .. name, options.tls, given_tls, ROLES[where])
    end
  end
  return checked
end

--- Raises unless value is a timeout: nil or seconds from 0 up.
---@param where? string # the function whose argument it is
function options.check_timeout(value, where)
  if value ~= nil and not seconds(value) then
    misuse("%stimeout: a number of seconds from 0 up expected, got %s",
      where and where .. ": " or "", show(value))
  end
end

return options
