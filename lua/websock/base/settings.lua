-- The options of each function, and of those that are tables: default, kind, and a line of
-- documentation. A spec holds docs/reference.md against them. What options of each other
-- mean, and their checks, are in options.lua.

local kinds = require "websock.base.kinds"

local any_of, callable, either, filled, integer, is, one_of, plain, positive, seconds =
  kinds.any_of, kinds.callable, kinds.either, kinds.filled, kinds.integer, kinds.is, kinds.one_of,
  kinds.plain, kinds.positive, kinds.seconds

local MiB, KiB = 1024 * 1024, 1024

local settings = {}

local size_or_none = either(integer(0), false)
local count_or_none = either(integer(1), false)
local boolean, text = is "boolean", is "string"
local headers = is "table"

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
  compress = {false, kinds.switch_or_table,
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
  scheduler = {nil, kinds.is_scheduler,
    'the scheduler whose coroutine calls: "copas", "cqueues" or a controller of it, "luv",'
    .. ' a table, or "loop" for none of these; nil: it is recognised'},
}

local function extend(base, more)
  local all = {}
  for name, option in pairs(base) do all[name] = option end
  for name, option in pairs(more) do all[name] = option end
  return all
end

settings.connect = extend(connection, {
  timeout = {10, either(seconds, false),
    "seconds for look-up, connect and handshake together; false: no limit"},
  protocols = {nil, kinds.is_list_of_strings,
    "subprotocols to offer, the preferred one first"},
  headers = {nil, headers,
    "more fields of the request: a map (a value may be a list), or a list of pairs"},
  origin = {nil, text, "the Origin field"},
  max_header = {16 * KiB, integer(64), "most bytes of the answer's head"},
  cookies = {nil, kinds.is_jar, "a jar of websock.cookies(): keeps cookies for later requests"},
  redirects = {0, any_of(integer(0), callable),
    "how many redirects to follow, or function(url) -> whether to follow this one"},
  proxy = {nil, any_of(is "string", is "boolean"),
    "the URL of a proxy; true: the one that the environment names; false: none"},
  proxy_tls = {nil, is "table", "TLS to an https proxy: as `tls`"},
  family = {"any", one_of("any", "inet", "inet6"), "which addresses to try"},
  tap = {nil, kinds.is_tap, "what core.tap() has returned: it gets a copy of all bytes"},
  attempt_delay = {0.25, either(positive, false),
    "seconds between the addresses of a host that are tried; false: one after the other"},
  unix = {nil, filled, "path of a Unix socket to dial in place of the URL's host"},
  socket = {nil, kinds.is_socket,
    "a connected socket object; owned by the connection from the call on"},
})

settings.reconnect = extend(settings.connect, {
  headers = {nil, any_of(headers, callable),
    "more fields of the request: as in connect, or function() -> those"},
  backoff = {{}, is "table", "how long to wait after a failure: a table of its options"},
  on_retry = {nil, callable,
    "function(err, delay or nil, attempt, response, ws), called before each wait; false ends"},
  fatal_codes = {{1002, 1003, 1007, 1010}, kinds.is_list_of_codes,
    "codes of a connection's end after which there is no other"},
})
settings.reconnect.socket = nil  -- it is good for one connection

-- Options of the option `backoff`.
settings.backoff = {
  min = {0.5, positive, "the most seconds after the first failure"},
  max = {60, positive, "the most seconds after any"},
  factor = {2, kinds.at_least_one, "by which the most grows with each failure in a row"},
}

-- Options that listen and accept share.
local served = extend(connection, {
  scheduler = {"loop", kinds.is_scheduler,
    'whose coroutines run handlers and hooks: "loop" (the built-in one), "copas",'
    .. ' "cqueues" or a controller of it, "luv", or a table'},
  on_message = {nil, callable,
    "function(ws, message, kind), called for each message in place of a handler"},
  on_open = {nil, callable, "function(ws), called before the first message"},
  on_drain = {nil, callable,
    "function(ws), called when a queue that was over max_queue has fallen to half of it"},
  protocols = {nil, any_of(kinds.is_list_of_strings, callable),
    "subprotocols in order of preference, or function(offered, request) -> one"},
  origins = {"same", any_of(one_of("same", "*"), kinds.is_list_of_strings),
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

settings.accept = extend(served, {
  request = {nil, is "table",
    "{method=, target=, headers=} that an HTTP server has read already"},
  received = {nil, text, "bytes read past that request"},
  server = {nil, is "table", "the server that the connection joins"},
})

settings.listen = extend(served, {
  handler = {nil, callable,
    "function(ws), run in a coroutine for each connection; it or on_message is required"},
  host = {"127.0.0.1", filled, '"*": every address, IPv4 and IPv6'},
  port = {nil, either(integer(0, 65535), false),
    "0: any that is free; false: no listener"},
  unix = {nil, filled, "path of a Unix socket to listen on in place of host and port"},
  socket = {nil, kinds.is_socket, "a socket object that is listening already"},
  backlog = {511, integer(1), "connections that wait to be accepted"},
  reuseport = {false, boolean, "SO_REUSEPORT: several processes share the port"},
  max_connections = {false, count_or_none,
    "more are answered with 503; false: no limit"},
})

-- Options of the option `tls`, and of websock.tls. The fourth value is the only role
-- that an option applies to, if there is one.
settings.tls = {
  verify = {true, boolean, "a client verifies chain and host name", "client"},
  ca_file = {nil, plain, "authorities, in place of the system's", "client"},
  ca_path = {nil, plain, "a folder of them, as `openssl rehash` leaves it", "client"},
  cert = {nil, plain, "the certificate, followed by its chain; a server needs one"},
  key = {nil, plain, "its private key"},
  password = {nil, plain, "what the key is encrypted with"},
  server_name = {nil, plain,
    "whom a client asks for and verifies, in place of the URL's host", "client"},
  alpn = {nil, kinds.is_list_of_names, "application protocols in order of preference"},
  min_version = {"1.2", one_of("1.2", "1.3"), "the oldest version of TLS"},
  ciphers = {nil, plain, "of TLS 1.2, as OpenSSL lists them"},
  ciphersuites = {nil, plain, "of TLS 1.3"},
  client_ca = {nil, plain,
    "a server's clients need a certificate of one of these authorities", "server"},
  keylog = {nil, plain, "a file that gets the keys, for debugging"},
}

-- Options of the option `compress`.
local window_bits = either(integer(8, 15), false)
settings.compress = {
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

settings.cookies = {
  domains = {nil, kinds.is_list_of_domains,
    "domains whose hosts share the cookies that are set for them"},
}

settings.serve = settings.listen

settings.set_tls = {
  tls = connection.tls,
}

settings.send = {
  timeout = {nil, seconds, "seconds to wait for room in the queue"},
  compress = {nil, boolean, "whether to compress this message, where agreed"},
}

settings.writer = {
  compress = settings.send.compress,
}

settings.publish = {
  except = {nil, is "table", "a connection that does not get the message"},
  slow = {"close", one_of("close", "drop"),
    'who has more than max_queue bytes queued: "close" (with 1008) or "drop" (skip)'},
}

settings.broadcast = settings.publish

return settings
