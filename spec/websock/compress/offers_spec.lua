-- permessage-deflate in the opening handshake (RFC 7692 sections 5 and 7.1) as it
-- is on the wire: how a server answers a client's offers, and the options. The client's
-- side is in compress/answers_spec.lua, the effect of the agreed parameters on messages
-- in compress/send_spec.lua.

local websock = require "websock"
local compressed = require "support.compressed"
local ends = require "support.ends"
local frames = require "support.frames"
local offers = require "support.offers"
local raw = require "support.raw"

local FIELD, BITS, FLAGS = offers.FIELD, offers.BITS, offers.FLAGS
local offer, BAD_BITS, BROKEN = offers.offer, offers.BAD_BITS, offers.BROKEN

local OFF = compressed.options {}  -- nothing asked for: takeover, largest windows

local function listen(compress)
  return ends.listen {port = 0, compress = compress, handler = function(ws)
    for message in ws:messages() do ws:send(message) end
  end}
end

-- Returns the answer to an offer (the value of a field, or a list of values of several
-- fields): the status and the value of the field.
local function answer(server, offered)
  local peer = ends.dial(server)
  assert(peer:send(frames.request {["Sec-WebSocket-Extensions"] = offered}))
  local line, fields = assert(peer:head())
  peer:close()
  return math.tointeger(tonumber(line:match "^HTTP/1%.1 (%d+)")), fields[FIELD]
end

-- Returns the parameters of the answer; nil if the offer is declined.
local function agreed(server, offered)
  local status, value = answer(server, offered)
  assert.equal(101, status)
  if not value then return nil end
  local name, parameters = compressed.parse(value)
  assert.equal("permessage-deflate", name)
  return parameters
end

-- The offer is declined, or the handshake refused.
local function refused(server, value)
  local status, extension = answer(server, value)
  assert.is_nil(extension, value)
  assert.is_true(status == 101 or status == 400, value .. ": " .. status)
end

describe("compression offered to a server", function()
  after_each(function() ends.finish() end)

  it("is declined by default", function()
    local server = ends.listen {port = 0, handler = function(ws) ws:receive() end}
    assert.is_nil(agreed(server, offer()))
    server = listen(false)
    assert.is_nil(agreed(server, offer("client_max_window_bits")))
  end)

  it("is accepted with the contract's defaults", function()
    local server = listen(true)
    local plain = {
      server_no_context_takeover = true, client_no_context_takeover = true,
      server_max_window_bits = 12,
    }
    assert.same(plain, agreed(server, offer()))
    assert.same(plain, agreed(listen {}, offer()))
    plain.client_max_window_bits = 12
    assert.same(plain, agreed(server, offer "client_max_window_bits"))
    assert.same(plain, agreed(server, offer "client_max_window_bits=15"))
  end)

  it("is not in the answer if it was not offered", function()
    local status, value = answer(listen(true), nil)
    assert.same({101}, {status, value})
  end)

  it("has no client window in the answer if the client does not know the parameter", function()
    for bits = 8, 15 do
      local server = listen {client_max_window_bits = bits}
      assert.is_nil(agreed(server, offer()).client_max_window_bits)
      assert.is_nil(agreed(server, offer "server_max_window_bits=9").client_max_window_bits)
    end
  end)

  it("takes the smaller of both windows", function()
    for ours = 8, 15 do
      local server = listen {server_max_window_bits = ours, client_max_window_bits = ours}
      for theirs = 8, 15 do
        local answered = agreed(server,
          offer("server_max_window_bits=" .. theirs, "client_max_window_bits=" .. theirs))
        -- section 7.1.2.1: it is in the offer, so it is in the answer
        assert.equal(math.min(ours, theirs), answered.server_max_window_bits)
        -- a client keeps to its own hint, whatever the answer
        assert.equal(math.min(ours, theirs), math.min(theirs, answered.client_max_window_bits or 15))
      end
      local open = agreed(server, offer "client_max_window_bits")
      assert.equal(ours, open.client_max_window_bits or 15)
    end
  end)

  it("has an answer for each takeover that the client or the server refuses", function()
    for _, ours in ipairs {false, true} do
      for _, theirs in ipairs {false, true} do
        local server = listen {server_no_context_takeover = ours, client_no_context_takeover = ours}
        local offered = theirs and offer(table.unpack(FLAGS)) or offer()
        local answered = agreed(server, offered)
        local expected = (ours or theirs) or nil
        assert.equal(expected, answered.server_no_context_takeover)
        if not theirs then assert.equal(expected, answered.client_no_context_takeover) end
        if ours then assert.is_true(answered.client_no_context_takeover) end
      end
    end
  end)

  it("asks for nothing if the options ask for nothing", function()
    local answered = agreed(listen(OFF), offer())
    assert.equal(15, answered.server_max_window_bits or 15)
    answered.server_max_window_bits = nil
    assert.same({}, answered)
  end)

  it("takes the first acceptable offer", function()
    local server = listen(true)
    local function bits(...) return agreed(server, table.concat({...}, ", ")).server_max_window_bits end
    assert.equal(10, bits(offer "server_max_window_bits=10", offer "server_max_window_bits=9"))
    assert.equal(9, bits(offer "server_max_window_bits=9", offer "server_max_window_bits=10"))
    assert.equal(12, bits(offer "server_max_window_bits=7", offer()))
    assert.equal(11, bits(offer "unknown", offer "server_no_context_takeover=1",
      offer "server_max_window_bits", offer "server_max_window_bits=11", offer()))
    assert.equal(12, bits(offer(), offer()))
  end)

  it("ignores unknown extensions", function()
    local server = listen(true)
    assert.is_nil(agreed(server, "x-webkit-deflate-frame"))
    assert.is_nil(agreed(server, "permessage-bzip2; level=5, foo, permessage-deflate-frame, permessage"))
    assert.equal(12, agreed(server, 'x-one; a=1; b="c", permessage-deflate, x-two').server_max_window_bits)
  end)

  it("reads offers in several fields, and lists with gaps", function()
    local server = listen(true)
    assert.equal(9, agreed(server, {"x-one", offer "server_max_window_bits=9", offer()}).server_max_window_bits)
    assert.equal(12, agreed(server, {offer "server_max_window_bits=99", offer()}).server_max_window_bits)
    assert.equal(12, agreed(server, ", permessage-deflate ,,").server_max_window_bits)
    assert.equal(9, agreed(server, "x-a,permessage-deflate;server_max_window_bits=9,x-b").server_max_window_bits)
    assert.equal(9, agreed(server, " permessage-deflate \t;\t server_max_window_bits=9 \t ").server_max_window_bits)
  end)

  it("reads quoted values", function()
    local server = listen(true)
    assert.equal(10, agreed(server, offer 'server_max_window_bits="10"').server_max_window_bits)
    assert.equal(10, agreed(server, offer 'server_max_window_bits="1\\0"').server_max_window_bits)
    assert.equal(9, agreed(server, offer 'client_max_window_bits="9"').client_max_window_bits)
  end)

  it("declines bad window bits", function()
    local server = listen(true)
    for _, name in ipairs(BITS) do
      for _, bad in ipairs(BAD_BITS) do
        assert.is_nil(agreed(server, offer(name .. bad)), name .. bad)
      end
    end
    assert.is_nil(agreed(server, offer "server_max_window_bits"))
    assert.equal(12, agreed(server, offer()).server_max_window_bits)
  end)

  it("declines values of parameters that have none, and repeated or unknown parameters", function()
    local server = listen(true)
    for _, bad in ipairs {
      "server_no_context_takeover=1", "server_no_context_takeover=true",
      "client_no_context_takeover=0", 'client_no_context_takeover="x"',
      "server_no_context_takeover; server_no_context_takeover",
      "client_no_context_takeover; client_no_context_takeover",
      "server_max_window_bits=10; server_max_window_bits=10",
      "client_max_window_bits; client_max_window_bits",
      "client_max_window_bits; client_max_window_bits=9",
      "foo", "foo=1", "server_max_window_bits=10; foo", "max_window_bits=10", "no_context_takeover",
      "server_max_window_bits_=10", "server_max_window_bit=10", "permessage-deflate",
    } do
      assert.is_nil(agreed(server, offer(bad)), bad)
    end
  end)

  it("refuses a field that is no list of extensions", function()
    local server = listen(true)
    for _, name in ipairs(BITS) do
      for _, bad in ipairs(BROKEN) do refused(server, offer(name .. bad)) end
    end
    for _, bad in ipairs {offer ";", offer "", ";", "permessage-deflate;", "=", "a b", '"permessage-deflate"',
      "permessage-deflate server_no_context_takeover", "permessage-deflate=1", "permessage-deflate; =9",
      "permessage-deflate; =", "\0", "permessage-deflate; \1", "permessage-deflate\127"} do
      refused(server, bad)
    end
    assert.equal(12, agreed(server, offer()).server_max_window_bits)
  end)

  it("is in ws.extensions as answered", function()
    local seen
    local server = ends.listen {port = 0, compress = true, handler = function(ws)
      seen = ws.extensions or "none"
    end}
    local _, fields = ends.open(server, compressed.field(offer "client_max_window_bits=9"))
    ends.turn_until(function() return seen end)
    assert.equal(fields[FIELD], seen)
    local name, parameters = compressed.parse(seen)
    assert.same({"permessage-deflate", 9}, {name, parameters.client_max_window_bits})
    seen = nil
    ends.open(server)
    ends.turn_until(function() return seen end)
    assert.equal("none", seen)
  end)

  it("is read from a request that an HTTP server has parsed", function()
    local listener <close> = raw.server()
    local peer = raw.client(listener.port)
    local accepted = assert(listener:accept())
    local _, head = frames.parse_head(frames.request(compressed.field(offer "client_max_window_bits")))
    local ws = assert(websock.accept(accepted.sock,
      {compress = true, request = {method = "GET", target = "/", headers = head}}))
    ends.at_end(function()
      ws:abort()
      peer:close()
    end)
    local _, fields = assert(peer:head())
    assert.equal(fields[FIELD], ws.extensions)
    assert.equal(12, select(2, compressed.parse(ws.extensions)).client_max_window_bits)
  end)

  it("is ignored in a request that is no handshake", function()
    local server = ends.listen {port = 0, compress = true, handler = print, http = function() return 200 end}
    for _, value in ipairs {offer(), offer "", "=;,"} do
      local peer = ends.dial(server)
      peer:send("GET / HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Extensions: " .. value .. "\r\n\r\n")
      local line, fields = assert(peer:head())
      assert.same({"HTTP/1.1 200 OK"}, {line, fields[FIELD]})
      peer:close()
    end
  end)

  it("is in ws.extensions also after the end, which cannot be written", function()
    local ws, peer = ends.server({compress = true}, compressed.field())
    local said = ws.extensions
    assert.matches("^permessage%-deflate;", said)
    assert.is_false((pcall(function() ws.extensions = "x" end)))
    peer:reset()
    ends.turn_until(function() return ws:state() == "closed" end)
    assert.equal(said, ws.extensions)
  end)
end)

describe("compression's options", function()
  after_each(function() ends.finish() end)

  local URL = "ws://127.0.0.1:1"

  local CALLS = {
    connect = function(compress) websock.connect(URL, {compress = compress}) end,
    listen = function(compress) websock.listen {port = 0, handler = print, compress = compress} end,
    accept = function(compress) websock.accept({}, {compress = compress}) end,
  }

  local function raises(compress, pattern)
    for name, call in pairs(CALLS) do
      local ok, err = pcall(call, compress)
      assert.is_false(ok, name)
      assert.matches("^spec/websock/compress/offers_spec.lua:%d+: " .. name .. ": .*" .. pattern, err)
    end
  end

  it("are a table, true or false", function()
    for _, bad in ipairs {1, "yes", 0.5, print} do raises(bad, "'compress'") end
  end)

  it("raise on an unknown key, and name it", function()
    raises({server_max_windows_bits = 12}, "server_max_windows_bits")
    raises({12}, "'?1'?")
    raises({max_window_bits = 12}, "max_window_bits")
  end)

  it("raise on a value out of range, and name it", function()
    for _, name in ipairs(BITS) do
      for _, bad in ipairs {7, 16, 0, -9, 9.5, "12", true, {}, 0 / 0} do
        raises({[name] = bad}, name)
      end
    end
    for _, name in ipairs(FLAGS) do
      for _, bad in ipairs {1, 0, "true", {}} do raises({[name] = bad}, name) end
    end
    for _, bad in ipairs {10, -2, 1.5, "1", false} do raises({level = bad}, "level") end
    for _, bad in ipairs {0, 10, 1.5, "5", true} do raises({mem_level = bad}, "mem_level") end
    for _, bad in ipairs {-1, 1.5, "256", true} do raises({threshold = bad}, "threshold") end
  end)

  it("are accepted at the ends of their ranges", function()
    for _, compress in ipairs {
      {server_max_window_bits = 8, client_max_window_bits = 8, level = 1, mem_level = 1, threshold = 0},
      {server_max_window_bits = 15, client_max_window_bits = 15, level = 9, mem_level = 9, threshold = 1 << 30},
      {server_max_window_bits = false, client_max_window_bits = false}, {server_max_window_bits = 9.0},
    } do
      assert.is_table(agreed(listen(compress), offer()))
    end
  end)

  it("of send are a boolean", function()
    local ws = ends.server()
    for _, bad in ipairs {1, "true", {}} do
      local ok, err = pcall(function() ws:send("x", "text", {compress = bad}) end)
      assert.is_false(ok)
      assert.matches("^spec/websock/compress/offers_spec.lua:%d+: .*'compress'", err)
    end
  end)
end)
