-- A call that collects may run a finalizer, which may use the connection whose method
-- is running. Here random finalizers do so, with the public functions of the protocol
-- core (docs/core.md). A sanitized module detects reads of freed bytes; the rounds
-- detect messages that arrive twice, out of order, or changed.
--
-- A round has a client and a server, each with memory of its own (no pool), and a
-- number of steps. Every step leaves garbage whose finalizers take steps too.

local core = require "websock.core"
local sorted = require "support.sorted"

local random, pack, unpack = math.random, string.pack, string.unpack

local finalizers = {}

local SIZES = {0, 1, 30, 60, 121, 122, 125, 126, 200, 300, 500, 1000, 2000, 3000, 5000, 70000}

local function pick(list) return list[random(#list)] end

-- Two ends, and the bytes in flight to each.
local function pair()
  local compress = random(2) == 1 and {threshold = 0} or nil
  local ends = {}
  for i, role in ipairs {"client", "server"} do
    ends[i] = {
      role = role,
      conn = core.conn(core.config(role,
        {pool = false, compress = compress, max_message = 1 << 17})),
      sent = {}, got = 0, at = 0, open = false,
    }
  end
  ends[1].peer, ends[2].peer = ends[2], ends[1]
  return ends
end

-- Steps of a well-behaved host: messages arrive whole, once and in order ---------

local good = {}

function good.request(one)
  if one.role == "server" or one.asked then return end
  one.asked = true
  local ones = ("1"):rep(random(300))
  one.x_one = ones .. ", 2"
  assert(one.conn:request("example.org", "/" .. ("x"):rep(random(2000)), {"a", "bc"},
    {"X-One", ones, "x-ONE", "2", "X-Two", ""}))
end

-- Compares a field with what the other end has sent, while there is a request.
local function check_field(one, value)
  assert(value == nil or value == one.peer.x_one, value)
end

-- Locks out other moves meanwhile, which would make bytes arrive out of order.
function good.move(one)
  if one.moving then return end
  one.moving = true
  local bytes = one.conn:output(random(2) == 1 and random(5000) or nil)
  assert(one.peer.conn:feed(bytes, random(0, 2)))
  one.conn:sent(#bytes)
  one.moving = false
end

function good.fetch(one) good.move(one.peer) end

function good.handshake(one)
  local conn = one.conn
  local event, body = conn:handshake()
  assert(body == nil or body == "" or event ~= "request")
  if event ~= "open" and event ~= "request" then return end
  local head = conn:head()
  if head then check_field(one, head.headers["x-one"]) end
  local protocol = conn:offered()[random(0, 2)]
  if event == "open" then
    conn:taken()
  elseif conn:accept(protocol, {"X-Mine", "yes"}) then
    one.open = true
  end
end

function good.chosen(one)
  local chosen = one.conn:chosen()
  assert(chosen == nil or chosen == "a" or chosen == "bc", chosen)
end

function good.send(one)
  if one.sending or one.conn:state() ~= "open" or one.conn:queued() > 200000 then return end
  one.sending = true  -- messages are numbered in the order of sending
  local text = pack(">I4", #one.sent + 1) .. ("%x"):format(random(0, 15)):rep(pick(SIZES))
  if one.conn:send(text, "binary") then one.sent[#one.sent + 1] = text end
  one.sending = false
end

-- Notes the next number before anything is allocated.
local function check(one, message)
  local n = unpack(">I4", message)
  local last = one.got
  one.got = n
  assert(n == last + 1, "a message is lost, or comes twice")
  assert(message == one.peer.sent[n], "a message is changed")
end

function good.receive(one)
  local message, why = one.conn:receive()
  if message then return check(one, message) end
  if why == "in parts" then assert(one.conn:state() ~= "connecting") end
end

function good.receive_part(one)
  local chunk, kind, last = one.conn:receive_part()
  if not chunk then return end
  local n, from = one.got + 1, one.at + 1
  if last then one.got, one.at = n, 0 else one.at = from + #chunk - 1 end
  assert(kind == "binary")
  local whole = one.peer.sent[n]
  assert(chunk == whole:sub(from, from + #chunk - 1), "a part is lost, comes twice, or is changed")
  assert(not last or from + #chunk - 1 == #whole, "a message has lost its end")
end

function good.poll(one) one.conn:poll(random(0, 2)) end
function good.ping(one) one.conn:ping(("p"):rep(random(0, 125))) end

for _, name in ipairs {"ponged", "in_parts", "queued", "unread", "state", "ending", "extensions",
  "waiting", "written", "head", "offered", "is_upgrade", "head_target", "head_text",
  "kept", "remote"} do
  good[name] = function(one) one.conn[name](one.conn) end
end

function good.keep(one) one.conn:keep(random(0, 1) == 1) end

function good.head_field(one)
  check_field(one, one.conn:head_field "x-one")
end

-- Steps of a host that does whatever it likes --------------------------------------

local wild = setmetatable({}, {__index = good})

local FRAMES = {
  "\x88\x05\x03\xe8bye", "\x81\x02hi", "\x01\x02hi", "\x80\x02hi", "\x89\x01p", "\x8a\x01p", "\x82\x7e\x01\x00",
  "\x88\x85\0\0\0\0\x03\xe8bye", "\x81\x82\0\0\0\0hi", "\x01\x82\0\0\0\0hi", "\xff\xff", "\x81\x82\0\0\0\0\xff\xff",
  "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\nX-One: 1\r\n\r\nhello",
  "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", "POST",
}

function wild.feed(one) one.conn:feed(pick(FRAMES), random(0, 2)) end
function wild.close(one)
  one.conn:close(pick {1000, 0, 4999, 1006}, ("r"):rep(random(0, 124)))
  good.move(one)
end

function wild.eof(one) one.conn:eof() end
function wild.abort(one) one.conn:abort(pick {"aborted", "reset", "timeout"}) end
function wild.forget(one) one.conn:forget() end
function wild.taken(one) one.conn:taken() end
function wild.sent(one) one.conn:sent(random(0, 20)) end
function wild.output(one) one.conn:output(random(0, 100)) end

function wild.end_of_scope(one)
  if one.conn:state() ~= "closed" and random(10) > 1 then return end
  local _ <close> = one.conn
end

-- Calls that change or free what a running method uses.
local LIVELY = {"fetch", "poll", "receive", "receive_part"}
local HOSTILE = {"end_of_scope", "taken", "accept", "reject", "spoil", "abort", "receive",
  "receive_part", "poll", "sent", "forget"}

function wild.reject(one)
  one.conn:reject(pick {200, 404, 426, 100, 1 << 33}, {"X-A", "b"}, ("b"):rep(random(0, 300)))
end

-- A finalizer may also change the list that was passed in.
function wild.accept(one)
  one.fields = {"X-A" .. random(9), ("b"):rep(random(200))}
  one.conn:accept(random(2) == 1 and "a" .. "b" or nil, one.fields)
end

function wild.ask(one)
  one.fields = {"X-A" .. random(9), ("b"):rep(random(200)), "X-B", "c" .. random(99)}
  one.protocols = {"p" .. random(99), ("q"):rep(random(200))}
  one.conn:request("h" .. random(9), "/" .. random(9), one.protocols, one.fields)
end

function wild.spoil(one)
  for _, list in ipairs {one.fields or {}, one.protocols or {}} do
    for i = #list, 1, -1 do list[i] = nil end
  end
end

function wild.send(one)
  one.conn:send(("s"):rep(pick(SIZES)), pick {"text", "binary", "continuation"}, nil,
    random(2) == 1, random(3) == 1)
end

function wild.odd_send(one) one.conn:send(random(100000), "text", random(0, 5000)) end

-- Rounds ---------------------------------------------------------------------------

-- Begins a round. Finalizers run meanwhile, so some of it may fail.
local function play(ends, ...)
  for _, name in ipairs {...} do
    for _, one in ipairs(ends) do pcall(wild[name], one) end
  end
end

local beginnings = {
  function() end,
  function(ends) play(ends, "request", "move", "handshake", "move", "handshake") end,
}

local wild_beginnings = {
  beginnings[1], beginnings[2],
  function(ends)
    beginnings[2](ends)
    pick(ends).conn:close(1000, ("r"):rep(random(123)))
    play(ends, "move")
  end,
  function(ends)
    ends[2].conn:feed("POST / HTTP/1.1\r\nHost: a\r\nX-One: 1\r\nContent-Length: 300\r\n\r\n"
      .. ("b"):rep(300))
  end,
  function(ends)
    play(ends, "request")
    ends[1].conn:feed("HTTP/1.1 404 Not Found\r\nContent-Length: 300\r\nX-One: 1\r\n\r\n" .. ("b"):rep(300))
  end,
}

local good_names, wild_names = sorted(good), sorted(wild)

-- Plays a round of so many steps; some are wild if is_wild.
local function round(is_wild, count)
  local ends, trouble, received = pair(), nil, 0
  local litter

  local at_work  -- the end whose method runs

  local function step(others)
    local wildly = is_wild and random(15) == 1
    local name = pick(others or wildly and wild_names or good_names)
    local one = others and at_work or pick(ends)
    local before = at_work
    at_work = one
    local ok, err = pcall((is_wild and wild or good)[name], one)
    at_work = before
    -- mistakes of a wild host may raise
    if not ok and not is_wild then trouble = trouble or name .. ": " .. tostring(err) end
  end

  local finalizer = {__gc = function()
    if not ends then return end
    for _ = 1, random(3) do
      step(is_wild and random(8) == 1 and HOSTILE or random(2) == 1 and LIVELY or nil)
    end
    litter(1)
  end}

  function litter(most)
    for _ = 1, random(0, most) do setmetatable({}, finalizer) end
  end

  for _ = 1, count do
    litter(3)
    step()
    if trouble then error(trouble, 0) end
    if random(5) == 1 and pick(ends).conn:state() == "closed" then
      received = received + ends[1].got + ends[2].got
      ends = pair()
      pick(is_wild and wild_beginnings or beginnings)(ends)
    end
  end
  received = received + ends[1].got + ends[2].got
  ends = nil
  return received
end

---Runs rounds, every other one with a wild host; raises if one fails.
---@param seed integer the first round's; each has the next
---@param rounds integer
---@param steps integer of each
---@return integer messages that were received whole by well-behaved hosts
function finalizers.run(seed, rounds, steps, eager)
  local received = 0
  -- an eager Lua collects everything at every chance, and needs no steps in between
  collectgarbage("incremental", eager and 1000 or 1, 400, 7)
  for i = seed, seed + rounds - 1 do
    math.randomseed(i)
    local is_wild = i % 2 == 0
    local ok, n = pcall(round, is_wild, steps)
    if not ok then error(("seed %d: %s"):format(i, n), 0) end
    if not is_wild then received = received + n end
  end
  return received
end

return finalizers
