-- Proxies for tests: real ones (tinyproxy, microsocks; socat puts TLS before one), and one
-- whose every byte a test decides.

local socket = require "socket"
local certificates = require "support.certificates"
local ends = require "support.ends"
local process = require "support.process"
local raw = require "support.raw"
local relay = require "support.relay"

local proxies = {}

local function accepts(port)
  local sock <close> = setmetatable({sock = socket.tcp()}, {__close = function(self)
    self.sock:close()
  end})
  return sock.sock:connect("127.0.0.1", port) ~= nil
end

-- Waits until it listens; returns whether it does.
local function is_up(child, port)
  local deadline = socket.gettime() + raw.patience
  while not accepts(port) do
    if child:ended() then return false end
    assert(socket.gettime() < deadline, "it took too long")
    socket.sleep(0.01)
  end
  return true
end

-- Starts a program that listens, until the test ends; returns its port.
local function start(words_for)
  local reserved = raw.reserve()
  ends.at_end(reserved.close)
  local child = process.start(words_for(reserved.port))
  ends.at_end(function() child:stop() end)
  if is_up(child, reserved.port) then return reserved.port end
  error("no proxy: " .. child:output())
end

local function spill(text)
  local path = os.tmpname()
  local file <close> = assert(io.open(path, "w"))
  assert(file:write(text))
  ends.at_end(function() os.remove(path) end)
  return path
end

---An HTTP proxy; returns its port.
---@param user? string # "user password"
function proxies.http(user)
  return start(function(port)
    return {"tinyproxy", "-d", "-c", spill(table.concat({
      "Port " .. port, "Listen 127.0.0.1", "Timeout 600", "MaxClients 20",
      user and "BasicAuth " .. user or nil,
    }, "\n") .. "\n")}
  end)
end

---The same behind TLS, with a certificate of ours.
---@param name? string # the certificate ("server")
function proxies.https(user, name)
  local made, plain = certificates[name or "server"], proxies.http(user)
  return start(function(port)
    return {"socat",
      ("OPENSSL-LISTEN:%d,bind=127.0.0.1,reuseaddr,fork,verify=0,cert=%s,key=%s"):format(
        port, made.chain, made.key),
      "TCP:127.0.0.1:" .. plain}
  end)
end

---A SOCKS 5 proxy; returns its port.
---@param user? string
---@param password? string
function proxies.socks5(user, password)
  return start(function(port)
    local words = {"microsocks", "-i", "127.0.0.1", "-p", port}
    if user then table.move({"-u", user, "-P", password}, 1, 4, #words + 1, words) end
    return words
  end)
end

-- Reads up to a zero byte.
local function text_of(peer)
  local bytes = {}
  repeat bytes[#bytes + 1] = assert(peer:receive(1)) until bytes[#bytes] == "\0"
  return table.concat(bytes, nil, 1, #bytes - 1)
end

---A SOCKS 4A proxy for one connection, to any host's port on this machine; returns its port
---and the request, {user=, host=}.
function proxies.socks4a()
  local request = {}
  local url = ends.serve(function(peer)
    local version, command, port, address = (">BBI2c4"):unpack(assert(peer:receive(8)))
    assert(version == 4 and command == 1)
    request.user = text_of(peer)
    request.host = address == "\0\0\0\1" and text_of(peer) or address
    local far <close> = raw.client(port)
    peer:send "\0\90\0\0\0\0\0\0"
    relay.join(peer, far)
  end)
  return url:match ":(%d+)$", request
end

return proxies
