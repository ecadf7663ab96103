-- The server that spec/cli_spec.lua runs bin/websock against, a process of its
-- own. It does what a message tells it to, and sends back whatever else comes.
local websock = require "websock"

local answers = {}

function answers.header(ws, name)
  ws:send(tostring(ws.request.headers[name]))
end

function answers.close(ws, code, reason)
  ws:close(math.tointeger(tonumber(code)), reason)
end

function answers.abort(ws)
  ws:abort()
end

function answers.size(ws, bytes)
  ws:send(("x"):rep(math.tointeger(tonumber(bytes))))
end

function answers.binary(ws, bytes)
  ws:send(bytes, "binary")
end

-- Speaks when a client that only waits for pongs would have gone.
function answers.later(ws, words)
  websock.spawn(function()
    websock.sleep(0.2)
    ws:send(words)
    ws:close(1000, "that was it")
  end)
end

local server = assert(websock.listen {
  port = 0,
  protocols = {"chat", "soap"},
  authorize = function(request) return request.path ~= "/nowhere", 404 end,
  handler = function(ws)
    for message, kind in ws:messages() do
      local name, a, b = message:match("^do (%S+) ?(%S*) ?(.*)$")
      if name then answers[name](ws, a, b) else ws:send(message, kind) end
    end
  end,
})
print("port " .. select(2, server:getsockname()))
io.stdout:flush()
websock.run()
