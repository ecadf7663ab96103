-- Queues frames on a link: at once if there is room, else after waiting in line.

local blocking = require "websock.link.blocking"
local core = require "websock.core"
local heartbeat = require "websock.link.heartbeat"
local misuse = require "websock.base.misuse"
local options = require "websock.base.options"

local closed, deadline_of, may_wait = blocking.closed, blocking.deadline_of, blocking.may_wait
local running = coroutine.running

local sender = {}

local KINDS = {text = true, binary = true}

function sender.check_message(where, message, kind)
  if type(message) ~= "string" then
    misuse("%s: string expected, got %s", where, type(message))
  elseif not KINDS[kind] then
    misuse('%s: kind: "text" or "binary" expected, got %s', where,
      options.show(kind))
  end
end

-- Has the queue written at the end of the turn; outside the loop, now.
function sender.queued(link, bytes)
  if bytes == 0 then return end
  if link.loop.how() == "turn" then link:push() else link:mark() end
end

--- Raises about a text message that is not UTF-8.
function sender.no_text(where)
  misuse('%s: a text message must be UTF-8 (or send it as "binary")', where)
end

-- Queues one frame, if there is room. writer: a writer sends it; compress: nil leaves
-- it to the core.
local function try_send(where, link, message, opcode, more, writer, compress)
  if link.stage ~= "open" then return closed(link) end
  if link.writing and not writer then return nil, "writing" end
  local bytes, err = link.conn:send(message, opcode, link.options.max_queue, more,
    compress)
  if bytes then
    heartbeat.used(link)
    sender.queued(link, bytes)
    return true
  elseif err == "utf8" then
    sender.no_text(where)
  elseif err == "closed" then
    return closed(link)
  end
  return nil, err
end

-- A place in the line. Closing it, to send or because the coroutine ends, wakes the
-- next sender, as there may be room for both.
local Place = {__close = function(self)
  local link = self.link
  if link[self.line] then link[self.line]:leave(self.thread) end
  if link.conn:backlog() <= link.options.max_queue then link:wake_sender() end
end}

-- Waits in one of the link's lines. first: at its head, because the thread was first
-- before. Returns the error of `park`, and whether this thread is now first.
local function wait_in_line(link, line, deadline, first)
  local thread = running()
  local _ <close> = setmetatable({link = link, thread = thread, line = line}, Place)
  link.conn:line(true)
  link:line_up(line, thread, first)
  local _, err = link.loop.park(deadline, link)
  return err, link[line] ~= nil and link[line]:is_first(thread)
end

-- Waits until the frame can be queued.
local function send_in_turn(where, link, timeout, message, opcode, more, writer, compress)
  local deadline, first = deadline_of(link, timeout), false
  local line = writer and "writers" or "senders"
  repeat
    local err, is_next = wait_in_line(link, line, deadline, first)
    if err and is_next then link:last_look() end
    local ok, why, code, reason = try_send(where, link, message, opcode, more, writer,
      compress)
    if ok or why == "closed" then return ok, why, code, reason end
    first = true
  until err == "timeout"
  return nil, "timeout"
end

-- Whether waiting would never end, as this coroutine itself has the writer open; or
-- whether another coroutine already waits with the same writer.
local function is_busy(link, writer)
  if not writer then
    return link.writing and link.writing[1] == link.loop.caller()
  end
  return link:first_in "writers"
end

-- Sends a frame. Checks in this order: closed, own writer, the line; then tries, then
-- waits. Outside the loop this call may be the only one that reads, so it first
-- handles Close frames and pings that have arrived.
-- where: the name of the method called.
function sender.send(where, link, timeout, message, opcode, more, writer, compress)
  if link.stage == "open" and link.loop.how() == "turn" then link:look() end
  if link.stage ~= "open" then return closed(link) end
  if is_busy(link, writer) then return nil, "busy" end
  local ok, err, code, reason
  if writer or not link:first_in "senders" then
    ok, err, code, reason = try_send(where, link, message, opcode, more, writer, compress)
  end
  if ok or err == "closed" then return ok, err, code, reason end
  if not may_wait(link, timeout, where) then
    return nil, err == "writing" and "timeout" or "queue full"
  end
  if opcode == "text" and not more and not core.is_utf8(message) then
    sender.no_text(where)
  end
  return send_in_turn(where, link, timeout, message, opcode, more, writer, compress)
end

local function is_queued(link)
  return link.conn:queued() + link.conn:held() > 0
end

--- Waits until nothing is queued: true | nil, err, ...
function sender.flush(link, timeout)
  local deadline, err = deadline_of(link, timeout), nil
  local waits = may_wait(link, timeout, "flush")
  if link.stage ~= "gone" and link.loop.how() == "turn" then link:push() end
  while link.stage ~= "gone" and is_queued(link) do
    if err or not waits then return nil, "timeout" end
    err = wait_in_line(link, "flushers", deadline)
    if err then link:last_look() end
  end
  if link.stage == "closed" or link.stage == "gone" then return closed(link) end
  return true
end

return sender
