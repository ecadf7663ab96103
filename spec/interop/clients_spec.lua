-- The clients of Python's `websockets` and Node's `ws` against our server, which does
-- what README.md says of a server.

local websock = require "websock"
local certificates = require "support.certificates"
local process = require "support.process"

local python = { process.python, "spec/interop/peer.py", "client" }
local node = { "node", "spec/interop/peer.mjs", "client" }
local peers = {
  { "Python websockets", python }, { "Node ws", node },
  { "Python websockets over TLS", python, "wss" }, { "Node ws over TLS", node, "wss" },
}

-- ------------------------------------------------------------------ our server

local function send_pieces (ws, kind, rest)
  local w = assert(ws:writer(kind))
  for piece, more in rest:gmatch("([^|]*)(|?)") do
    if more == "" then return w:finish(piece) end
    w:write(piece)
  end
end

local commands = {
  ["!fragment"] = function (ws, rest) send_pieces(ws, "text", rest) end,
  ["!fragment-binary"] = function (ws, rest) send_pieces(ws, "binary", rest) end,
  ["!ping"] = function (ws, rest)
    ws:send(ws:ping(rest, 30) and "pong received" or "no pong")
  end,
  ["!close"] = function (ws, rest)
    local code, reason = rest:match("^(%d*) ?(.*)$")
    ws:close(tonumber(code), code ~= "" and reason or nil, 30)
  end,
}

local function answer (ws, message, kind)
  local name, rest = message:sub(1, 4096):match("^(!%S*) ?(.*)$")
  local command = kind == "text" and commands[name]
  if command then command(ws, rest) else assert(ws:send(message, kind)) end
end

local refusals = { ["/403"] = { 403, "not for you" }, ["/404"] = { 404, "nothing here" } }

local function authorize (request)
  local refusal = refusals[request.path]
  if not refusal then return true end
  return false, refusal[1], {}, refusal[2]
end

for _, peer in ipairs(peers) do
  describe(peer[1] .. " as the client #slow", function ()
    local server, url, ended
    local scheme = peer[3] or "ws"

    setup(function ()
      server = assert(websock.listen {
        port = 0, tls = scheme == "wss" and certificates.of "server" or nil,
        max_message = 11 << 20, max_queue = 11 << 20,
        protocols = { "chat.v2", "chat.v1" }, authorize = authorize,
        handler = function (ws)
          for message, kind in ws:messages() do answer(ws, message, kind) end
          ended = { ws.close_code, ws.close_reason, ws.close_clean }
        end,
      })
      local _, port = server:getsockname()
      url = ("%s://127.0.0.1:%d"):format(scheme, port)
    end)

    teardown(function () server:stop(0) end)

    before_each(function () ended = nil end)

    local function start (path, case)
      local words = table.pack(table.unpack(peer[2]))
      words[#words + 1] = url .. path
      for word in case:gmatch("%S+") do words[#words + 1] = word end
      return process.start(words, { turn = websock.sleep,
        env = scheme == "wss" and { TLS_CA = certificates.ca.cert } or nil })
    end

    -- Runs a case; returns its output, without the blanks around it.
    local function run (case, path)
      local client <close> = start(path or "/", case)
      local status, output = client:wait(60)
      assert.equal(0, status, output)
      return output:match("^%s*(.-)%s*$")
    end

    -- The handler sees the end of a connection a moment after its peer.
    local function end_seen ()
      local deadline = websock.now() + 30
      while not ended and websock.now() < deadline do websock.sleep(0.01) end
      return ended
    end

    for _, size in ipairs { 0, 1, 125, 126, 65535, 65536 } do
      it(("text of %d bytes"):format(size), function ()
        assert.equal("same", run("text " .. size))
      end)

      it(("binary of %d bytes"):format(size), function ()
        assert.equal("same", run("binary " .. size))
      end)
    end

    it("10 MiB with a raised limit", function ()
      assert.equal("same", run("binary 10485760"))
    end)

    it("receives fragments", function ()
      assert.equal("Hello wörld", run("fragments"))
      assert.equal("Hello", run("fragments_binary"))
    end)

    it("sends fragments", function ()
      assert.equal("onetwothree", run("command !fragment one|two|three"))
      assert.equal("binary ab", run("command !fragment-binary a||b"))
    end)

    it("answers a ping with its payload", function ()
      assert.equal("pong", run("ping"))
      assert.equal("pong", run("ping payload"))
    end)

    it("pings", function ()
      assert.equal("pong received", run("command !ping from us"))
    end)

    it("ignores a pong without a ping", function ()
      assert.equal("same", run("pong"))
    end)

    for _, code in ipairs { 1000, 1001, 3000, 4999 } do
      it(("is closed with %d"):format(code), function ()
        assert.equal(code .. " good bye", run(("close %d good bye"):format(code)))
        assert.same({ code, "good bye", true }, end_seen())
      end)

      it(("begins to close with %d"):format(code), function ()
        assert.equal(code .. " go away", run(("closed %d go away"):format(code)))
        assert.same({ code, "go away", true }, end_seen())
      end)
    end

    it("is closed without a code: 1005", function ()
      assert.equal("1005", run("close"))
      assert.same({ 1005, "", true }, end_seen())
    end)

    it("chooses the subprotocol that it prefers", function ()
      assert.equal("chat.v2", run("protocol"))
    end)

    it("refuses", function ()
      assert.equal("refused 403", run("text 1", "/403"))
      assert.equal("refused 404", run("text 1", "/404"))
    end)

    it("notices that a client has vanished, and serves the next", function ()
      local client <close> = start("/", "vanish")
      client:expect("(connected)")
      client:signal("KILL")
      local seen = end_seen()
      assert.equal(1006, seen[1])
      assert.is_false(seen[3])
      assert.equal("same", run("text 1"))
    end)
  end)
end
