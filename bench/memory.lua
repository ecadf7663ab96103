-- Measures what a connection of a server holds, everything in its process counted:
-- Lua's heap, what C has allocated, and resident memory. Not the kernel's.
--
--     scripts/lua bench/memory.lua [ROW [CONNECTIONS]]
--
-- Without ROW it prints the names of the rows. Each connection but the first counts;
-- build/bench/load opens them, and tells when to look: between two collections of
-- garbage. Prints "KiB a connection in Lua's heap, elsewhere in C's (what malloc rounds
-- up is in it), in both, and resident".

local heap = require "soak.heap"
local options = require "websock.base.options"
local websock = require "websock"

-- In this order. load: SIZE DEPTH SECONDS and a mode of bench/load.c; with a mode each
-- connection has exchanged a message.
local rows = {
  {name = "handler", title = "idle, a handler in messages()", load = "32 1 1"},
  {name = "handler-echo", title = "the same, has echoed 32 B", load = "32 1 1 text"},
  {name = "callbacks", title = "idle, callbacks", load = "32 1 1", callbacks = true},
  {name = "callbacks-echo", title = "the same, has echoed 32 B", load = "32 1 1 text",
    callbacks = true},
  {name = "topic", title = "idle, a handler, one topic", load = "32 1 1", topic = "news"},
  {name = "tls", title = "TLS, has echoed 32 B", load = "32 1 1 tls",
    tls = {cert = "build/bench/cert.pem", key = "build/bench/key.pem"}},
  {name = "deflate", title = "compressed, has echoed 2 KiB", load = "2048 1 1 deflate",
    compress = {server_no_context_takeover = true, client_no_context_takeover = true}},
  {name = "takeover", title = "the same with the contexts kept", load = "2048 1 1 takeover",
    compress = {server_no_context_takeover = false, client_no_context_takeover = false}},
}

local function is_present(row) return not row.callbacks or options.listen.on_message end

local function find(name)
  for _, row in ipairs(rows) do
    if row.name == name and is_present(row) then return row end
  end
  error("no such row: " .. name, 0)
end

if not arg[1] then
  for _, row in ipairs(rows) do
    if is_present(row) then print(row.name) end
  end
  os.exit(true)
end
local row, connections = find(arg[1]), tonumber(arg[2] or 1025)

-- What is in use with one connection, and with all: {lua =, c =} in KiB.
local looks = {}

local function look()
  collectgarbage()
  collectgarbage()
  local lua = collectgarbage "count"
  looks[#looks + 1] = {lua = lua, c = heap.used() / 1024 - lua}
end

local function answer(ws, message, kind)
  if message == "collect" then look() end
  ws:send(message, kind)
end

-- The load has seen the second answer and left.
local function ended()
  if #looks == 2 then websock.stop() end
end

local function handle(ws)
  if row.topic then ws:subscribe(row.topic) end
  for message, kind in ws:messages() do answer(ws, message, kind) end
  ended()
end

local server = assert(websock.listen {
  port = 0,
  handler = not row.callbacks and handle or nil,
  on_message = row.callbacks and answer or nil,
  on_close = row.callbacks and ended or nil,
  tls = row.tls,
  compress = row.compress,
})

local function pid()
  local stat <close> = assert(io.open "/proc/self/stat")
  return stat:read "n"
end

-- Starts the load, and serves it until it is over: returns its resident memory.
local function serve()
  local load = assert(io.popen(("build/bench/load idle %d %d %d %s"):format(
    select(2, server:getsockname()), pid(), connections, row.load)))
  websock.run()
  local _, _, _, resident = load:read("n", "n", "n", "n")
  assert(load:close() and resident, "the load failed")
  return resident
end

local resident = serve()
local function growth(what) return (looks[2][what] - looks[1][what]) / (connections - 1) end
local lua, c = growth "lua", growth "c"
print(("%-34s %8.2f %8.2f %8.2f %9.2f"):format(row.title, lua, c, lua + c, resident))
os.exit(true)
