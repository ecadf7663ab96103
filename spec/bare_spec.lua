-- A host without LuaSocket: everything works except what concerns its objects.

local certificates = require "support.certificates"
local child = require "support.child"
local process = require "support.process"

-- The beginning of a child's code. meets(options, url, client): whether a client can
-- connect to a server with these options; PORT in the URL stands for its port.
local BEFORE = [[
for _, name in ipairs {"socket", "socket.core", "socket.unix", "mime", "mime.core", "ltn12"} do
  package.preload[name] = function() error("it is not here\n\tand not there", 0) end
end
local websock = require "websock"
local core = require "websock.core"

local function echo(ws)
  for message in ws:messages() do ws:send(message) end
end

local function listen(options, handler)
  if not options.unix then options.port = 0 end
  options.handler = handler or echo
  return assert(websock.listen(options))
end

local function connect(server, url, options)
  local _, port = server:getsockname()
  return assert(websock.connect((url:gsub("PORT", port)), options))
end

local function meets(options, url, client)
  local server <close> = listen(options)
  local ws = connect(server, url, client)
  assert(ws:send "hello")
  assert(ws:receive(60) == "hello")
  assert(ws:close())
end
]]

-- Runs code in a child, which must come to its end.
local function run(code, ...)
  local words = process.lua("-e", BEFORE .. code:format(...) .. ' print "done"')
  local status, output = process.run(words, {env = child.environment()})
  assert.equal("done\n", output)
  assert.equal(0, status)
end

local function with_path(code, ...)
  local path = os.tmpname()
  os.remove(path)
  run("local path = %q " .. code, path, ...)
  assert.is_nil(io.open(path))
end

describe("without LuaSocket", function()
  it("servers and clients meet by address and by name", function()
    run [[
      meets({}, "ws://127.0.0.1:PORT")
      meets({host = "localhost"}, "ws://localhost:PORT")
      meets({host = "*", reuseport = true}, "ws://127.0.0.1:PORT")
      local six = core.bind("inet6", "::1", 0)
      if six then
        core.closefd(six)
        meets({host = "::1"}, "ws://[::1]:PORT", {family = "inet6"})
      end]]
  end)

  it("they meet at a path, which is removed after that", function()
    with_path [[
      for _ = 1, 2 do meets({unix = path}, "ws://a/", {unix = path}) end
      assert(core.bind("unix", path))  -- and nobody listens
      meets({unix = path}, "ws://a/", {unix = path})]]
  end)

  it("they meet over TLS", function()
    local server = certificates.server
    run([[meets({tls = {cert = %q, key = %q}}, "wss://localhost:PORT", {tls = {ca_file = %q}})]],
      server.chain, server.key, certificates.ca.cert)
  end)

  it("user and password of a URL are sent", function()
    run [[
      local seen
      local server <close> = listen {authorize = function(request)
        seen = request.headers.authorization
        return true
      end}
      connect(server, "ws://Aladdin:open%%20sesame@127.0.0.1:PORT"):abort()
      assert(seen == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", seen)]]
  end)

  it("published messages arrive, and a server stops", function()
    run [[
      local server = listen({}, function(ws)
        ws:subscribe "news"
        ws:send "ready"
        echo(ws)
      end)
      local ws = connect(server, "ws://127.0.0.1:PORT")
      assert(ws:receive(60) == "ready")
      assert(server:publish("news", "extra") == 1)
      assert(ws:receive(60) == "extra")
      server:stop()
      local _, err, code = ws:receive(60)
      assert(err == "closed" and code == 1001)
      websock.run()]]
  end)

  it("errors are the same", function()
    run [[
      local server <close> = listen {}
      local _, port = server:getsockname()
      local none, err, place = websock.listen {port = port, handler = echo}
      assert(not none and err == "address in use" and place == "127.0.0.1:" .. port)
      server:stop(0)
      none, err = websock.connect("ws://127.0.0.1:" .. port)
      assert(not none and err == "connect: connection refused", err)
      none, err = websock.listen {host = "does-not-exist.invalid", port = 0, handler = echo}
      assert(not none and err:find "^dns: ", err)]]
  end)

  it("a peer that is gone raises no SIGPIPE", function()
    local server = certificates.server
    with_path([[
      for _, tls in ipairs {false, {cert = %q, key = %q}} do
        local theirs
        local server <close> = listen({unix = path, tls = tls or nil}, function(ws)
          theirs = ws
          websock.park()
        end)
        local ws = connect(server, tls and "wss://localhost/" or "ws://localhost/",
          {unix = path, tls = tls and {ca_file = %q} or nil})
        while not theirs do websock.step(60) end
        websock.spawn(function()
          ws:abort()
          theirs:send "nobody reads this"  -- written before anything is read
        end)
        while theirs:state() ~= "closed" do websock.step(60) end
        server:stop(0)
      end]], server.chain, server.key, certificates.ca.cert)
  end)

  it("an error written to a stderr that nobody reads does not end the process", function()
    with_path [[
      local listener = assert(core.bind("unix", path))
      assert(core.listen(listener, 1))
      local fd = assert(core.connect("unix", path))
      local conn = core.conn(core.config "server")
      assert(core.accept(listener, conn))
      conn:closefd()
      core.closefd(listener)
      os.remove(path)
      require("support.unistd").dup2(fd, 2)
      websock.spawn(error, "on purpose")
      assert(not websock.run())]]
  end)

  it("ws:socket() and an invalid socket say what is missing", function()
    run [[
      local server <close> = listen {}
      local ws = connect(server, "ws://127.0.0.1:PORT")
      local ok, err = pcall(ws.socket, ws)
      assert(not ok and err:find("ws:socket() needs LuaSocket: it is not here", 1, true), err)
      assert(not err:find "\n", err)
      ok, err = pcall(websock.connect, "ws://127.0.0.1", {socket = {}})
      assert(not ok and err:find("needs the method 'receive'", 1, true), err)
      ws:abort()]]
  end)
end)
