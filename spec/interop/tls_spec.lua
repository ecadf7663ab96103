-- TLS alone, with peers that are not ours: the openssl command, and the servers and
-- clients of README.md.

local websock = require "websock"
local certificates = require "support.certificates"
local ends = require "support.ends"
local frames = require "support.frames"
local process = require "support.process"
local wss = require "support.wss"

local python = { process.python, "spec/interop/peer.py" }
local node = { "node", "spec/interop/peer.mjs" }
local peers = { ["Python websockets"] = python, ["Node ws"] = node }

-- Starts a peer; it ends with the test.
local function start (words, env)
  local child = process.start(words, { turn = websock.step, env = env })
  ends.at_end(function () child:stop() end)
  return child
end

local function words_of (peer, ...)
  return { peer[1], peer[2], ... }
end

local function environment (name, more)
  local made = certificates[name]
  local env = { TLS_CERT = made.chain, TLS_KEY = made.key }
  for key, value in pairs(more or {}) do env[key] = value end
  return env
end

describe("TLS with other implementations #slow", function ()
  after_each(function () ends.finish() end)

  for name, peer in pairs(peers) do
    for _, version in ipairs { "1.2", "1.3" } do
      it(("sessions are resumed by %s's server: TLS %s"):format(name, version), function ()
        local server = start(words_of(peer, "server"),
          environment("server", { TLS_VERSION = version }))
        local port = math.tointeger(tonumber((server:expect "port (%d+)\n")))
        local tls = websock.tls(wss.trusting())
        local line = ("tls TLSv%s %%s\n"):format(version)
        local seen = line:format "fresh" .. line:format "resumed"
        for _ = 1, 2 do  -- Node gives no new ticket to a client that has one
          local ws = wss.connect(port, tls)
          wss.assert_echo(ws, "hello")
          assert.is_true(ws:close())
        end
        server:expect("(closed.*closed) 1000")
        assert.equal(seen, (server:output():gsub("port [^\n]*\n", ""):gsub("closed [^\n]*\n", "")))
      end)
    end

    it(name .. "'s server wants a certificate of ours", function ()
      local server = start(words_of(peer, "server"),
        environment("server", { TLS_CA = certificates.ca.cert }))
      local port = math.tointeger(tonumber((server:expect "port (%d+)\n")))
      wss.assert_echo(wss.connect(port, wss.trusting(certificates.of "client")), "let in")
      for _, tls in ipairs { wss.trusting(), wss.trusting(certificates.of "strange_client") } do
        -- these servers end without an alert, after the client's handshake
        local ws, err = wss.dial(port, tls)
        assert.is_nil(ws)
        assert.is_true(err:find "^tls: " ~= nil or err:find "^handshake: " ~= nil, err)
      end
    end)

    it("our server wants a certificate of " .. name .. "'s client", function ()
      local made = certificates.server
      local server = wss.serve { tls = { cert = made.chain, key = made.key,
        client_ca = certificates.ca.cert } }
      local words = words_of(peer, "client", wss.url(server, "127.0.0.1"), "text", "1000")
      local function run (env)
        local status, output = start(words, env):wait()
        assert.equal(0, status, output)
        return output
      end
      local trust = { TLS_CA = certificates.ca.cert }
      assert.equal("same\n", run(environment("client", trust)))
      assert.matches("^no connection", run(environment("strange_client", trust)))
      assert.matches("^no connection", run(trust))
    end)

    it(name .. "'s client verifies our server", function ()
      local server = wss.serve { tls = certificates.of "host_only" }
      local function run (host, ca)
        return select(2, start(words_of(peer, "client", wss.url(server, host), "text", "1"),
          { TLS_CA = certificates[ca].cert }):wait())
      end
      assert.equal("same\n", run("localhost", "ca"))
      assert.matches("^no connection", run("127.0.0.1", "ca"))
      assert.matches("^no connection", run("localhost", "stranger"))
    end)
  end

  describe("openssl s_client", function ()
    -- One connected to our server, with an input that stays open.
    local function s_client (server, ...)
      local fifo = certificates.path "s_client"
      os.remove(fifo)
      assert(os.execute("mkfifo " .. fifo))
      local pen = assert(io.open(fifo, "r+"))
      pen:setvbuf "no"
      local words = { "sh", "-c", 'exec openssl s_client "$@" <"$IN"', "sh",
        "-connect", "127.0.0.1:" .. ends.port(server), "-servername", "localhost",
        "-CAfile", certificates.ca.cert, "-verify_return_error",
        "-verify_hostname", "localhost", ... }
      local child = start(words, { IN = fifo })
      ends.at_end(function () pen:close() end)
      return child, function (bytes) assert(pen:write(bytes)) end
    end

    for _, version in ipairs { "1.2", "1.3" } do
      local option = "-tls" .. version:gsub("%.", "_")

      it("gets its messages back: TLS " .. version, function ()
        local client, write = s_client(wss.serve(), option)
        client:expect("Verification: (OK)")
        write(frames.request())
        client:expect("HTTP/1.1 (101)")
        write(frames.masked("text", "back and forth"))
        client:expect("(back and forth)")
        write(frames.masked("close", "\x03\xe8"))
        assert.equal(0, (client:wait()))
      end)

      it("resumes its session: TLS " .. version, function ()
        local server, path = wss.serve(), certificates.path("session" .. version)
        local client, write = s_client(server, option, "-sess_out", path)
        write(frames.request())
        client:expect("HTTP/1.1 (101)")
        write(frames.masked("close", "\x03\xe8"))
        assert.equal(0, (client:wait()))
        local again = s_client(server, option, "-sess_in", path)
        again:expect("Reused, TLSv(1)")
      end)
    end

    it("may not renegotiate", function ()
      local server = wss.serve()
      local client, write = s_client(server, "-tls1_2")
      write(frames.request())
      client:expect("HTTP/1.1 (101)")
      write "R\n"
      client:expect("RENEGOTIATING.*(no renegotiation)")
      wss.assert_echo(wss.connect(server), "others are served")
    end)
  end)

  describe("openssl s_server", function ()
    -- A server that answers with a page about the connection.
    local function s_server (...)
      local made = certificates.server
      local server = start { "openssl", "s_server", "-accept", "127.0.0.1:0", "-www",
        "-cert", made.cert, "-cert_chain", made.chain, "-key", made.key, ... }
      return math.tointeger(tonumber((server:expect "ACCEPT %S*:(%d+)\n")))
    end

    for _, version in ipairs { "1.2", "1.3" } do
      it("answers our request, twice in one session: TLS " .. version, function ()
        local port = s_server("-tls" .. version:gsub("%.", "_"))
        local tls = websock.tls(wss.trusting())
        for i = 1, 2 do
          local ws, err, response = wss.dial(port, tls)
          assert.is_nil(ws)
          assert.equal("refused", err)
          assert.equal(200, response.status)
          assert.matches((i == 1 and "New" or "Reused") .. ", TLSv" .. version, response.body)
        end
      end)
    end

    it("is refused with an error of its own in either direction", function ()
      local port = s_server("-tls1_2")
      local ws, err = wss.dial(port, wss.trusting { min_version = "1.3" })
      assert.is_nil(ws)
      assert.matches("^tls: .*protocol version", err)
    end)
  end)
end)
