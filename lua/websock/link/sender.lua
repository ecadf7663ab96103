-- Frames into the queue of a link: at once if there is room, else in line behind
-- those who came before.

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

-- What has just been queued leaves with the turn; outside the loop, now.
function sender.queued(link, bytes)
  if bytes == 0 then return end
  if link.loop.how() == "turn" then link:push() else link:mark() end
end

--- Raises about a text message that is none.
function sender.no_text(where)
  misuse('%s: a text message must be UTF-8 (or send it as "binary")', where)
end

-- One frame into the queue, if there is room. writer: it is a writer's; compress:
-- nil leaves it to the core.
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

-- A place in the line. Whoever leaves it, to send or for good (its coroutine may
-- be closed), lets the next have a look: there may be room for both.
local Place = {__close = function(self)
  local link = self.link
  if link[self.line] then link[self.line]:leave(self.thread) end
  if link.conn:backlog() <= link.options.max_queue then link:wake_sender() end
end}

-- Waits: a writer in front of the line, others in it, at its head again if their
-- turn had come. Returns what ended it, and whether nobody is before this one.
local function wait_in_line(link, deadline, first, writer)
  local thread, line = running(), writer and "writers" or "senders"
  local _ <close> = setmetatable({link = link, thread = thread, line = line}, Place)
  link.conn:line(true)
  link:line_up(line, thread, first)
  local _, err = link.loop.park(deadline, link)
  return err, link[line] ~= nil and link[line]:is_first(thread)
end

-- Waits until the frame can be queued.
local function send_in_turn(where, link, timeout, message, opcode, more, writer, compress)
  local deadline, first = deadline_of(link, timeout), false
  repeat
    local err, is_next = wait_in_line(link, deadline, first, writer)
    if err and is_next then link:last_look() end
    local ok, why, code, reason = try_send(where, link, message, opcode, more, writer,
      compress)
    if ok or why == "closed" then return ok, why, code, reason end
    first = true
  until err == "timeout"
  return nil, "timeout"
end

-- Whether it cannot wait: for the end of the message that this coroutine itself is
-- writing, or beside another one that waits to write with the same writer.
local function is_busy(link, writer)
  if not writer then
    return link.writing and link.writing[1] == link.loop.caller()
  end
  return link:first_in "writers"
end

-- In this order: closed, its own writer, the line, try, wait. Outside the loop
-- nobody else may ever read: then it looks whether a Close has come, and has pings
-- answered.
-- where: who was called.
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

return sender
