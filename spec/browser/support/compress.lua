-- The server of spec/browser/compress.mjs: a page, and an echo with compression
-- on a port for each of several terms. A connection's first message is what was
-- agreed on.
local websock = require "websock"

local FREE = {server_no_context_takeover = false, client_no_context_takeover = false}

local function with(bits)
  local terms = {threshold = 0, server_max_window_bits = bits, client_max_window_bits = bits}
  for name, value in pairs(FREE) do terms[name] = value end
  return terms
end

local TERMS = {
  {"default", true}, {"all", {threshold = 0}}, {"takeover", with(15)}, {"nine", with(9)}, {"eight", with(8)},
  {"none", false},
}

local function echo(ws)
  ws:send(ws.extensions or "none")
  for message, kind in ws:messages() do ws:send(message, kind) end
end

local urls = {}
for _, terms in ipairs(TERMS) do
  local server = assert(websock.listen {
    port = 0, origins = "*", compress = terms[2], max_message = 2 << 20, handler = echo,
  })
  local _, port = server:getsockname()
  urls[#urls + 1] = ('"%s":"ws://127.0.0.1:%d/"'):format(terms[1], port)
end

local page = "<!DOCTYPE html><title>compression</title><link rel=icon href=data:,><script>const urls = {"
  .. table.concat(urls, ",") .. "}</script>"

local server = assert(websock.listen {
  port = math.tointeger(arg[1]), handler = echo,
  http = function() return 200, {["Content-Type"] = "text/html"}, page end,
})
websock.signal("TERM", function() os.exit(0) end)
print(("compress on http://127.0.0.1:%d/"):format((select(2, server:getsockname()))))
io.stdout:flush()
websock.run()
