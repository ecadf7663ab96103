-- Rows: `websock.reconnect`, whose loop body runs in a coroutine of the host.

local websock = require "websock"
local assert = require "luassert"
local new_list = require "support.hosts.list"
local raw = require "support.raw"

local rows, row = new_list()

local BACKOFF = {min = 0.001, max = 0.01}

local function url_of(port) return ("ws://127.0.0.1:%d/"):format(port) end

row("reconnect: a fresh connection after each end", function(t)
  local server = t:listen {handler = function(ws) ws:send(ws:receive()) end}
  local _, port = server:getsockname()
  local seen = {}
  for ws in websock.reconnect(url_of(port), {backoff = BACKOFF}) do
    t:own()
    assert.is_nil(seen[ws])
    seen[ws] = true
    t:ok(ws:send "once")
    assert.equal("once", (t:ok(ws:receive())))
    local _, err, code = ws:receive()
    assert.same({"closed", 1000}, {err, code})
    seen[#seen + 1] = ws
    if #seen == 3 then break end
  end
  t:own()
  for _, ws in ipairs(seen) do assert.equal("closed", ws:state()) end
end, {hooks = true})

row("reconnect: through a time without a server", function(t)
  local reserved <close> = raw.reserve()
  local port = reserved.port
  local failures = {}
  local function on_retry(err, delay, attempt)
    t:own()
    table.insert(failures, {err, attempt})
    assert.is_true(delay >= 0)
    if attempt == 3 then t:listen {port = port} end
  end
  for ws in websock.reconnect(url_of(port), {backoff = BACKOFF, on_retry = on_retry}) do  -- luacheck: ignore 512
    t:own()
    t:assert_echo(ws)
    break
  end
  assert.same({{"connect: connection refused", 1}, {"connect: connection refused", 2},
    {"connect: connection refused", 3}}, failures)
end, {hooks = true})

row("reconnect: an error that lasts ends it", function(t)
  local server = t:listen {authorize = function() return false, 401 end}
  local _, port = server:getsockname()
  local told
  for _ in websock.reconnect(url_of(port), {on_retry = function(err, delay, attempt, response)
    t:own()
    told = {err, delay == nil, attempt, tostring(response)}
  end}) do
    error "it is connected"
  end
  t:own()
  assert.same({"refused", true, 1, "401 Unauthorized"}, told)
end, {hooks = true})

return rows
