-- Each example, started as a process as a reader would start it.

local socket = require "socket"
local http = require "socket.http"
local websock = require "websock"
local process = require "support.process"
local raw = require "support.raw"

local SERVERS = {"chat", "cluster", "echo", "game"}

local function example(name, ...)
  return process.start(process.lua("examples/" .. name, ...),
    {env = {LD_PRELOAD = os.getenv("SANITIZED")}})
end

-- A member of the chat, which reads and writes its records.
local Member = {}
Member.__index = Member

local function connect(url)
  return setmetatable({ws = assert(websock.connect(url))}, Member)
end

function Member:say(...)
  assert(self.ws:send(table.concat({...}, "\t")))
end

-- The next record of this kind, unparsed, without its kind.
function Member:next(kind)
  while true do
    local record = assert(self.ws:receive(120))
    local found, rest = record:match("^([^\t]*)\t?(.*)$")
    if found == kind then return rest end
  end
end

-- Joins and waits until the server has accepted it; returns the name that it was given.
function Member:join(room, name)
  self:say("join", room, name)
  local _, given = self:next("welcome"):match("^(.*)\t(.*)$")
  self:next("here")
  return given
end

-- The next message: its author and its text.
function Member:heard()
  local time, name, text = self:next("said"):match("^(%d+)\t([^\t]*)\t([^\t]*)$")
  assert.is_true(math.abs(os.time() - tonumber(time)) < 3600)
  return name, text
end

function Member:leave()
  assert(self.ws:close())
end

describe("examples/echo.lua and examples/client.lua", function()
  it("talk to each other", function()
    local server <close> = example("echo.lua", "0")
    local url = server:expect("^echo on (ws://%S+)\n")
    local client <close> = example("client.lua", url)
    local status, out = client:wait()
    assert.equal("hello\nγειά σου\ngood-bye\nclosed\t1000\tdone\n", out)
    assert.equal(0, status)
    server:signal("TERM")
    assert.equal(0, (server:wait()))
  end)

  it("the echo server ends on Ctrl-C too", function()
    local server <close> = example("echo.lua", "0")
    server:expect("^(echo) on ")
    server:signal("INT")
    assert.equal(0, (server:wait()))
  end)

  it("the client says how it was refused", function()
    local server = require("support.raw").server()
    local client <close> = example("client.lua", "ws://127.0.0.1:" .. server.port .. "/")
    local peer = assert(server:accept())
    peer:head()
    peer:send "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
    local status, out = client:wait()
    assert.same({1, "client: refused: 403 Forbidden\n"}, {status, out})
    peer:close()
    server:close()
  end)

  it("the client says why it cannot connect", function()
    local listener = assert(socket.bind("127.0.0.1", 0))
    local _, port = listener:getsockname()
    listener:close()
    local client <close> = example("client.lua", "ws://127.0.0.1:" .. port .. "/")
    local status, out = client:wait()
    assert.matches("^client: connect: ", out)
    assert.equal(1, status)
  end)
end)

describe("each example that serves", function()
  for _, name in ipairs(SERVERS) do
    -- lua: arguments of the interpreter before the example's.
    local function serving(...)
      local words = process.lua(...)
      table.move({"examples/" .. name .. ".lua", "0"}, 1, 2, #words + 1, words)
      local child = process.start(words, {env = {LD_PRELOAD = os.getenv "SANITIZED"}})
      return child, math.tointeger(tonumber(child:expect(name .. " on %a+://127%.0%.0%.1:(%d+)/\n")))
    end

    it("ends on Ctrl-C, whatever else it does: " .. name, function()
      local child <close> = serving("-e", [[local websock = require "websock"
        websock.spawn(function() while true do websock.sleep(0.01) end end)]])
      child:signal "INT"
      assert.equal(0, (child:wait()))
    end)

    it("ends at once on a second Ctrl-C, though a client is silent: " .. name, function()
      local child <close>, port = serving()
      local deaf <close> = raw.open(port)
      if name == "chat" then deaf:masked("text", "join\tlobby\tdeaf") end
      child:signal "INT"
      assert.equal(1001, (deaf:closed()))
      child:signal "INT"
      local status, output = child:wait()
      assert.equal(1, status)
      assert.matches("interrupted!", output)
    end)

    it("says when its port is taken and ends with 1: " .. name, function()
      local taken = raw.server()
      local child <close> = example(name .. ".lua", tostring(taken.port))
      local status, output = child:wait()
      assert.matches(("^%s: cannot listen on [%%d.:]*%d: address in use\n$"):format(name, taken.port), output)
      assert.equal(1, status)
      taken:close()
    end)

    it("says what is wrong with a port: " .. name, function()
      for _, port in ipairs {"abc", "80.5", "-1", "65536", ""} do
        local child <close> = example(name .. ".lua", port)
        local status, out = child:wait()
        assert.equal(("%s: not a port: %s\n"):format(name, port), out)
        assert.equal(2, status)
      end
    end)
  end
end)

describe("each example that runs the loop", function()
  for _, name in ipairs {"chat", "cluster", "echo"} do
    it("ends with 1 when a spawned function has raised: " .. name, function()
      local words = process.lua("-e", 'require "websock".spawn(error, "spawned")', "examples/" .. name .. ".lua", "0")
      local child <close> = process.start(words, {env = {LD_PRELOAD = os.getenv "SANITIZED"}})
      child:expect("(spawned)\nstack traceback:")
      child:signal "TERM"
      assert.equal(1, (child:wait()))
    end)
  end
end)

describe("examples/chat.lua", function()
  local chat, page, url

  before_each(function()
    chat = example("chat.lua", "0")
    page = chat:expect("^chat on (http://127%.0%.0%.1:%d+/)\n")
    url = page:gsub("^http", "ws")
  end)

  after_each(function() chat:stop() end)

  it("serves its page", function()
    local body, status, headers = http.request(page)
    assert.equal(200, status)
    assert.matches("^<!DOCTYPE html>", body)
    assert.matches("</html>%s*$", body)
    assert.equal("text/html; charset=utf-8", headers["content-type"])
    assert.equal("no-cache", headers["cache-control"])
    assert.matches("default%-src 'none'", headers["content-security-policy"])
    assert.matches("connect%-src 'self'", headers["content-security-policy"])
  end)

  it("serves it with any query", function()
    local _, status = http.request(page .. "?room=tea")
    assert.equal(200, status)
  end)

  it("answers HEAD without a body, 404 and 405", function()
    local function request(method, path)
      local chunks = {}
      local _, status, headers = http.request {
        method = method, url = page:gsub("/$", path),
        sink = function(chunk) chunks[#chunks + 1] = chunk return 1 end,
      }
      return status, table.concat(chunks), headers
    end
    local status, body, headers = request("HEAD", "/")
    assert.equal(200, status)
    assert.equal("", body)
    assert.equal("text/html; charset=utf-8", headers["content-type"])
    assert.equal(404, (request("GET", "/nothing")))
    status, body, headers = request("DELETE", "/")
    assert.equal(405, status)
    assert.equal("GET or HEAD only\n", body)
    assert.equal("GET, HEAD", headers.allow)
  end)

  it("carries messages between the members of a room, and to nobody else", function()
    local ada, grace, charles = connect(url), connect(url), connect(url)
    assert.equal("Ada", ada:join("lobby", "Ada"))
    assert.equal("Grace", grace:join("", "Grace"))    -- the lobby, too
    assert.equal("Charles", charles:join("engine", "Charles"))
    assert.equal("Ada\tGrace", ada:next("here"))
    ada:say("say", "hello")
    assert.same({"Ada", "hello"}, {grace:heard()})
    assert.same({"Ada", "hello"}, {ada:heard()})
    charles:say("say", "anybody?")
    assert.same({"Charles", "anybody?"}, {charles:heard()})
    grace:leave()
    assert.equal("Ada", ada:next("here"))
    charles:join("lobby", "Charles")    -- changes rooms
    assert.equal("Ada\tCharles", ada:next("here"))
  end)

  it("sends a newcomer the last fifty messages", function()
    local ada = connect(url)
    ada:join("lobby", "Ada")
    for i = 1, 51 do
      ada:say("say", tostring(i))
      ada:heard()
    end
    local late = connect(url)
    late:say("join", "lobby", "Late")
    for i = 2, 51 do
      assert.same({"Ada", tostring(i)}, {late:heard()})
    end
    assert.equal("Ada\tLate", late:next("here"))
  end)

  it("carries tabs, backslashes and newlines", function()
    local ada = connect(url)
    ada:join("lobby", "Ada")
    local text = "a\\tb\\\\c \\\\t\nδ"    -- as it is written in a record
    ada:say("say", text)
    assert.same({"Ada", text}, {ada:heard()})
  end)

  it("tidies names, and gives each once in a room", function()
    local first, second = connect(url), connect(url)
    assert.equal("Ada Lovelace", first:join("lobby", "  Ada \n Lovelace "))
    assert.equal("Ada Lovelace 2", second:join("lobby", "Ada Lovelace"))
    assert.equal("guest", second:join("lobby", " "))
    assert.equal(("é"):rep(24), second:join("lobby", ("é"):rep(24)))
    assert.equal(("é"):rep(24), second:join("lobby", ("é"):rep(25)))
  end)

  it("limits messages by characters", function()
    local ada = connect(url)
    ada:join("lobby", "Ada")
    for _, length in ipairs {1999, 2000} do
      ada:say("say", ("💬"):rep(length))
      local _, text = ada:heard()
      assert.is_true(text == ("💬"):rep(length))
    end
    ada:say("say", ("a"):rep(2001))
    assert.equal("That message is too long.", ada:next("sorry"))
    ada:say("say", ("💬"):rep(4000))    -- over max_message
    local record, err, code = ada.ws:receive(120)
    assert.same({nil, "closed", 1009}, {record, err, code})
  end)

  it("ignores what it does not know", function()
    local ada = connect(url)
    ada:say("say", "too early")
    assert.equal("Join a room first.", ada:next("sorry"))
    ada:say("dance")
    ada:say("")
    ada:say("say")
    ada:join("lobby", "Ada")
    ada:say("say", " ")
    ada:say("say")
    ada:say("say", "heard")
    assert.same({"Ada", "heard"}, {ada:heard()})
    assert(ada.ws:send("\xff", "binary"))
    local record, err, code = ada.ws:receive(120)
    assert.same({nil, "closed", 1003}, {record, err, code})
  end)

  it("forgets an empty room, but not the lobby", function()
    local ada, witness = connect(url), connect(url)
    for _, room in ipairs {"lobby", "engine"} do
      ada:join(room, "Ada")
      ada:say("say", "in the " .. room)
      ada:heard()
    end
    ada:leave()
    witness:join("engine", "Witness")
    witness:say("say", "first")
    assert.same({"Witness", "first"}, {witness:heard()})
    witness:say("join", "lobby", "Witness")
    assert.same({"Ada", "in the lobby"}, {witness:heard()})
  end)

  -- #slow: some megabytes until the kernel's buffers are full
  it("closes a member that does not read, and goes on with the others #slow", function()
    local ada = connect(url)
    ada:join("lobby", "Ada")
    local port = math.tointeger(tonumber(page:match(":(%d+)/")))
    local deaf = raw.open(port)
    deaf:masked("text", "join\tlobby\tdeaf")
    assert.equal("Ada\tdeaf", ada:next("here"))
    local text = ("💬"):rep(2000)
    local said, gone = 0, false
    while not gone and said < 5000 do
      ada:say("say", text)
      said = said + 1
      repeat
        local record = assert(ada.ws:receive(120))
        gone = gone or record == "here\tAda"
      until record:find("^said\t")
    end
    deaf:close()
    assert.is_true(gone or ada:next("here") == "Ada")
  end)

  it("closes everyone with 1001 on SIGTERM and ends with 0", function()
    local ada = connect(url)
    ada:join("lobby", "Ada")
    chat:signal("TERM")
    local record, err, code = ada.ws:receive(120)
    assert.same({nil, "closed", 1001}, {record, err, code})
    assert.equal(0, (chat:wait()))
  end)

  it("says when its port is taken and ends with 1", function()
    local port = page:match(":(%d+)/")
    local second <close> = example("chat.lua", port)
    local status, out = second:wait()
    assert.equal(("chat: cannot listen on 127.0.0.1:%s: address in use\n"):format(port), out)
    assert.equal(1, status)
  end)
end)

describe("the chat over TLS", function()
  local certificates = require "support.certificates"
  local secure = require "support.secure"

  -- Gets the page by https, and a message by wss.
  local function assert_serves(page, tls)
    local port = math.tointeger(tonumber(page:match "^https://127%.0%.0%.1:(%d+)/$"))
    local peer <close> = assert(secure.client(port))
    peer:send "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert.matches("^HTTP/1.1 200 .*</html>%s*$", (peer:rest()))
    local ada = setmetatable({ws = assert(websock.connect(page, {tls = tls}))}, Member)
    assert.equal("Ada", ada:join("lobby", "Ada"))
    ada:say("say", "hello")
    assert.same({"Ada", "hello"}, {ada:heard()})
    ada:leave()
  end

  it("by the certificate and key of its arguments", function()
    local made = certificates.server
    local chat <close> = example("chat.lua", "0", "127.0.0.1", made.chain, made.key)
    assert_serves(chat:expect "^chat on (https://%S+)\n", {ca_file = certificates.ca.cert})
    chat:signal "TERM"
    assert.equal(0, (chat:wait()))
  end)

  it("says what is wrong with a certificate and ends with 1", function()
    local chat <close> = example("chat.lua", "0", "127.0.0.1", "/nowhere/cert.pem")
    local status, output = chat:wait()
    assert.matches("^chat: cannot listen on 127.0.0.1:0: tls: cert: /nowhere/cert%.pem: No such file [^\n]*\n$", output)
    assert.equal(1, status)
  end)

  it("by make run TLS=1, with a certificate of its own #slow", function()
    local make = process.start({"make", "-s", "run", "TLS=1", "PORT=0"}, {env = {WEBSOCK_BUILD = ""}})
    local _ <close> = setmetatable({}, {__close = function()
      make:signal "TERM"    -- make passes it on, where SIGKILL would leave the chat
      make:wait()
      make:stop()
    end})
    local page = make:expect("chat on (https://%S+)\n", 120)
    assert_serves(page, {ca_file = "build/tls/cert.pem"})
    local _, mode = process.run {"stat", "-c", "%a", "build/tls/key.pem"}
    assert.equal("600\n", mode)
  end)
end)
