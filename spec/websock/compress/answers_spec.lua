-- permessage-deflate in the opening handshake (RFC 7692 sections 5 and 7.1) as it
-- is on the wire: what a client offers, and how it takes a server's answers.

local websock = require "websock"
local compressed = require "support.compressed"
local ends = require "support.ends"
local offers = require "support.offers"
local raw = require "support.raw"

local FIELD, FLAGS = offers.FIELD, offers.FLAGS
local offer, BAD_BITS, BROKEN = offers.offer, offers.BAD_BITS, offers.BROKEN

local OFF = compressed.options {}  -- nothing asked for: takeover, largest windows

-- The offer that a client makes.
local function offered(compress)
  local _, peer, request = nil, nil, nil
  local listener <close> = raw.server()
  websock.spawn(function()
    peer = assert(listener:accept())
    request = peer:welcome()
  end)
  local ws = assert(websock.connect("ws://127.0.0.1:" .. listener.port, {compress = compress}))
  assert.is_nil(ws.extensions)
  ws:abort()
  peer:close()
  return request[FIELD]
end

-- The parameters of the first offer.
local function first_offer(compress)
  local name, parameters = compressed.parse(offered(compress):match "^[^,]*")
  assert.equal("permessage-deflate", name)
  return parameters
end

-- Connects a client that gets this answer: its connection, or nil and the error.
local function connect(compress, value)
  local listener <close> = raw.server()
  local peer
  websock.spawn(function()
    peer = assert(listener:accept())
    peer:welcome {["Sec-WebSocket-Extensions"] = value}
  end)
  local ws, err = websock.connect("ws://127.0.0.1:" .. listener.port, {compress = compress})
  ends.at_end(function()
    if ws then ws:abort() end
    peer:close()
  end)
  return ws, err
end

local function fails(compress, value)
  local ws, err = connect(compress, value)
  local shown = type(value) == "table" and table.concat(value, " | ") or value
  assert.is_nil(ws, shown)
  assert.matches("^handshake: %S", err, nil, nil, shown)
end

describe("compression offered by a client", function()
  after_each(function() ends.finish() end)

  it("is not offered by default", function()
    assert.is_nil(offered(nil))
    assert.is_nil(offered(false))
  end)

  it("has the contract's defaults", function()
    for _, compress in ipairs {true, {}} do
      assert.same({
        server_no_context_takeover = true, client_no_context_takeover = true,
        server_max_window_bits = 12, client_max_window_bits = 12,
      }, first_offer(compress))
    end
  end)

  it("has each parameter as in the options", function()
    for bits = 8, 14 do
      local parameters = first_offer {server_max_window_bits = bits, client_max_window_bits = bits}
      assert.equal(bits, parameters.server_max_window_bits)
      assert.equal(bits, parameters.client_max_window_bits)
    end
    for _, name in ipairs(FLAGS) do
      assert.is_nil(first_offer({[name] = false})[name])
      assert.is_true(first_offer({[name] = true})[name])
    end
    local parameters = first_offer(OFF)
    assert.equal(15, parameters.server_max_window_bits or 15)
    assert.is_true(parameters.client_max_window_bits == nil or parameters.client_max_window_bits == true
      or parameters.client_max_window_bits == 15)
  end)

  -- Returns all elements of the field.
  local function all_offers(compress)
    local list = {}
    for element in offered(compress):gmatch "[^,]+" do
      local name, parameters = compressed.parse(element)
      assert.equal("permessage-deflate", name)
      list[#list + 1] = parameters
    end
    return list
  end

  it("is made again without a limit for the server, and by its name alone", function()
    local flags = {server_no_context_takeover = true, client_no_context_takeover = true}
    local function with(parameters)
      for name, value in pairs(flags) do parameters[name] = value end
      return parameters
    end
    assert.same({with {server_max_window_bits = 12, client_max_window_bits = 12},
      with {client_max_window_bits = 12}, {}}, all_offers(true))
    assert.same({with {client_max_window_bits = true}, {}},
      all_offers {server_max_window_bits = 15, client_max_window_bits = 15})
    assert.same({{client_max_window_bits = true}, {}}, all_offers(OFF))
  end)

  it("leaves out the windows that are false", function()
    local no = {server_no_context_takeover = false, client_no_context_takeover = false}
    local function windows(server, client)
      return all_offers {server_max_window_bits = server, client_max_window_bits = client,
        server_no_context_takeover = no.server_no_context_takeover,
        client_no_context_takeover = no.client_no_context_takeover}
    end
    assert.same({{}}, windows(false, false))
    assert.same({{server_max_window_bits = 9}, {}}, windows(9, false))
    assert.same({{client_max_window_bits = 9}, {}}, windows(false, 9))
  end)

  it("is agreed on if the answer takes it, in any order and spelling", function()
    local full = compressed.value {
      server_no_context_takeover = true, client_no_context_takeover = true,
      server_max_window_bits = 12, client_max_window_bits = 12,
    }
    for _, value in ipairs {
      full,
      "permessage-deflate;client_max_window_bits=12 ; server_max_window_bits=12;"
        .. "client_no_context_takeover; server_no_context_takeover",
      offer("server_no_context_takeover", 'server_max_window_bits="12"', 'client_max_window_bits="9"'),
      offer("server_no_context_takeover", "server_max_window_bits=8"),
      offer("server_no_context_takeover", "server_max_window_bits=9", "client_max_window_bits=8"),
      -- the second offer does not limit the server's window
      "permessage-deflate; server_no_context_takeover; server_max_window_bits=15",
      offer("server_no_context_takeover", "client_max_window_bits=12"),
      -- the third limits nothing
      offer(), offer "client_no_context_takeover", offer "server_max_window_bits=15", offer "server_max_window_bits=8",
    } do
      local ws = assert(connect(true, value))
      assert.matches("^permessage%-deflate", ws.extensions)
    end
    assert.equal(full, assert(connect(true, full)).extensions)
  end)

  it("may be answered by no context takeover that nobody asked for", function()
    local ws = assert(connect(OFF, offer("server_no_context_takeover", "client_no_context_takeover")))
    assert.matches("client_no_context_takeover", ws.extensions)
  end)

  it("may be declined", function()
    local ws = assert(connect(true, nil))
    assert.is_nil(ws.extensions)
    assert.is_nil(ws.response.headers[FIELD])
  end)

  it("fails the connection if the answer was not offered", function()
    fails(false, offer())
    fails(true, "x-unknown")
    fails(true, "x-webkit-deflate-frame")
    fails(true, offer("server_no_context_takeover", "server_max_window_bits=12") .. ", x-unknown")
    fails(true, "x-unknown, " .. offer("server_no_context_takeover", "server_max_window_bits=12"))
    fails(true, {offer("server_no_context_takeover", "server_max_window_bits=12"), "x-unknown"})
    for bits = 13, 15 do
      fails(true, offer("server_no_context_takeover", "client_max_window_bits=" .. bits))
    end
    -- a window for the client is no answer to the third offer, nor to one without it
    fails(true, offer "client_max_window_bits=12")
    for bits = 8, 15 do
      fails({client_max_window_bits = false}, offer("server_no_context_takeover", "client_max_window_bits=" .. bits))
    end
  end)

  it("fails if the extension is answered twice", function()
    local full = offer("server_no_context_takeover", "server_max_window_bits=12")
    fails(true, full .. ", " .. full)
    fails(true, {full, full})
  end)

  it("fails on bad window bits", function()
    for _, bad in ipairs(BAD_BITS) do
      fails(OFF, offer("server_max_window_bits" .. bad))
      fails(OFF, offer("server_max_window_bits=12", "client_max_window_bits" .. bad))
      fails({}, offer("server_no_context_takeover", "server_max_window_bits=12", "client_max_window_bits" .. bad))
    end
    fails(OFF, offer "server_max_window_bits")
    fails({}, offer("server_no_context_takeover", "server_max_window_bits=12", "client_max_window_bits"))
  end)

  it("fails on values of parameters that have none, and repeated or unknown parameters", function()
    for _, bad in ipairs {
      "server_no_context_takeover=1", 'client_no_context_takeover="true"',
      "server_no_context_takeover; server_no_context_takeover",
      "client_no_context_takeover; client_no_context_takeover",
      "server_max_window_bits=10; server_max_window_bits=10", "foo", "foo=1",
    } do
      fails(OFF, offer(bad))
    end
  end)

  it("fails on a field that is no list of extensions", function()
    for _, bad in ipairs(BROKEN) do fails(OFF, offer("server_max_window_bits" .. bad)) end
    for _, bad in ipairs {offer "", ";", "permessage-deflate;", "permessage-deflate=1",
      "permessage-deflate; =9", "permessage-deflate server_no_context_takeover"} do
      fails(OFF, bad)
    end
  end)
end)
