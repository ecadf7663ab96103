-- A chat: rooms, names, who is here, the last messages, and a web page on the
-- same port.    lua5.4 examples/chat.lua [PORT [HOST [CERT KEY]]]
-- With a certificate and its key, both PEM files, all of it is in TLS.
--
-- Every WebSocket message is one record: fields separated by tabs, the kind
-- first. Inside a field a tab is written "\t" and a backslash "\\".
--   from a member:  join ROOM NAME · say TEXT
--   to a member:    welcome ROOM NAME · said TIME NAME TEXT · here NAME… ·
--                   sorry WHY
-- After "welcome" come the room's last messages, and "here" ends them.
local websock = require "websock"

local HISTORY, MAX_NAME, MAX_TEXT = 50, 24, 2000   -- the last two: characters
local ESCAPE, UNESCAPE = {["\t"] = "\\t", ["\\"] = "\\\\"}, {t = "\t", ["\\"] = "\\"}

local port = math.tointeger(tonumber(arg[1] or 8080))
local host = arg[2] or "127.0.0.1"
local tls = arg[3] and {cert = arg[3], key = arg[4] or arg[3]}
if not port or port < 0 or port > 65535 then
  io.stderr:write("chat: not a port: ", arg[1], "\n")
  os.exit(2)
end

local rooms = {}    -- name -> {members = set, history = list of records}

local function encode(...)
  local fields = table.pack(...)
  for i = 1, fields.n do
    fields[i] = tostring(fields[i]):gsub("[\t\\]", ESCAPE)
  end
  return table.concat(fields, "\t")
end

local function decode(record)
  local fields = {}
  for field in (record .. "\t"):gmatch("([^\t]*)\t") do
    fields[#fields + 1] = field:gsub("\\([t\\])", UNESCAPE)
  end
  return table.unpack(fields, 1, 3)
end

-- What people call themselves and their rooms: one line, not too long.
local function tidy(name, default)
  name = (name or ""):gsub("[%c%s]+", " "):match("^ ?(.-) ?$")
  local cut = utf8.offset(name, MAX_NAME + 1)
  name = cut and name:sub(1, cut - 1) or name
  return name ~= "" and name or default
end

-- timeout 0: never wait for one member while the others are listening. Whoever
-- is so slow that the queue is full is sent away (the page connects again).
local function tell(member, record)
  local sent, err = member.ws:send(record, "text", {timeout = 0})
  if not sent and err ~= "closed" then
    member.ws:close(1008, "too slow", 0)
  end
end

local function tell_all(room, record)
  for member in pairs(room.members) do tell(member, record) end
end

local function names_in(room)
  local names = {}
  for member in pairs(room.members) do names[#names + 1] = member.name end
  table.sort(names)
  return names
end

local function free_name(room, wanted)
  local taken, name, n = {}, wanted, 1
  for _, used in ipairs(names_in(room)) do taken[used] = true end
  while taken[name] do
    n = n + 1
    name = wanted .. " " .. n
  end
  return name
end

local function leave(member)
  local room = rooms[member.room]
  if not room then return end
  room.members[member], member.room = nil, nil
  tell_all(room, encode("here", table.unpack(names_in(room))))
  if not next(room.members) and room ~= rooms.lobby then
    rooms[room.name] = nil   -- only the lobby is kept while it is empty
  end
end

local on = {}    -- kind of record -> what it does

function on.join(member, room_name, name)
  leave(member)
  room_name = tidy(room_name, "lobby")
  local room = rooms[room_name] or {name = room_name, members = {}, history = {}}
  rooms[room_name] = room
  member.room, member.name = room_name, free_name(room, tidy(name, "guest"))
  room.members[member] = true
  tell(member, encode("welcome", room_name, member.name))
  for _, record in ipairs(room.history) do tell(member, record) end
  tell_all(room, encode("here", table.unpack(names_in(room))))
end

function on.say(member, text)
  local room = rooms[member.room]
  if not room then return tell(member, encode("sorry", "Join a room first.")) end
  if not text or not text:find("%S") then return end
  if utf8.len(text) > MAX_TEXT then
    return tell(member, encode("sorry", "That message is too long."))
  end
  local record = encode("said", os.time(), member.name, text)
  table.insert(room.history, record)
  if #room.history > HISTORY then table.remove(room.history, 1) end
  tell_all(room, record)
end

-- Runs once per connection, in a coroutine of its own.
local function handler(ws)
  -- <close>: the member leaves the room however this function ends.
  local member <close> = setmetatable({ws = ws}, {__close = leave})
  for record, kind in ws:messages() do
    if kind ~= "text" then return ws:close(1003, "text only") end
    local what, a, b = decode(record)
    if on[what] then on[what](member, a, b) end
  end
end

-- The page. It loads nothing else and the server writes nothing into it, so
-- its own inline script and style are all that the policy must let in.
local file = assert(io.open((arg[0]:match("^.*/") or "") .. "chat.html"))
local page = file:read("a")
file:close()
local PAGE_HEADERS = {
  ["Content-Type"] = "text/html; charset=utf-8",
  ["Cache-Control"] = "no-cache",
  ["X-Content-Type-Options"] = "nosniff",
  ["Content-Security-Policy"] = "default-src 'none'; script-src 'unsafe-inline'; "
    .. "style-src 'unsafe-inline'; img-src data:; connect-src 'self'; "
    .. "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}
local PLAIN = {["Content-Type"] = "text/plain; charset=utf-8"}

local function http(request)
  if request.path ~= "/" then return 404, PLAIN, "not found\n" end
  if request.method ~= "GET" and request.method ~= "HEAD" then
    return 405, {Allow = "GET, HEAD"}, "GET or HEAD only\n"
  end
  return 200, PAGE_HEADERS, page
end

local server, err = websock.listen {
  host = host, port = port, handler = handler, http = http, tls = tls,
  max_message = 8 * 1024, max_connections = 1000,
}
if not server then
  io.stderr:write(("chat: cannot listen on %s:%s: %s\n"):format(host, port, err))
  os.exit(1)
end

-- Ctrl-C and `kill` end the program politely: everyone gets a Close frame. The
-- same again ends it at once.
local function stop(name)
  websock.signal(name)
  server:stop()
  websock.stop()
end
for _, name in ipairs {"INT", "TERM"} do websock.signal(name, stop) end

local _, bound = server:getsockname()
print(("chat on %s://%s:%s/"):format(tls and "https" or "http", host, bound))
io.stdout:flush()
os.exit(websock.run() and 0 or 1, true)
