-- Classes of attacks and accidents of TLS: which certificates are trusted, and what is
-- left behind when a connection ends at any moment.

local websock = require "websock"
local certificates = require "support.certificates"
local descriptors = require "support.descriptors"
local ends = require "support.ends"
local process = require "support.process"
local raw = require "support.raw"
local secure = require "support.secure"
local wss = require "support.wss"

describe("attack 19: TLS that is not verified", function()
  local REFUSED = {
    {"self_signed", "localhost", "self%-signed"},
    {"expired", "localhost", "expired"},
    {"early", "localhost", "not yet valid"},
    {"wrong_name", "localhost", "another host"},
    {"address_only", "localhost", "another host"},
    {"wrong_address", "127.0.0.1", "another host"},
    {"host_only", "127.0.0.1", "another host"},
    {"strange_server", "localhost", "unknown authority"},
    {"client", "localhost", "purpose"},
  }
  local servers, met

  -- A server for each, which no client may trust.
  before_each(function()
    servers, met = {}, {}
    local function meet(request)
      met[#met + 1] = request
      return true
    end
    for i, case in ipairs(REFUSED) do
      servers[i] = wss.serve {tls = certificates.of(case[1]), authorize = meet, http = meet,
        handler = meet}
    end
  end)

  after_each(function() ends.finish() end)

  for i, case in ipairs(REFUSED) do
    it("a client that trusts an authority refuses: " .. case[1], function()
      local count = descriptors.count()
      local ws, err = wss.dial(servers[i], nil, case[2])
      assert.is_nil(ws)
      assert.matches("^tls: [^\n]*" .. case[3], err)
      ends.turn_until(function() return descriptors.count() <= count end)
      assert.same({}, met)
    end)
  end

  -- The defaults themselves, in a process whose system store holds the authority.
  it("with no options at all", function()
    local good = wss.serve()
    local lines = {"local websock = require 'websock'", "local ws, err",
      ("ws = assert(websock.connect(%q))"):format(wss.url(good)), "ws:close() print 'trusted'"}
    for i, case in ipairs(REFUSED) do
      lines[#lines + 1] = ("ws, err = websock.connect(%q) print(ws, err)")
        :format(wss.url(servers[i], case[2]))
    end
    local status, output = process.run(process.lua("-e", table.concat(lines, "\n")), {
      turn = websock.step,
      env = {SSL_CERT_FILE = certificates.ca.cert, LD_PRELOAD = os.getenv "SANITIZED"}})
    assert.equal(0, status, output)
    local pattern = {"^trusted\n"}
    for _, case in ipairs(REFUSED) do
      pattern[#pattern + 1] = "nil\ttls: [^\n]*" .. case[3] .. "[^\n]*\n"
    end
    assert.matches(table.concat(pattern) .. "$", output)
    assert.same({}, met)
  end)

  it("sends no byte of the request before the server is verified", function()
    for _, name in ipairs {"self_signed", "wrong_name"} do
      local listener <close> = raw.server()
      local heard
      websock.spawn(function()
        local peer = secure.wrap(listener:accept(), secure.server_params(name))
        heard = peer and peer:rest() or ""
        if peer then peer:close() end
      end)
      local ws = wss.dial(listener.port, nil, nil, {headers = {Authorization = "Bearer secret"}})
      assert.is_nil(ws)
      ends.turn_until(function() return heard end)
      assert.equal("", heard)
    end
  end)
end)

-- spec/support/tls_teardown.lua ends connections in every way, at every moment, and
-- then the Lua state with the rest.
describe("attack 24: TLS teardown in every order", function()
  local function teardown(before, env)
    local words = {table.unpack(before)}
    local made, authority = certificates.server, certificates.ca
    table.move(process.lua("spec/support/tls_teardown.lua", made.chain, made.key, authority.cert),
      1, 5, #words + 1, words)
    env.LUA_PATH = "spec/?.lua;" .. (os.getenv "LUA_PATH" or ";;")
    return process.run(words, {env = env, timeout = 900})
  end

  it("under the sanitizer that the module was built with, if any", function()
    local status, output = teardown({}, {LD_PRELOAD = os.getenv "SANITIZED"})
    assert.equal(0, status, output)
    assert.matches("^(%d+) endings\n$", output)
  end)

  -- Valgrind knows nothing of a sanitized module.
  if not os.getenv "SANITIZED" then
    it("under Valgrind, without a memory leak #slow", function()
      local status, output = teardown({"valgrind", "--quiet", "--trace-children=yes",
        "--error-exitcode=9", "--leak-check=full", "--errors-for-leak-kinds=definite"}, {})
      assert.equal(0, status, output)
      assert.matches("^(%d+) endings\n$", output)
    end)
  end
end)
