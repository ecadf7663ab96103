-- Hosts in C and C++: the programs of examples/embed, compiled against an installed
-- tree, run, and talked to by our client and by peers at wire level.

local socket = require "socket"
local websock = require "websock"
local certificates = require "support.certificates"
local installed = require "support.installed"
local process = require "support.process"
local raw = require "support.raw"

local HEAD = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

local function start(program, ...)
  local child = process.start({program, ...}, {env = installed.env})
  local port = child:expect "listening on 127%.0%.0%.1:(%d+)\n"
  return child, math.tointeger(tonumber(port))
end

local function resident(child)
  for line in io.lines(("/proc/%s/status"):format(child.pid)) do
    local kib = line:match "^VmRSS:%s*(%d+)"
    if kib then return tonumber(kib) end
  end
end

local function processor_time(child)
  local file <close> = assert(io.open(("/proc/%s/stat"):format(child.pid)))
  local fields = {}
  for field in file:read "a":gsub("^.*%) ", ""):gmatch "%S+" do fields[#fields + 1] = field end
  return (tonumber(fields[12]) + tonumber(fields[13])) / 100
end

-- Sends a message again and again and reads nothing, until the server takes no more.
local function flood(peer, message)
  local sent, stalled = 0, 0
  while stalled < 5 and sent < 400 << 20 do
    local last, err, partial = peer.sock:send(message)
    local n = last or partial
    sent = sent + n
    assert.is_true(last ~= nil or err == "timeout", err)
    if n == 0 then stalled = stalled + 1 else stalled = 0 end
    if not last then socket.sleep(0.1) end
    if not last and n > 0 then  -- the rest of the frame
      message = message:sub(n + 1) .. message:sub(1, n)
    end
  end
  return sent
end

describe("an installed tree #heavy", function()
  local function words(command)
    local pipe <close> = assert(io.popen(command))
    local set = {}
    for word in pipe:lines() do set[#set + 1] = word end
    table.sort(set)
    return set
  end

  it("has headers that C99 and C++11 take alone, and in any order", function()
    local libs = installed.config "--libs"
    for _, kind in ipairs {"c", "cpp"} do
      for i, headers in ipairs {{"ws.h"}, {"net.h"}, {"net.h", "ws.h"}, {"ws.h", "net.h"}} do
        local path = ("%s/headers%d.%s"):format(installed.folder, i, kind)
        local file <close> = assert(io.open(path, "w"))
        for _, header in ipairs(headers) do file:write("#include <websock/", header, ">\n") end
        file:write "int main (void) { return 0; }\n"
        file:close()
        installed.compile(path, {flags = "-Wshadow -Wstrict-aliasing", libs = libs})
      end
    end
  end)

  it("exports the functions of its headers, and nothing else", function()
    local exported = words("nm -D --defined-only " .. installed.tree .. "/lib/libwebsock.so | cut -d' ' -f3")
    local declared = words("cat " .. installed.tree .. "/include/websock/*.h"
      .. [[ | grep -oE '\b(ws|net)_[a-z0-9_]+ \(' | tr -d ' (' | sort -u]])
    assert.is_true(#declared > 100)
    assert.same(declared, exported)
  end)

  it("names its version everywhere alike", function()
    local version = websock._VERSION:match "%S+$"
    local abi = version:match "^%d+%.%d+"
    assert.equal(version .. "\n", installed.config "--modversion")
    local so = "readelf -d " .. installed.tree .. "/lib/libwebsock.so | grep SONAME"
    assert.matches(("[libwebsock.so.%s]"):format(abi), words(so)[1], 1, true)
    local header = words("grep -h '#define WS_VERSION ' " .. installed.tree .. "/include/websock/ws.h")
    assert.same({('#define WS_VERSION "%s"'):format(version)}, header)
  end)
end)

local function serves(name, open)
  local child, port, ws

  before_each(function()
    child, port = start(open())
    ws = nil
  end)

  after_each(function()
    if ws then ws:abort() end
    if child then child:stop() end
  end)

  local function connect(options)
    local scheme = options and options.tls and "wss" or "ws"
    return websock.connect(("%s://127.0.0.1:%d/"):format(scheme, port), options)
  end

  describe(name .. " #heavy", function()
    it("sends messages of all sizes back", function()
      ws = assert(connect())
      for size, kind in pairs {[0] = "text", [1] = "binary", [125] = "text", [65535] = "binary",
        [65536] = "text", [1048576] = "binary"} do
        local message = ("m"):rep(size)
        assert(ws:send(message, kind))
        local back, its = ws:receive(240)
        assert.is_true(back == message and its == kind)
      end
      assert.is_true(ws:ping("are you there?", 240) > 0)
      assert(ws:close(1000, "bye"))
      assert.same({1000, "bye", true}, {ws.close_code, ws.close_reason, ws.close_clean})
    end)

    it("answers many at a time, each its own", function()
      local all = {}
      for i = 1, 50 do
        all[i] = assert(connect())
        assert(all[i]:send("number " .. i))
      end
      for i, one in ipairs(all) do assert.equal("number " .. i, (one:receive(240))) end
      for _, one in ipairs(all) do one:abort() end
    end)

    it("fails a connection that breaks a rule, and serves the next", function()
      local peer <close> = raw.open(port)
      peer:send "\x83\x80\0\0\0\0"
      assert.equal(1002, (peer:closed()))
      ws = assert(connect())
      assert(ws:send "still here")
      assert.equal("still here", (ws:receive(240)))
    end)

    -- RFC 6455 section 7.1.1: it ends its side and waits for ours; what arrives
    -- meanwhile must not reset the connection.
    it("ends its side first, and does not reset the rest", function()
      local peer <close> = raw.open(port)
      peer:masked("close", "\x03\xE8")
      peer:send(("late"):rep(10000))
      assert.equal(1000, (peer:closed()))
      local rest, err = peer:rest()
      assert.same({"", "closed"}, {rest, err})
    end)

    it("waits close_timeout for a peer that never ends its side, no longer", function()
      local peer <close> = raw.open(port)
      local began = socket.gettime()
      peer:masked("close", "\x03\xE8")
      assert.equal(1000, (peer:closed()))
      local deadline = socket.gettime() + 240
      repeat
        socket.sleep(0.1)
        local sent = peer.sock:send "x"
      until not sent or socket.gettime() > deadline
      assert.is_true(socket.gettime() < deadline)
      assert.is_true(socket.gettime() - began > 4.9)
    end)

    it("holds back a peer that does not read: memory stays bounded, others are served #slow", function()
      local warm = assert(connect())
      warm:abort()
      local deaf <close> = raw.open(port)
      local before = resident(child)
      local frames = require "support.frames"
      local sent = flood(deaf, frames.masked("binary", ("f"):rep(65536)))
      assert.is_true(sent < 200 << 20)
      local growth = resident(child) - before
      assert.is_true(growth < 8 * 1024, ("memory grew by %d KiB"):format(growth))
      ws = assert(connect())
      assert(ws:send "quick")
      assert.equal("quick", (ws:receive(240)))
      local busy = processor_time(child)
      socket.sleep(1)  -- it waits, and does not spin
      assert.is_true(processor_time(child) - busy < 0.5)
    end)

    it("answers all that a peer has sent before it began to read", function()
      local late <close> = raw.open(port)
      local message = ("l"):rep(100000)
      local count = 60
      local sender = websock.spawn(function()
        for _ = 1, count do late:masked("binary", message) end
      end)
      local answered = 0
      while answered < count do
        local frame = assert(late:frame())
        assert.is_true(frame.payload == message)
        answered = answered + 1
      end
      assert.is_not_nil(sender)
    end)

    it("closes a connection whose client vanishes", function()
      local peer = raw.open(port)
      peer:masked("text", "a")
      assert.equal("a", peer:frame().payload)
      peer:reset()
      ws = assert(connect())
      assert(ws:send "b")
      assert.equal("b", (ws:receive(240)))
    end)
  end)
end

local programs = {}

-- Compiled once, on first use.
local function program(name, source, options)
  return function()
    programs[name] = programs[name] or installed.compile(source, options)
    return programs[name], "0"
  end
end

local host = program("host", "examples/embed/host.c")
local host_tls = program("host_tls", "examples/embed/host.c", {flags = "-DWITH_TLS"})
serves("examples/embed/host.c", host)
serves("examples/embed/host.cpp", program("host_cpp", "examples/embed/host.cpp"))

describe("examples/embed/host.c #heavy", function()
  local child, port

  before_each(function() child, port = start(host()) end)
  after_each(function() if child then child:stop() end end)

  it("asks for WebSocket with 426", function()
    local peer <close> = raw.client(port)
    peer:send(HEAD)
    local line, fields = peer:head()
    assert.equal("HTTP/1.1 426 Upgrade Required", line)
    assert.equal("websocket", fields.upgrade)
  end)

  it("refuses the pages of other hosts", function()
    local url = ("ws://127.0.0.1:%d/"):format(port)
    for origin, allowed in pairs {
      [("http://127.0.0.1:%d"):format(port)] = true, ["http://127.0.0.1"] = false,
      [("127.0.0.1:%d"):format(port)] = false, ["null"] = false,
      [("http://evil.example.127.0.0.1:%d"):format(port)] = false,
    } do
      local ws, err, response = websock.connect(url, {origin = origin})
      if ws then ws:abort() end
      assert.equal(allowed, ws ~= nil, origin)
      if not ws then assert.same({"refused", 403}, {err, response.status}) end
    end
  end)

  for _, name in ipairs {"TERM", "INT"} do
    it("closes everybody with 1001 and ends with 0 on SIG" .. name, function()
      local ws = assert(websock.connect(("ws://127.0.0.1:%d/"):format(port)))
      local waiting <close> = raw.client(port)  -- in its handshake
      waiting:send "GET / HT"
      child:signal(name)
      local message, err, code = ws:receive(240)
      assert.same({nil, "closed", 1001}, {message, err, code})
      assert.equal(0, (child:wait()))
    end)
  end

  it("ends though a peer does not answer its Close", function()
    local deaf <close> = raw.open(port)
    child:signal "TERM"
    assert.equal(1001, (deaf:closed()))
    assert.equal(0, (child:wait()))
  end)

  it("says when its port is taken, and ends with 1", function()
    local second <close> = process.start({(host()), tostring(port)}, {env = installed.env})
    local status, output = second:wait()
    assert.matches("^host: bind: ", output)
    assert.equal(1, status)
  end)

  it("links statically, with nothing of ours to load", function()
    local archive = installed.tree .. "/lib/libwebsock.a"
    local libs = installed.config("--static", "--libs"):gsub("%-lwebsock", archive)
    local alone = installed.compile("examples/embed/host.c", {libs = libs})
    local one <close> = process.start({alone, "0"})
    one:expect "listening on"
    one:signal "TERM"
    assert.equal(0, (one:wait()))
  end)

  it("runs under valgrind without an error or a leak #slow", function()
    local watched <close> = process.start({"valgrind", "-q", "--leak-check=full", "--error-exitcode=9",
      (host()), "0"}, {env = installed.env})
    port = math.tointeger(tonumber(watched:expect "listening on 127%.0%.0%.1:(%d+)\n"))
    local ws = assert(websock.connect(("ws://127.0.0.1:%d/"):format(port)))
    for size = 0, 200000, 50000 do
      assert(ws:send(("v"):rep(size)))
      assert.equal(size, #ws:receive(240))
    end
    local gone = raw.open(port)
    gone:masked("text", ("x"):rep(1000))
    gone:reset()
    watched:signal "TERM"
    local message, err, code = ws:receive(240)
    assert.same({nil, "closed", 1001}, {message, err, code})
    local status, output = watched:wait()
    assert.equal(0, status, output)
  end)
end)

describe("examples/embed/host.c with TLS #heavy", function()
  local made = certificates.server
  local child, port, url, tls

  before_each(function()
    local name = host_tls()
    child, port = start(name, "0", made.chain, made.key)
    url, tls = ("wss://127.0.0.1:%d/"):format(port), {ca_file = certificates.ca.cert}
  end)
  after_each(function() if child then child:stop() end end)

  it("serves by the certificate of its arguments", function()
    local ws = assert(websock.connect(url, {tls = tls}))
    for _, size in ipairs {0, 1, 16384, 16385, 1048576} do
      assert(ws:send(("t"):rep(size)))
      assert.equal(size, #ws:receive(240))
    end
    assert(ws:close(1000))
    assert.is_true(ws.close_clean)
  end)

  it("ends in order on SIGTERM", function()
    local ws = assert(websock.connect(url, {tls = tls}))
    local silent <close> = raw.client(port)  -- in its TLS handshake
    silent:send "\x16\x03\x01"
    child:signal "TERM"
    local message, err, code = ws:receive(240)
    assert.same({nil, "closed", 1001}, {message, err, code})
    assert.equal(0, (child:wait()))
  end)

  it("holds back a peer that does not read: memory stays bounded #slow", function()
    local ws = assert(websock.connect(url, {tls = tls, max_queue = 1 << 16}))
    local before = resident(child)
    local sent, message = 0, ("f"):rep(65536)
    while sent < 400 << 20 and ws:send(message, "binary", {timeout = 1}) do sent = sent + #message end
    assert.is_true(sent < 200 << 20)
    local growth = resident(child) - before
    assert.is_true(growth < 12 * 1024, ("memory grew by %d KiB"):format(growth))
    ws:abort()
  end)

  it("says what is wrong with a certificate, and ends with 1", function()
    local second <close> = process.start({(host_tls()), "0", "/nowhere.pem", made.key},
      {env = installed.env})
    local status, output = second:wait()
    assert.matches("^host: cannot begin: tls: cert: /nowhere%.pem: No such file", output)
    assert.equal(1, status)
  end)
end)

describe("examples/embed/game.c #heavy", function()
  local modules = installed.tree .. "/share/lua/5.4/"
  local env = {PORT = "0", LUA_PATH = modules .. "?.lua;" .. modules .. "?/init.lua"}
  local build = program("game", "examples/embed/game.c", {
    flags = "$(pkg-config --cflags lua5.4)",
    libs = installed.tree .. "/lib/libwebsock.a $(pkg-config --libs lua5.4 openssl zlib) -pthread -lm -ldl",
  })
  local game, script

  local function spill(path, text)
    local file <close> = assert(io.open(path, "w"))
    assert(file:write(text))
  end

  local function slurp(path)
    local file <close> = assert(io.open(path))
    return file:read "a"
  end

  -- Runs a script of this text; returns the URL that it prints.
  local function play(text, ...)
    spill(script, text)
    game = process.start({(build()), script, ...}, {env = env})
    return game:expect "game on (ws://%S+)\n"
  end

  local world = slurp "examples/embed/world.lua"

  before_each(function() script = installed.folder .. "/script.lua" end)
  after_each(function() if game then game:stop() end end)

  -- Waits for a message that fits.
  local function hears(ws, pattern)
    local found
    repeat
      found = assert(ws:receive(240)):match(pattern)
    until found
    return found
  end

  it("ticks and tells players where they are", function()
    local ws = assert(websock.connect(play(world)))
    hears(ws, "^(0%.0)$")
    assert(ws:send "right")
    assert.is_true(tonumber(hears(ws, "^([1-9]%d*%.%d)$")) > 0)
    ws:close()
  end)

  it("loads its script again on SIGHUP, and players stay", function()
    local ws = assert(websock.connect(play(world)))
    hears(ws, "^(0%.0)$")
    local again, n = world:gsub('"%%%.1f"%)', '"player at %%.0f")')
    assert.equal(1, n)
    spill(script, again)
    game:signal "HUP"
    game:expect "loaded again\n"
    hears(ws, "^player at (0)$")
    assert.equal("open", ws:state())
    assert(ws:send "left")
    hears(ws, "^player at (%-%d+)$")
    assert.equal(1, select(2, game:output():gsub("game on", "")))
  end)

  it("goes on with the rules that it has when the new ones are wrong", function()
    local ws = assert(websock.connect(play(world)))
    for text, complaint in pairs {
      ["return {"] = "near <eof>", ["error 'at once'"] = "at once",
      ["return {tick = print}"] = "returns no function 'stop'", ["return 1"] = "table expected",
    } do
      spill(script, text)
      game:signal "HUP"
      game:expect("(" .. complaint .. ")")
      hears(ws, "^(0%.0)$")
    end
  end)

  it("survives errors in a tick and in a handler", function()
    local failing = world:gsub("function rules.tick%(dt%)", "%0\n  if state.fail then error 'in a tick' end")
      :gsub("function state.on_message%(ws, message%)", "%0\n  if message == 'fail' then state.fail = true end\n"
        .. "  if message == 'raise' then error 'in a handler' end\n  if message == 'heal' then state.fail = nil end")
    local url = play(failing)
    local ws = assert(websock.connect(url))
    assert(ws:send "fail")
    game:expect "in a tick"
    assert(ws:send "heal")
    hears(ws, "^(0%.0)$")
    local other = assert(websock.connect(url))
    assert(other:send "raise")
    local message, err, code
    repeat message, err, code = other:receive(240) until not message
    assert.same({"closed", 1011}, {err, code})
    game:expect "in a handler"
    hears(ws, "^(0%.0)$")
    assert.equal(1, select(2, game:output():gsub("in a tick\n", "")))
  end)

  it("survives handlers and ticks that run out of memory under its cap", function()
    local greedy = world:gsub("function state.on_message%(ws, message%)", [[%0
      if message == "eat" then local all = {} while true do all[#all + 1] = ("x"):rep(1000) .. #all end end
      if message == "hold" then state.eat = true end]])
      :gsub("function rules.tick%(dt%)", [[%0
      if state.eat then state.eat = nil local all = {} while true do all[#all + 1] = {} end end]])
    local url = play(greedy, "8")
    local ws = assert(websock.connect(url))
    for _ = 1, 3 do
      local eater = assert(websock.connect(url))
      assert(eater:send "eat")
      local message, err
      repeat message, err = eater:receive(240) until not message
      assert.equal("closed", err)
      hears(ws, "^(0%.0)$")
    end
    assert(ws:send "hold")
    game:expect "not enough memory"
    hears(ws, "^(0%.0)$")
    assert.equal("open", ws:state())
  end)

  it("closes players with 1001 on SIGTERM and ends with 0", function()
    local ws = assert(websock.connect(play(world)))
    game:signal "TERM"
    local message, err, code
    repeat message, err, code = ws:receive(240) until not message
    assert.same({"closed", 1001}, {err, code})
    assert.equal(0, (game:wait()))
  end)

  it("says what is wrong with its script, and ends with 1", function()
    for text, complaint in pairs {["return ("] = "unexpected symbol", ["error 'no'"] = "no"} do
      spill(script, text)
      local child <close> = process.start({(build()), script}, {env = env})
      local status, output = child:wait()
      assert.matches("^game: .*" .. complaint, output)
      assert.equal(1, status)
    end
  end)
end)
