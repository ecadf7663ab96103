-- Topics of a server and their subscribers. Everything about topics goes through the
-- four methods of this object. A bus between servers wraps it: an object with the same
-- methods, which calls these and sees in `audiences` whether a subscriber was the
-- first, or the last one to leave.

local Audience = require "websock.server.audience"

local Topics = {}
Topics.__index = Topics

---@param turn userdata # of the loop, which writes what is queued
function Topics.new(turn)
  return setmetatable({turn = turn, audiences = {}}, Topics)
end

--- Adds a link to a topic's audience, once.
function Topics:subscribe(link, topic)
  local all = self.audiences
  link.topics = link.topics or {}
  link.topics[topic] = true
  local audience
  repeat  -- a finalizer may have changed the topics meanwhile
    audience = all[topic] or Audience.new()
    all[topic] = all[topic] or audience
    audience:add(link.conn)
  until all[topic] == audience
  if link.stage ~= "open" then self:unsubscribe(link, topic) end  -- or closed this link
end

--- Removes a link from a topic's audience, and the topic if that was its last.
function Topics:unsubscribe(link, topic)
  if link.topics then link.topics[topic] = nil end
  local audience = self.audiences[topic]
  if not audience then return end
  audience:remove(link.conn)
  if #audience == 0 then self.audiences[topic] = nil end
end

--- Removes a link that is no longer open from all of its topics.
function Topics:leave(link)
  for topic in pairs(link.topics) do self:unsubscribe(link, topic) end
  link.topics = nil
end

--- Queues a message for a topic's audience: see Audience:tell.
---@return integer delivered, integer dropped
function Topics:publish(topic, message, kind, except, policy)
  local audience = self.audiences[topic]
  if not audience then return 0, 0 end
  return audience:tell(self.turn, message, kind, except, policy)
end

return Topics
