-- Connections with the library at one end and a wire-level peer at the other, and checks
-- of the loop after a test.

local socket = require "socket"
local websock = require "websock"
local raw = require "support.raw"

local ends = {}

local open = {}  -- functions that close what a test has opened

local function at_end(f) open[#open + 1] = f end

ends.at_end = at_end

---Runs f in a coroutine of the loop until it has ended; returns its results.
function ends.inside(f, ...)
  local results
  websock.spawn(function(...)
    results = table.pack(pcall(f, ...))
    websock.stop()
  end, ...)
  repeat websock.run() until results
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

-- Calls pass(seconds) until done() is true.
local function repeat_until(done, pass, seconds)
  local deadline = socket.gettime() + raw.patience
  while not done() do
    assert(socket.gettime() < deadline, "it took too long")
    pass(seconds)
  end
end

---Turns the loop until done() is true.
function ends.turn_until(done)
  repeat_until(done, websock.step, 0.01)
end

---The same for those who run in a coroutine of the loop.
function ends.wait_until(done)
  repeat_until(done, websock.sleep, 0.005)
end

---A client connection and its peer.
---@param options? table # of websock.connect
---@param fields? table # of the response: see frames.response
function ends.client(options, fields)
  local listener <close> = raw.server()
  local peer
  websock.spawn(function()
    peer = assert(listener:accept())
    peer:welcome(fields)
  end)
  local ws = assert(websock.connect("ws://127.0.0.1:" .. listener.port, options))
  at_end(function()
    ws:abort()
    peer:close()
  end)
  return ws, peer
end

---A server's connection, its peer and the server; its handler does nothing until
---the test is over.
---@param options? table # of websock.listen
---@param fields? table # of the request: see frames.request
function ends.server(options, fields)
  local all, ws, thread = {port = 0}, nil, nil
  for name, value in pairs(options or {}) do all[name] = value end
  function all.handler(connection)
    ws, thread = connection, coroutine.running()
    websock.park()
  end
  local server = ends.listen(all)
  local peer = raw.open(ends.port(server), fields)
  ends.turn_until(function() return thread end)
  at_end(function()
    websock.wake(thread)
    peer:close()
  end)
  return ws, peer, server
end

---Listens for one connection, which f(peer) handles in a coroutine; returns the URL.
function ends.serve(f)
  local listener = raw.server()
  local thread = websock.spawn(function()
    local peer <close> = assert(listener:accept())
    f(peer)
  end)
  at_end(function()
    coroutine.close(thread)
    listener:close()
  end)
  return "ws://127.0.0.1:" .. listener.port
end

---A server that stops with the test.
function ends.listen(options)
  local server = assert(websock.listen(options))
  at_end(function() server:stop(0) end)
  return server
end

function ends.port(server)
  return (select(2, server:getsockname()))
end

---A raw client that ends with the test.
function ends.open(server, ...)
  local peer, fields = raw.open(ends.port(server), ...)
  at_end(function() peer:close() end)
  return peer, fields
end

---The same, before its handshake.
function ends.dial(server)
  local peer = raw.client(ends.port(server))
  at_end(function() peer:close() end)
  return peer
end

---Two connected sockets, which end with the test.
function ends.socket_pair()
  local one, other = raw.pair()
  at_end(function()
    one:close()
    other:close()
  end)
  return one, other
end

---Closes everything; raises if the loop has work left then.
function ends.finish()
  while open[1] do table.remove(open)() end
  local deadline = socket.gettime() + raw.patience
  while websock.step(0.01) do
    if socket.gettime() > deadline then error("work is left to the loop", 2) end
  end
end

return ends
