-- coroutine.close inside `connect` and `accept`, at each of their waits: the
-- descriptor is closed at once, and nothing is left to the loop.

local socket = require "socket"
local websock = require "websock"
local core = require "websock.core"
local certificates = require "support.certificates"
local descriptors = require "support.descriptors"
local ends = require "support.ends"
local frames = require "support.frames"
local look_alike = require "support.look_alike"
local raw = require "support.raw"
local secure = require "support.secure"
local wss = require "support.wss"

-- A coroutine of the loop in f, at its first wait.
local function begun(f, ...)
  local thread = websock.spawn(f, ...)
  websock.step(0)
  assert.equal("suspended", coroutine.status(thread))
  return thread
end

-- The descriptors that are open and were not before.
local function opened_since(before)
  local new = {}
  for fd in pairs(descriptors.list()) do
    if not before[fd] then new[#new + 1] = fd end
  end
  return new
end

-- Closes the thread; all descriptors that it has opened since `before` have to be closed.
-- Nothing of ours runs in the pauses: only a look-up that was given up earlier may, whose
-- thread still has a file open.
local function break_off(thread, before)
  assert.is_true(coroutine.close(thread))
  local deadline = socket.gettime() + raw.patience
  while opened_since(before)[1] and socket.gettime() < deadline do socket.sleep(0.01) end
  assert.same({}, opened_since(before))
  websock.step(0)
  assert.is_nil(websock.timeout())
  assert.is_false(websock.step(0))
  websock.run()
end

-- The descriptors that are open, including the loop's own, after a full collection.
local function open_now()
  websock.step(0)
  collectgarbage()
  return descriptors.list()
end

local function dialled(name, options)
  local all = {timeout = 1000, ping_interval = false}
  for key, value in pairs(options or {}) do all[key] = value end
  local own = type(all.socket) == "table"  -- which is taken to have its own TLS
  if name:find "^wss" and not own then all.tls = wss.trusting() end
  return begun(websock.connect, name, all)
end

describe("coroutine.close inside connect", function()
  after_each(function() ends.finish() end)

  for _, scheme in ipairs {"ws", "wss"} do
    describe("(" .. scheme .. ")", function()
      local listener, peer, url, before

      before_each(function()
        listener, peer = raw.server(), nil
        ends.at_end(function()
          listener:close()
          if peer then peer:close() end
        end)
        url = ("%s://localhost:%d/"):format(scheme, listener.port)
        if scheme == "wss" then certificates.of "server" end  -- made now
        before = open_now()
      end)

      it("during the look-up", function()
        break_off(dialled(url), before)
      end)

      it("during the TCP connect", function()
        local real = core.so_error
        ends.at_end(function() core.so_error = real end)
        local thread = dialled((url:gsub("localhost", "127.0.0.1")))
        core.so_error = function() error "it was decided already" end
        break_off(thread, before)
      end)

      -- Turns until the client has connected and has sent its first bytes.
      local function first_bytes(options)
        local thread = dialled(url, options)
        peer = assert(listener:accept())
        assert(peer:receive(1))
        before[peer.sock:getfd()] = true
        return thread
      end

      it(scheme == "ws" and "during the handshake" or "during the TLS handshake", function()
        break_off(first_bytes(), before)
        assert(peer:rest())
        assert.is_string(peer.ended)
      end)

      it("with a socket of the user's", function()
        local mine = assert(socket.connect("127.0.0.1", listener.port))
        local thread = dialled(url, {socket = mine})
        peer = assert(listener:accept())
        assert(peer:receive(1))
        before[peer.sock:getfd()] = true
        break_off(thread, before)
      end)

      it("of an object that is driven by its methods", function()
        local mine = assert(socket.connect("127.0.0.1", listener.port))
        local thread = dialled(url, {socket = look_alike(mine)})
        peer = assert(listener:accept())
        assert(peer:receive(1))
        before[peer.sock:getfd()] = true
        break_off(thread, before)
      end)

      it("of a Unix socket", function()
        local path = os.tmpname()
        os.remove(path)
        local unix = assert(require "socket.unix".stream())
        assert(unix:bind(path))
        assert(unix:listen(8))
        before = open_now()
        break_off(dialled(url, {unix = path}), before)
        unix:close()
        os.remove(path)
      end)
    end)
  end

  it("during the handshake inside TLS", function()
    local listener <close> = raw.server()
    local peer
    local before = open_now()
    local accepting = websock.spawn(function()
      peer = assert(secure.wrap(assert(listener:accept()), secure.server_params "server"))
      assert(peer:head())
    end)
    local thread = dialled(wss.url(listener.port))
    ends.turn_until(function() return coroutine.status(accepting) == "dead" end)
    before[peer.sock:getfd()] = true
    break_off(thread, before)
    peer:close()
  end)

  it("in the middle of a head, and of a refusal's body", function()
    for _, answer in ipairs {"HTTP/1.1 101 Switch", "HTTP/1.1 404 No\r\nContent-Length: 10\r\n\r\nhalf"} do
      local listener <close> = raw.server()
      local before = open_now()
      local thread = dialled("ws://127.0.0.1:" .. listener.port)
      local peer = assert(listener:accept())
      assert(peer:head())
      peer:send(answer)
      for _ = 1, 5 do websock.step(0) end
      before[peer.sock:getfd()] = true
      break_off(thread, before)
      peer:close()
    end
  end)

  it("and so does an error in the loop that it turns", function()
    local listener <close> = raw.server()
    local before = open_now()
    debug.sethook(function()  -- as Ctrl-C does
      if socket.select({listener.sock}, nil, 0)[1] then
        debug.sethook()
        error("interrupted!", 0)
      end
    end, "", 100)
    local ok, err = pcall(websock.connect, "ws://127.0.0.1:" .. listener.port)
    debug.sethook()
    assert.same({false, "interrupted!"}, {ok, err})
    websock.run()
    websock.step(0)
    assert.is_nil(websock.timeout())
    assert.same(before, open_now())
  end)
end)

describe("coroutine.close inside accept", function()
  local listener, peer, before

  before_each(function()
    listener = raw.server()
    ends.at_end(function()
      peer:close()
      listener:close()
    end)
  end)
  after_each(function() ends.finish() end)

  -- A coroutine in accept(object, options), and a client of it.
  local function accepting(options, make)
    peer = raw.client(listener.port)
    before = open_now()
    local object = assert(listener:accept()).sock
    local all = {ping_interval = false, handshake_timeout = 1000}
    for key, value in pairs(options or {}) do all[key] = value end
    return begun(websock.accept, (make or function(o) return o end)(object), all)
  end

  local function tls_of_server() return {tls = certificates.of "server"} end

  it("before anything has come", function()
    break_off(accepting(), before)
  end)

  it("before anything has come (wss)", function()
    break_off(accepting(tls_of_server()), before)
  end)

  it("in the middle of the request", function()
    local thread = accepting()
    peer:send(frames.request():sub(1, 20))
    for _ = 1, 5 do websock.step(0) end
    break_off(thread, before)
    assert(peer:rest())
    assert.is_string(peer.ended)
  end)

  it("of an object that is driven by its methods", function()
    local thread = accepting({}, look_alike)
    peer:send(frames.request():sub(1, 20))
    for _ = 1, 5 do websock.step(0) end
    break_off(thread, before)
  end)

  it("in the middle of the request inside TLS", function()
    local thread = accepting(tls_of_server())
    peer = assert(secure.wrap(peer, {}))
    peer:send(frames.request():sub(1, 20))
    for _ = 1, 5 do websock.step(0) end
    break_off(thread, before)
  end)

  for _, hook in ipairs {"authorize", "http", "protocols", "headers"} do
    it("in the hook " .. hook, function()
      local inside
      local thread = accepting {[hook] = function()
        inside = true
        websock.park()
      end}
      peer:send(hook == "http" and "GET / HTTP/1.1\r\nHost: here\r\n\r\n"
        or frames.request {["Sec-WebSocket-Protocol"] = "chat"})
      ends.turn_until(function() return inside end)
      break_off(thread, before)
    end)
  end
end)
