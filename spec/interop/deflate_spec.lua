-- Our ends and those of Python's `websockets` and Node's `ws` with each
-- combination of permessage-deflate's parameters that they support, in both roles.
-- The peers are deflate_peer.py and deflate_peer.mjs; README.md says how they get the
-- terms.

local websock = require "websock"
local compressed = require "support.compressed"
local process = require "support.process"

local peers = {
  -- zlib's raw deflate refuses a window of 8 bits, and Python says so
  {"Python websockets", {process.python, "spec/interop/deflate_peer.py"}, least = 9},
  {"Node ws", {"node", "spec/interop/deflate_peer.mjs"}, least = 8},
}

local WINDOWS = {{15, 15}, {12, 12}, {9, 15}, {15, 9}, {10, 11}, {8, 15}, {15, 8}, {8, 8}}
local TAKEOVERS = {{"t", "t"}, {"n", "t"}, {"t", "n"}, {"n", "n"}}

-- Those that exchange a thousand messages of each kind. "default": whatever our
-- defaults and the peer's agree on.
local MAIN = {"default", "12n:12n", "15t:15t", "9n:12t"}
local MANY, FEW, FLIGHT = 1000, 20, 50

-- All terms in which the peer compresses with at least its smallest window.
local function all_terms(peer, peer_is)
  local all = {}
  for _, bits in ipairs(WINDOWS) do
    for _, over in ipairs(TAKEOVERS) do
      if bits[peer_is == "server" and 1 or 2] >= peer.least then
        all[#all + 1] = bits[1] .. over[1] .. ":" .. bits[2] .. over[2]
      end
    end
  end
  return all
end

-- The parameters for these terms; none for a default.
local function parameters(terms)
  local server, s, client, c = terms:match "^(%d+)(%a):(%d+)(%a)$"
  return {
    server_no_context_takeover = s == "n" or nil, client_no_context_takeover = c == "n" or nil,
    server_max_window_bits = math.tointeger(server), client_max_window_bits = math.tointeger(client),
  }
end

local function compress(terms)
  if terms == "default" then return true end
  local all = compressed.options(parameters(terms))
  all.threshold = 0
  return all
end

-- The terms that are agreed on are exactly those asked for.
local function assert_agreed(terms, value)
  local name, agreed = compressed.parse(value)
  assert.equal("permessage-deflate", name)
  if terms == "default" then return end
  for _, bits in ipairs {"server_max_window_bits", "client_max_window_bits"} do
    agreed[bits] = agreed[bits] or 15
  end
  assert.same(parameters(terms), agreed, terms)
end

local function start(peer, ...)
  local words = table.pack(table.unpack(peer[2]))
  for _, word in ipairs {...} do words[#words + 1] = tostring(word) end
  return process.start(words, {turn = websock.sleep})
end

-- `count` messages of a kind that differ in size.
local function messages(kind, count)
  local all, list, at = compressed.zlib():bytes(kind, count * 800 + 1500), {}, 1
  for i = 1, count do
    local size = i * i * 7 % 1500
    list[i] = all:sub(at, at + size - 1)
    at = at + (kind == "zeros" and 0 or size)
  end
  return list
end

-- Sends each and compares the echoes, while several are on their way.
local function exchange(ws, list, kind)
  for from = 1, #list, FLIGHT do
    local to = math.min(from + FLIGHT - 1, #list)
    for i = from, to do assert(ws:send(list[i], kind)) end
    for i = from, to do
      local back, back_kind = ws:receive(60)
      assert(back == list[i] and back_kind == kind, ("message %d: %s"):format(i, back_kind))
    end
  end
end

for _, peer in ipairs(peers) do
  describe(peer[1] .. " and compression #slow", function()
    teardown(compressed.stop)

    -- Its server with each of the terms, and our client.
    local function as_server(list, count)
      local server <close> = start(peer, "server", table.unpack(list))
      local kinds = {json = messages("json", count), random = messages("random", count),
        zeros = messages("zeros", count)}
      for _, terms in ipairs(list) do
        local port = server:expect("port " .. terms .. " (%d+)\n")
        local ws <close> = assert(websock.connect("ws://127.0.0.1:" .. port,
          {timeout = 30, compress = compress(terms)}))
        assert_agreed(terms, ws.extensions)
        for kind, sent in pairs(kinds) do
          exchange(ws, sent, kind == "json" and "text" or "binary")
        end
      end
    end

    -- Its client, and our server with each of the terms.
    local function as_client(list, count)
      local servers <close> = setmetatable({}, {__close = function(all)
        for _, server in ipairs(all) do server:stop(0) end
      end})
      local words, echoed = {}, 0
      for i, terms in ipairs(list) do
        servers[i] = assert(websock.listen {port = 0, compress = compress(terms), handler = function(ws)
          for message, kind in ws:messages() do
            assert(ws:send(message, kind))
            echoed = echoed + 1
          end
        end})
        local _, port = servers[i]:getsockname()
        words[2 * i - 1], words[2 * i] = terms, "ws://127.0.0.1:" .. port
      end
      local client <close> = start(peer, "client", count, table.unpack(words))
      local status, output = client:wait()
      assert.equal(0, status, output)
      local seen = 0
      for terms, extensions, same in output:gmatch "(%S+) ([^:\n]+): same (%d+)\n" do
        seen = seen + 1
        assert.equal(list[seen], terms)
        assert_agreed(terms, extensions)
        assert.equal(3 * count, tonumber(same), terms)
      end
      assert.same({#list, 3 * count * #list}, {seen, echoed}, output)
    end

    it("agrees on everything that its server can", function()
      as_server(all_terms(peer, "server"), FEW)
    end)

    it("agrees on everything that its client can", function()
      as_client(all_terms(peer, "client"), FEW)
    end)

    for _, terms in ipairs(MAIN) do
      it("a thousand messages of each kind, its server, " .. terms, function()
        as_server({terms}, MANY)
      end)

      it("a thousand messages of each kind, its client, " .. terms, function()
        as_client({terms}, MANY)
      end)
    end
  end)
end
