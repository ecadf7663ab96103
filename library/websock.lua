---@meta websock
-- Annotations for lua-language-server (LuaCATS): add the folder of this file to
-- `workspace.library`. Nothing requires it. docs/reference.md says more of each;
-- spec/docs_spec.lua holds both against the code.
-- luacheck: ignore 212 241

---Times are seconds, sizes are bytes. What the network or the peer does wrong
---comes back as `nil, err, ...`; misuse raises.
---@class websock
---@field core websock.core
---@field on_error? fun(err: any, thread: thread?, traceback: string) of spawned functions; default: stderr
---@field log? false|websock.Log what an operator has to know; nil: warnings and errors to stderr, false: nowhere
---@field _VERSION string
local websock = {}

---@alias websock.Level "debug"|"info"|"warn"|"error"
---@alias websock.Log fun(level: websock.Level, event: string, fields: table<string, string|number>)
---@alias websock.Kind "text"|"binary"
---@alias websock.Fields table<string, string|number|(string|number)[]>|[string, string|number][]
---@alias websock.RequestFields table<string, string|number|false|(string|number)[]>|[string, string|number|false][]

-- Options ---------------------------------------------------------------------

---Of every connection.
---@class websock.ConnectionOptions
---@field max_message? integer|false most bytes of a message that is received (1 MiB)
---@field max_fragments? integer|false most frames of a message that is received (16384)
---@field max_queue? integer bytes queued above which `send` waits (1 MiB)
---@field close_timeout? number seconds that `close` waits, and a closing connection for a byte to be accepted (5)
---@field nodelay? boolean TCP_NODELAY (true)
---@field ping_interval? number|false seconds between heartbeat pings (20)
---@field ping_timeout? number seconds of silence after which a peer is given up; also how long `ping` waits (20)
---@field compress? boolean|websock.CompressOptions permessage-deflate (false)
---@field tls? websock.TlsOptions|websock.TlsContext|false settings of TLS
---@field on_close? fun(ws: websock.Connection, code: integer, reason: string, clean: boolean) once it has ended

---Of TLS.
---@class websock.TlsOptions
---@field verify? boolean a client verifies chain and name (true)
---@field ca_file? string authorities that a client trusts, in place of the system's: a PEM file, or PEM text
---@field ca_path? string the same as a folder, as `openssl rehash` leaves it
---@field cert? string the certificate, followed by its chain: a PEM file, or PEM text; a server needs one
---@field key? string its private key: a PEM file, or PEM text
---@field password? string what the key is encrypted with
---@field server_name? string whom a client asks for and verifies, in place of the URL's host
---@field alpn? string[] application protocols in order of preference (RFC 7301)
---@field min_version? "1.2"|"1.3" the oldest version of TLS ("1.2")
---@field ciphers? string of TLS 1.2, an OpenSSL cipher list
---@field ciphersuites? string of TLS 1.3
---@field client_ca? string a server's clients need a certificate of one of these: a PEM file, or PEM text
---@field keylog? string a file to which the keys are appended, for debugging

---Settings that were read by `websock.tls`.
---@class websock.TlsContext

---Of permessage-deflate (RFC 7692).
---@class websock.CompressOptions
---@field server_no_context_takeover? boolean each message from the server is compressed by itself (true)
---@field client_no_context_takeover? boolean each message from the client is compressed by itself (true)
---@field server_max_window_bits? integer|false 8 to 15: how far back the server's compressor looks (12); false: unsaid
---@field client_max_window_bits? integer|false 8 to 15: how far back the client's compressor looks (12); false: unsaid
---@field level? integer zlib's level, 0 to 9 (1)
---@field mem_level? integer zlib's memory level, 1 to 9 (5)
---@field threshold? integer smallest message that is compressed, in bytes (256)

---The functions of a scheduler, for `websock.use` and the option `scheduler`: see docs/embedding.md.
---@class websock.Adapter
---@field owns fun(): boolean? true: the caller is the scheduler's and may yield; false: it may not; nil: nobody's
---@field park fun(thread: thread) yields the calling coroutine until `wake`; may return early
---@field wake fun(thread: thread) has a parked coroutine go on, not inside the call
---@field pause fun() yields the calling coroutine for a moment
---@field spawn fun(f: function, ...: any) runs f(...) in a new coroutine, nothing of it inside the call
---@field begin fun(pump: websock.Pump) the scheduler turns the loop by this pump from now on
---@field kick fun() the next turn is due earlier, or whether the pump is needed has changed

---@class websock.Pump
---@field turn fun(): number? one turn of the loop; seconds until the next, nil: when the descriptor is readable
---@field pollfd fun(): integer? the descriptor; nil: there is none, turn each 0.01 s
---@field is_needed fun(): boolean whether it must keep the scheduler running
---@field ended fun() to be called when the scheduler stops it

---@alias websock.Scheduler "loop"|"copas"|"cqueues"|"luv"|websock.Adapter|userdata

---Of `connect` and `reconnect`.
---@class websock.DialOptions: websock.ConnectionOptions
---@field timeout? number|false seconds for look-up, connect and handshake together (10)
---@field protocols? string[] subprotocols to offer, the preferred one first
---@field origin? string the Origin field
---@field max_header? integer most bytes of the answer's head (16 KiB)
---@field family? "any"|"inet"|"inet6" which addresses to try ("any")
---@field attempt_delay? number|false seconds between the addresses of a host that are tried (0.25)
---@field unix? string path of a Unix socket to dial in place of the URL's host
---@field tap? websock.Tap of websock.core.tap(): gets a copy of all bytes
---@field redirects? integer|fun(url: string): boolean how many to follow, or whether to follow this one (0)
---@field cookies? websock.Cookies of websock.cookies()
---@field scheduler? websock.Scheduler whose coroutine calls, where it is not recognised
---@field proxy? string|boolean URL of a proxy (http, https, socks5h, socks5, socks4a); true: of the environment
---@field proxy_tls? websock.TlsOptions|websock.TlsContext TLS to an https proxy

---@class websock.ConnectOptions: websock.DialOptions
---@field headers? websock.RequestFields more fields of the request; false: not sent
---@field socket? any a connected socket object, owned from the call on

---`timeout` is that of each attempt.
---@class websock.ReconnectOptions: websock.DialOptions
---@field headers? websock.RequestFields|fun(): websock.RequestFields?, any called for each attempt
---@field backoff? websock.BackoffOptions how long to wait after a failure
---@field on_retry? websock.OnRetry called before each wait; false ends the loop
---@field fatal_codes? integer[] ends of a connection after which there is no other ({1002, 1003, 1007, 1010})

---delay is nil after a failure that lasts; the last is the connection that has ended.
---@alias websock.OnRetry fun(err, delay?: number, n: integer, answer?: websock.Response, ws?: websock.Connection): any

---Of the random time to wait.
---@class websock.BackoffOptions
---@field min? number seconds: the most after the first failure (0.5)
---@field max? number seconds: the most after any (60)
---@field factor? number by which the most grows with each failure in a row (2)

---Of a connection to a server, however it came.
---@class websock.ServedOptions: websock.ConnectionOptions
---@field scheduler? websock.Scheduler whose coroutines run handlers and hooks ("loop")
---@field on_message? fun(ws: websock.Connection, message: string, kind: websock.Kind) in place of a handler
---@field on_open? fun(ws: websock.Connection) before the first message, beside on_message
---@field on_drain? fun(ws: websock.Connection) when a queue over max_queue has fallen to half, beside on_message
---@field protocols? string[]|fun(offered: string[], request: websock.Request): string? in order of preference
---@field origins? "same"|"*"|string[] whose pages may connect ("same")
---@field authorize? fun(request: websock.Request): boolean?, integer?, websock.Fields?, string? else status 403
---@field headers? websock.Fields|fun(request: websock.Request): websock.Fields? more fields of the 101
---@field http? fun(request: websock.Request): integer, websock.Fields?, string? for what is no handshake
---@field max_body? integer most bytes of such a request's body (64 KiB)
---@field max_header? integer most bytes of a request's head (16 KiB)
---@field handshake_timeout? number|false seconds for the opening handshake, the hooks included (10)
---@field idle_timeout? number|false seconds without a message before a close with 1001 (false)
---@field on_error? fun(err: any, ws: websock.Connection?, traceback: string) default: stderr

---@class websock.AcceptOptions: websock.ServedOptions
---@field request? {method: string, target: string, headers: websock.Fields} read already by an HTTP server
---@field received? string bytes read past that request
---@field server? websock.Server the server that the connection joins

---`handler` or `on_message` is required, and one of `port`, `unix`, `socket`.
---@class websock.ListenOptions: websock.ServedOptions
---@field handler? fun(ws: websock.Connection) run in a coroutine for each connection
---@field host? string "*": every address, IPv4 and IPv6 ("127.0.0.1")
---@field port? integer|false 0: any that is free; false: no listener
---@field unix? string path of a Unix socket to listen on
---@field socket? any a LuaSocket object that is listening already
---@field backlog? integer connections that may wait to be accepted (511)
---@field reuseport? boolean several processes share the port (false)
---@field max_connections? integer|false more are answered with 503 (false)

---@class websock.SendOptions
---@field timeout? number seconds to wait for room in the queue
---@field compress? boolean whether to compress this message, where agreed (by its size)

---@class websock.WriterOptions
---@field compress? boolean whether to compress this message, where agreed (by its size)

---Of `publish` and `broadcast`.
---@class websock.PublishOptions
---@field except? websock.Connection who does not get the message
---@field slow? "close"|"drop" who has more than max_queue bytes queued: closed with 1008, or skipped ("close")

-- What hooks and fields hold -----------------------------------------------------

---What a client has asked for. Hooks may set fields of their own.
---@class websock.Request
---@field method string
---@field target string as sent
---@field path string undecoded
---@field query? string undecoded
---@field headers table<string, string> any case may be indexed; repeats joined by ", ", of Set-Cookie by "\n"
---@field fields string[][] each field as {name, value}, in order of arrival, names as sent
---@field remote {host: string, port: integer, family: string?}
---@field body? string of a plain request
---@field [string] any

---A server's answer to the opening handshake.
---@class websock.Response
---@field status integer
---@field reason? string
---@field headers table<string, string> any case may be indexed; repeats joined by ", ", of Set-Cookie by "\n"
---@field fields string[][] each field as {name, value}, in order of arrival, names as sent
---@field url string where redirects ended, without user and password
---@field not_followed? string why a redirect was not followed
---@field body? string of a refusal: what came of it, at most 64 KiB

-- Connections -----------------------------------------------------------------

---Fields of your own may be set too.
---@class websock.Connection
---@field protocol? string the subprotocol that was chosen
---@field request? websock.Request of a server's connection
---@field response? websock.Response of a client's connection
---@field extensions? string what was agreed on with permessage-deflate, as the server's field says it
---@field latency? number seconds of the heartbeat's last round trip
---@field server? websock.Server of a server's connection
---@field close_code? integer once closed; 1005 when the peer gave none, 1006 without its Close frame (7.1.5)
---@field close_reason? string once closed
---@field close_clean? boolean once closed: both Close frames went through
---@field [string] any
local Connection = {}

---The next message.
---@param timeout? number seconds; nil: as long as it takes, 0: not at all
---@return string? message
---@return websock.Kind|"timeout"|"busy"|"closed" kind_or_err
---@return integer? code with "closed"
---@return string? reason with "closed"
function Connection:receive(timeout) end

---Iterates over the messages until the connection ends; `close_code` says how.
---@return fun(ws: websock.Connection): string?, websock.Kind?
---@return websock.Connection
function Connection:messages() end

---The next piece of a message, at most 64 KiB, as it arrives; bound by neither
---max_message nor max_fragments.
---@param timeout? number
---@return string? chunk
---@return websock.Kind|"timeout"|"busy"|"closed" kind_or_err
---@return boolean|integer|nil last_or_code
---@return string? reason
function Connection:receive_part(timeout) end

---Queues a message; waits only while more than max_queue bytes are queued. Text
---has to be UTF-8 (RFC 6455 section 5.6); another raises.
---@param message string
---@param kind? websock.Kind default "text"
---@param options? websock.SendOptions
---@return true? sent
---@return "timeout"|"queue full"|"busy"|"closed"|nil err
---@return integer? code
---@return string? reason
function Connection:send(message, kind, options) end

---Begins a message that is sent in pieces (RFC 6455 section 5.4). Messages of
---other coroutines queue behind it.
---@param kind? websock.Kind default "text"
---@param options? websock.WriterOptions
---@return websock.Writer?
---@return "busy"|"closed"|nil err
---@return integer? code
---@return string? reason
function Connection:writer(kind, options) end

---Waits until nothing is queued any more.
---@param timeout? number seconds
---@return true? flushed
---@return "timeout"|"closed"|nil err
---@return integer? code
---@return string? reason
function Connection:flush(timeout) end

---Sends a ping and waits for its pong (RFC 6455 section 5.5.2).
---@param payload? string at most 125 bytes
---@param timeout? number default: the option ping_timeout
---@return number? seconds the round trip
---@return "timeout"|"closed"|nil err
---@return integer? code
---@return string? reason
function Connection:ping(payload, timeout) end

---The closing handshake (RFC 6455 section 7.1.2), bounded by close_timeout.
---Idempotent.
---@param code? integer 1000 (default) to 1003, 1007 to 1014, 3000 to 4999
---@param reason? string at most 123 bytes of UTF-8
---@param timeout? number 0 begins it and returns nil, "timeout"
---@return true? clean
---@return "timeout"|"closed"|nil err
---@return integer? ended_code
---@return string? ended_reason
function Connection:close(code, reason, timeout) end

---Drops the connection at once.
function Connection:abort() end

---Bytes queued that the kernel has not taken yet.
---@return integer
function Connection:buffered() end

---@return "open"|"closing"|"closed"
function Connection:state() end

---@return string? host
---@return integer|string port_or_err
---@return string? family
function Connection:getpeername() end

---@return string? host
---@return integer|string port_or_err
---@return string? family
function Connection:getsockname() end

---@return integer? descriptor
---@return "closed"|nil err
function Connection:getfd() end

---Always the same LuaSocket object, for options and names only. Raises where
---LuaSocket is missing.
---@return any
function Connection:socket() end

---Has what is published to a topic sent to this connection, of a server; raises
---on a client's. Ends with `unsubscribe`, or when the connection is closing.
---@param topic string
---@return true? subscribed
---@return "closed"|nil err
---@return integer? code
---@return string? reason
function Connection:subscribe(topic) end

---@param topic string
---@return true
function Connection:unsubscribe(topic) end

---A message that is sent in pieces. One that is closed or collected before it
---has finished aborts the connection.
---@class websock.Writer
local Writer = {}

---Sends a piece; text may be split inside a character.
---@param chunk string
---@param timeout? number
---@return true? sent
---@return "timeout"|"queue full"|"closed"|nil err
---@return integer? code
---@return string? reason
function Writer:write(chunk, timeout) end

---Ends the message, with one more piece if one is given.
---@param chunk? string
---@param timeout? number
---@return true? sent
---@return "timeout"|"queue full"|"closed"|nil err
---@return integer? code
---@return string? reason
function Writer:finish(chunk, timeout) end

-- Servers ---------------------------------------------------------------------

---@class websock.Server
local Server = {}

---The open connections, as they are now.
---@return fun(): websock.Connection?
function Server:connections() end

---How many connections are open.
---@return integer
function Server:count() end

---The address that the (first) listener is bound to.
---@return string? host
---@return integer|string port_or_err
---@return string? family
function Server:getsockname() end

---Stops listening, closes everyone with 1001, waits for the connections, then
---aborts what is left.
---@param timeout? number default: the option close_timeout; 0 waits for nobody
function Server:stop(timeout) end

---Queues a message on everyone who has subscribed to a topic. Never waits.
---@param topic string
---@param message string
---@param kind? websock.Kind default "text"
---@param options? websock.PublishOptions
---@return integer delivered on how many it was queued
---@return integer dropped how many had too much queued already
function Server:publish(topic, message, kind, options) end

---Queues a message on everyone who is connected. Never waits.
---@param message string
---@param kind? websock.Kind default "text"
---@param options? websock.PublishOptions
---@return integer delivered on how many it was queued
---@return integer dropped how many had too much queued already
function Server:broadcast(message, kind, options) end

---TLS handshakes from now on use these settings; open connections stay as they are.
---@param settings websock.TlsOptions|websock.TlsContext
---@return true? done
---@return string? err "tls: ..."; then nothing has changed
function Server:set_tls(settings) end

-- Cookies -----------------------------------------------------------------------

---@class websock.CookiesOptions
---@field domains? string[] whose hosts share the cookies that are set for them

---@class websock.Cookie
---@field name string
---@field value string
---@field domain string a host, if host_only
---@field host_only boolean
---@field path string
---@field secure boolean
---@field http_only boolean
---@field expires? number seconds since 1970

---Keeps what servers set, for later requests.
---@class websock.Cookies
local Jar = {}

---The value of a cookie for this URL, or without a name the field Cookie.
---@param url string
---@param name? string
---@return string? text
---@return string? err "url: ..."
function Jar:get(url, name) end

---Sets a cookie as if the server of this URL had.
---@param url string
---@param line string the value of a Set-Cookie field (RFC 6265 section 4.1)
---@return true? done
---@return string? err "url: ...", "cookie: ..."
function Jar:set(url, line) end

---Iterates over copies of all cookies.
---@return fun(): websock.Cookie?
function Jar:each() end

-- Functions -------------------------------------------------------------------

---Connects to a WebSocket server (RFC 6455 section 4.1).
---@param url string ws://host[:port][/path], or wss://
---@param options? websock.ConnectOptions
---@return websock.Connection? ws
---@return string? err "timeout", "refused", "url: ...", "dns: ...", "connect: ...", "tls: ...", "handshake: ..."
---@return websock.Response? response with "refused"
function websock.connect(url, options) end

---Yields a fresh connection whenever the last has ended: for ws in websock.reconnect(url) do ... end
---@param url string|fun(): string?, any called for each attempt; nil, err: it has failed
---@param options? websock.ReconnectOptions
---@return fun(state: table): websock.Connection? iterate
---@return table state
---@return nil
---@return table closing ends it
function websock.reconnect(url, options) end

---Binds a server, now; it runs whenever the loop does.
---@param options websock.ListenOptions
---@return websock.Server? server
---@return string? err "address in use", ...
---@return string? place what could not be bound: "127.0.0.1:8080", or a path
function websock.listen(options) end

---`listen`, and runs until `server:stop()`.
---@param options websock.ListenOptions
---@return true? ended
---@return any err of `listen`, or as of `run`
---@return string? place of `listen`
function websock.serve(options) end

---A server's handshake on a socket that was accepted elsewhere.
---@param socket any a LuaSocket or LuaSec object, or one with their methods; owned from the call on
---@param options? websock.AcceptOptions
---@return websock.Connection? ws
---@return string? err
function websock.accept(socket, options) end

---Turns the loop until nothing is left to do, or `stop`.
---@return true? ended
---@return any err the first error of a spawned function since the last `run`, unless `on_error` is set
function websock.run() end

---One turn of the loop, for hosts that own the main loop.
---@param timeout? number seconds to wait at most (0)
---@return boolean work whether work remains
function websock.step(timeout) end

---Has the loop run inside another scheduler from now on: no `run` and `step` then.
---@param scheduler websock.Scheduler but not "loop"
function websock.use(scheduler) end

---Ends `run` after the turn it is in, and every loop over `reconnect`.
function websock.stop() end

---Runs f(...) in a coroutine of the loop, from the next turn on.
---@param f function
---@param ... any
---@return thread
function websock.spawn(f, ...) end

---@param seconds number
function websock.sleep(seconds) end

---Monotonic time.
---@return number seconds
function websock.now() end

---Waits until somebody wakes this coroutine.
---@param timeout? number
---@return any ... the values of `wake`, or nil, "timeout"
function websock.park(timeout) end

---Lets a parked coroutine go on with these values, in the loop's next turn.
---@param thread thread
---@param ... any
---@return boolean woken false if it is not parked
function websock.wake(thread, ...) end

---Waits until a descriptor or socket can be read ("r") or written ("w").
---@param descriptor_or_socket integer|any
---@param mode "r"|"w"
---@param timeout? number
---@return true? ready
---@return string? err "timeout", "busy": another coroutine waits for the same
function websock.wait(descriptor_or_socket, mode, timeout) end

---Calls f(name) in a coroutine of the loop when a signal arrives; nil puts back
---what was there before.
---@param name string "TERM", "INT", "HUP", ...
---@param f? fun(name: string)
function websock.signal(name, f) end

---A descriptor that becomes readable when `step` has something to do; nil where
---there is none.
---@return integer?
function websock.pollfd() end

---Seconds until a timer is due; 0 when work is ready, nil without timers.
---@return number?
function websock.timeout() end

---Creates a jar of cookies (RFC 6265) for the option `cookies`.
---@param options? websock.CookiesOptions
---@return websock.Cookies
function websock.cookies(options) end

---Reads settings of TLS once, for connections and servers to share.
---@param settings websock.TlsOptions
---@return websock.TlsContext? context
---@return string? err "tls: ..."
function websock.tls(settings) end

-- The protocol core without I/O --------------------------------------------------

---docs/core.md describes it.
---@class websock.core
local core = {}

---@class websock.core.Config

---@class websock.core.Limits
---@field max_message? integer|false
---@field max_fragments? integer|false
---@field max_header? integer|false
---@field max_body? integer|false
---@field compress? boolean|websock.CompressOptions

---@class websock.core.Head
---@field upgrade boolean
---@field minor integer
---@field method? string
---@field target? string
---@field status? integer
---@field reason? string
---@field headers table<string, string> names in lower case

---@param role "client"|"server"
---@param limits? websock.core.Limits
---@return websock.core.Config
function core.config(role, limits) end

---@param config websock.core.Config
---@return websock.core.Conn
function core.conn(config) end

---@return websock.Tap
function core.tap() end

---A copy of the bytes that go through connections, without TLS.
---@class websock.Tap
local Tap = {}

---@return ("new"|"sent"|"received")? what
---@return string? bytes
function Tap:take() end

---@param conn websock.core.Conn
function Tap:attach(conn) end

---One connection's state machine: bytes in, events out; messages in, bytes out.
---@class websock.core.Conn
local Conn = {}

---@param bytes string
---@param want? 0|1|2 nobody receives, `receive` or `handshake` does, `receive_part` does
---@return integer? flags
---@return string? err
function Conn:feed(bytes, want) end

---@param want 0|1|2
---@return integer flags
function Conn:poll(want) end

function Conn:eof() end

---@param why? "aborted"|"reset"|"timeout"|"ping timeout"
function Conn:abort(why) end

---@param max? integer
---@return string bytes
function Conn:output(max) end

---@param n integer
function Conn:sent(n) end

function Conn:forget() end

---@return integer
function Conn:queued() end

---@return integer
function Conn:unread() end

---@return integer bytes of broadcasts that wait for the end of a fragmented message
function Conn:held() end

---@return boolean whether a whole message waits to be received
function Conn:waiting() end

---@param host string
---@param target string
---@param protocols? string[]
---@param fields? string[] {name, value, name, value, ...}
---@return true? queued
---@return string? rule
function Conn:request(host, target, protocols, fields) end

---@return "request"|"open"|"refused"|nil event
---@return string? body_or_err "again", "closed"
---@return integer? code
---@return string? reason
function Conn:handshake() end

---@return websock.core.Head?
function Conn:head() end

---@return string[]
function Conn:offered() end

---@param protocol? string
---@param fields? string[]
---@return true? accepted
---@return string? rule
function Conn:accept(protocol, fields) end

---@param status integer
---@param fields? string[]
---@param body? string
---@return true? rejected
---@return string? rule
function Conn:reject(status, fields, body) end

---@return string?
function Conn:chosen() end

---What was agreed on with permessage-deflate.
---@return string?
function Conn:extensions() end

function Conn:taken() end

---@return string? message
---@return websock.Kind|"again"|"in parts"|"closed" kind_or_err
---@return integer? code
---@return string? reason
function Conn:receive() end

---@return string? chunk
---@return websock.Kind|"again"|"closed" kind_or_err
---@return boolean|integer|nil last_or_code
---@return string? reason
function Conn:receive_part() end

---@return boolean
function Conn:in_parts() end

---@param payload string
---@param kind? websock.Kind|"continuation"
---@param max_queue? integer
---@param more? boolean
---@param compress? boolean with the first frame of a message; nil: by its size
---@return integer? queued
---@return "queue full"|"utf8"|"closed"|nil err
function Conn:send(payload, kind, max_queue, more, compress) end

---@param payload string
---@return integer? serial
---@return string? rule
function Conn:ping(payload) end

---@return integer serial
function Conn:ponged() end

---@param code? integer
---@param reason? string
---@return true? begun
---@return string? rule
function Conn:close(code, reason) end

---@return "connecting"|"open"|"closing"|"closed"
function Conn:state() end

---@return integer code
---@return string reason
---@return boolean clean
---@return boolean failed
---@return boolean sent
---@return boolean received
---@return boolean eof
---@return integer status
function Conn:ending() end

return websock
