-- The drivers that move a link's bytes: `native` over a descriptor that the connection
-- owns, `methods` through the methods of a socket object whose descriptor cannot be
-- taken over (LuaSec's, or a user's own: receive, send, getfd, settimeout).
--
--   open(link, fd, ...)   pull(link, want) -> flags | nil, err; sets conn:more
--   push(link, ready) -> bytes left | nil, err
--   unread(link) -> bytes that a close would discard
--   shutdown(link): ends our side         close(link)

local core = require "websock.core"
local text_of = require "websock.base.text"

local native = {}

-- stream: a stream of the core, which has the descriptor; it may hold bytes that the
-- poller does not see.
function native.open(link, fd, stream)
  link.conn:attach(stream or fd)
  if stream then link.conn:more(true) end
end

function native.pull(link, want)
  return link.conn:pull(want)
end

function native.push(link, ready)
  return link.conn:push(ready)
end

function native.unread(link)
  return link.conn:pending()
end

function native.shutdown(link)
  link.conn:shutdown()
end

function native.close(link)
  link.conn:closefd()
end

local methods = {}

local MORE, END, DRY = core.SAW.MORE, core.SAW.END, core.SAW.DRY
local CHUNK = 8192

-- Errors of LuaSocket and LuaSec that only mean "not now".
local NOT_READY = {timeout = true, wantread = true, wantwrite = true}

function methods.open(link, _, socket)
  link.object = socket
  socket:settimeout(0)
end

-- Calls a method of the socket object. If it raises, the connection counts as lost.
local function invoke(link, name, ...)
  local ok, a, b, c = pcall(link.object[name], link.object, ...)
  if ok then return a, b, c end
  link.loop.report(a, nil, "websock: socket object: " .. text_of(a))
  return nil, "reset"
end

function methods.pull(link, want)
  local data, err, partial = invoke(link, "receive", CHUNK)
  local bytes = data or partial or ""
  local flags = data and MORE or 0
  if data or NOT_READY[err] then
    if bytes == "" then flags = flags | DRY end
  else
    flags = flags | END
  end
  local more, why = link.conn:feed(bytes, want)
  if not more then return nil, why end
  if flags & END ~= 0 then
    if err == "closed" then link.conn:eof() else link.conn:abort "reset" end
    more = more | link.conn:poll(want)
  end
  link.conn:more(flags & MORE ~= 0 or link.conn:hangup() and flags & (DRY | END) == 0)
  return flags | more
end

-- Offers the same bytes again, unchanged, until the socket object takes them: OpenSSL
-- requires that, and other objects may.
function methods.push(link)
  while true do
    local bytes = link.offered or link.conn:output(CHUNK)
    if bytes == "" then return 0 end
    local last, err, partial = invoke(link, "send", bytes)
    local sent = last or partial or 0
    link.conn:sent(sent)
    link.offered = sent < #bytes and bytes:sub(sent + 1) or nil
    if not last then
      if NOT_READY[err] then return link.conn:queued() end
      link.conn:forget()
      return nil, err
    end
  end
end

function methods.unread(link)
  return link.loop.probe(link.fd, "r") and 1 or 0
end

function methods.shutdown(link)
  local shutdown = link.object.shutdown
  if shutdown then pcall(shutdown, link.object, "send") end
end

function methods.close(link)
  invoke(link, "close")
end

return {native = native, methods = methods}
