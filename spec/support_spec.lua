-- The helpers of the other specs, checked without our own code: by the examples of
-- RFC 6455, and the system's processes.

local frames = require "support.frames"
local process = require "support.process"

local function hex (bytes)
  return (bytes:gsub(".", function (c) return ("%02x"):format(c:byte()) end))
end

describe("support.frames", function ()
  it("builds the examples of RFC 6455 section 5.7", function ()
    assert.equal("810548656c6c6f", hex(frames.plain("text", "Hello")))
    assert.equal("818537fa213d7f9f4d5158", hex(frames.masked("text", "Hello")))
    assert.equal("010348656c", hex(frames.plain("text", "Hel", false)))
    assert.equal("80026c6f", hex(frames.plain("continuation", "lo")))
    assert.equal("890548656c6c6f", hex(frames.plain("ping", "Hello")))
    assert.equal("8a8537fa213d7f9f4d5158", hex(frames.masked("pong", "Hello")))
    assert.equal("827e0100", hex(frames.plain("binary", ("x"):rep(256)):sub(1, 4)))
    assert.equal("827f0000000000010000", hex(frames.plain("binary", ("x"):rep(65536)):sub(1, 10)))
  end)

  it("builds invalid frames as told", function ()
    assert.equal("f1fe0001" .. "00000000" .. "78",
      hex(frames.build { rsv = 7, form = 16, mask = "\0\0\0\0", payload = "x" }))
    assert.equal("017d", hex(frames.build { fin = false, length = 125 }))
    assert.equal("827f8000000000000000",
      hex(frames.build { opcode = "binary", form = 64, length = math.mininteger }))
  end)

  it("parses every form of length, and no frame that is cut off", function ()
    for _, n in ipairs { 0, 1, 125, 126, 65535, 65536 } do
      local payload = ("ab"):rep(n):sub(1, n)
      local bytes = frames.masked("binary", payload)
      local frame, after = frames.parse(bytes)
      assert.equal(payload, frame.payload)
      assert.same({ true, 0, 2 }, { frame.fin, frame.rsv, frame.opcode })
      assert.equal(#bytes + 1, after)
      assert.is_nil(frames.parse(bytes:sub(1, -2)))
    end
  end)

  it("builds the first example of RFC 7692 section 7.2.3", function ()
    local payload = "\xf2\x48\xcd\xc9\xc9\x07\x00"
    assert.equal("c107f248cdc9c90700", hex(frames.compressed("text", payload)))
    assert.equal("418337fa213dc5b2ec", hex(frames.compressed("text", payload:sub(1, 3), false, "\x37\xfa\x21\x3d")))
    assert.equal(frames.RSV1, frames.parse(frames.compressed("text", payload)).rsv)
  end)

  it("splits without losing a byte", function ()
    local bytes = frames.masked("text", ("x"):rep(300))
    local ways = 0
    for _, pieces in frames.splits(bytes, 8) do
      ways = ways + 1
      assert.equal(bytes, table.concat(pieces))
    end
    assert.equal(10, ways)
  end)

  it("leaves out, repeats and adds fields", function ()
    local request = frames.request { Host = false, Upgrade = { "a", "b" }, Origin = "o" }
    local line, fields, after = frames.parse_head(request)
    assert.equal("GET / HTTP/1.1", line)
    assert.is_nil(fields.host)
    assert.same({ "a, b", "o", "13" },
      { fields.upgrade, fields.origin, fields["sec-websocket-version"] })
    assert.equal(#request + 1, after)
  end)
end)

describe("support.process", function ()
  local function alive (pid)
    return (os.execute(("kill -0 %d 2>/dev/null"):format(pid)))
  end

  it("returns what a program printed and how it ended", function ()
    assert.same({ 3, "it's\n" },
      { process.run { "sh", "-c", 'echo "$1"; exit 3', "sh", "it's" } })
  end)

  it("waits for a line, and raises with the output if it does not come", function ()
    local child <close> = process.start { "sh", "-c", "echo port 7; exec sleep 600" }
    assert.equal("7", child:expect("port (%d+)\n"))
    assert.is_nil(child:ended())
    local short <close> = process.start { "echo", "sorry" }
    assert.error_matches(function () short:expect("port (%d+)") end, "ended.*sorry")
  end)

  it("leaves nothing running", function ()
    local child = process.start { "sleep", "600" }
    assert.is_true(alive(child.pid))
    child:stop()
    assert.is_nil(alive(child.pid))
  end)

  it("leaves nothing running when the spec is killed", function ()
    local script = [[
      local child = require "support.process".start { "sleep", "600" }
      print("pid", child.pid)
      io.stdout:flush()
      require "socket".sleep(600)
    ]]
    local spec <close> = process.start(process.lua("-e", script))
    local pid = spec:expect("pid%s(%d+)\n")
    spec:signal("KILL")
    for _ = 1, 500 do
      if not alive(pid) then return end
      process.run { "sleep", "0.01" }
    end
    error("the child outlived the spec")
  end)
end)

describe("support.certificates", function()
  local certificates = require "support.certificates"

  -- What the openssl command says of a server's certificate.
  local function verify(name, option, expected)
    local made = certificates[name]
    return process.run {"openssl", "verify", "-CAfile", certificates.ca.cert,
      "-untrusted", made.chain, "-purpose", "sslserver", option, expected, made.cert}
  end

  it("makes valid certificates, and invalid ones with a single fault each", function()
    local status, output = verify("server", "-verify_hostname", "localhost")
    assert.equal(0, status, output)
    for name, reason in pairs {
      expired = "certificate has expired", early = "not yet valid",
      self_signed = "self%-signed certificate", strange_server = "unable to get local issuer",
    } do
      status, output = verify(name, "-verify_hostname", "localhost")
      assert.equal(2, status)
      assert.matches(reason, output)
    end
    status, output = verify("wrong_name", "-verify_hostname", "localhost")
    assert.equal(2, status)
    assert.matches("[Hh]ostname mismatch", output)
    for _, name in ipairs {"wrong_address", "host_only"} do
      status, output = verify(name, "-verify_ip", "127.0.0.1")
      assert.equal(2, status)
      assert.matches("IP address mismatch", output)
    end
  end)

  it("leaves nothing behind", function()
    local status, folder = process.run(process.lua("-e", [[
      package.path = "spec/?.lua;" .. package.path
      print((require "support.certificates".ca.cert:match "^(.*)/"))]]))
    assert.equal(0, status)
    assert.same({1, ""}, {process.run {"test", "-e", folder:match "%S+"}})
  end)
end)

describe("support.deflate", function()
  local deflate = require "support.deflate"
  local helper

  setup(function() helper = deflate.start() end)
  teardown(function() helper:stop() end)

  it("makes the payloads of RFC 7692 section 7.2.3", function()
    local deflater = helper:deflater()
    assert.equal("f248cdc9c90700", hex(deflater:message "Hello"))
    assert.equal("f200110000", hex(deflater:message "Hello"))
    assert.equal("00", hex(deflater:message ""))
    deflater:reset()
    assert.equal("f348cdc9c9070000", hex(deflater:message("Hello", "finish")))
    assert.equal("000500faff48656c6c6f00", hex(helper:deflater {level = 0}:message "Hello"))
    assert.equal("f248050000", hex(deflater:message("He", "block")):sub(1, 10))
  end)

  it("inflates them, with history and BFINAL", function()
    local inflater = helper:inflater()
    for _, payload in ipairs {"\xf2\x48\xcd\xc9\xc9\7\0", "\xf2\0\x11\0\0", "\xf3\x48\xcd\xc9\xc9\7\0\0",
      "\xf2\x48\5\0\0\0\xff\xff\xca\xc9\xc9\7\0"} do
      assert.equal("Hello", inflater:message(payload))
    end
    assert.equal("", inflater:message "\0")
  end)

  it("raises on what breaks a rule", function()
    local function raises(what, bits, payload)
      local inflater = helper:inflater {bits = bits, takeover = false}
      assert.error_matches(function() inflater:message(payload) end, what)
    end
    raises("distance", 15, "\xf2\0\x11\0\0")
    raises("block type", 15, "\7")
    raises("tail", 15, "\xf2\x48\xcd\xc9\xc9\7\0\0\0\xff\xff")
    raises("end with a block", 15, "\0\16\0\xef\xffHe")
    local noise = helper:bytes("random", 600)
    local far = helper:deflater():message(noise .. noise)
    raises("distance", 9, far)
    assert.equal(noise .. noise, helper:inflater {bits = 10}:message(far))
  end)

  it("gives the same bytes for the same seed", function()
    for _, kind in ipairs {"zeros", "random", "json", "mixed"} do
      local one = helper:bytes(kind, 5000, 7)
      assert.equal(5000, #one)
      assert.equal(one, helper:bytes(kind, 5000, 7))
      if kind ~= "zeros" then assert.not_equal(one, helper:bytes(kind, 5000, 8)) end
    end
  end)
end)

describe("support.clock", function ()
  local clock = require "support.clock"
  local websock = require "websock"

  it("puts the loop's clock forward, not the system's", function ()
    local before, real = websock.now(), os.time()
    clock.skip(1e6)
    assert.is_true(websock.now() - before >= 1e6)
    assert.is_true(os.time() - real < 1e6)
  end)

  it("wakes sleepers in their order", function ()
    local order = {}
    for _, seconds in ipairs { 300, 100, 200 } do
      websock.spawn(function ()
        websock.sleep(seconds)
        table.insert(order, seconds)
      end)
    end
    clock.pass_until(function () return #order == 3 end)
    assert.same({ 100, 200, 300 }, order)
  end)
end)
