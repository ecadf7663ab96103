-- Topics of a server: who has subscribed to what.

local Audience = require "websock.server.audience"
local misuse = require "websock.base.misuse"

local topics = {}

--- Raises unless the topic is a string.
function topics.check(where, topic)
  if type(topic) ~= "string" then
    misuse("%s: topic: string expected, got %s", where, type(topic))
  end
end

--- Adds a link to a topic's audience, once.
function topics.subscribe(link, topic)
  local all = link.server.topics
  link.topics = link.topics or {}
  link.topics[topic] = true
  local audience
  repeat  -- again if a finalizer has changed the topics meanwhile
    audience = all[topic] or Audience.new()
    all[topic] = all[topic] or audience
    audience:add(link)
  until all[topic] == audience
  if link.stage ~= "open" then topics.leave(link) end  -- or closed this link
end

--- Takes it out again; a topic that nobody has subscribed to is forgotten.
function topics.unsubscribe(link, topic)
  if not link.topics or not link.topics[topic] then return end
  link.topics[topic] = nil
  local all = link.server.topics
  local audience = all[topic]
  audience:remove(link)
  if audience.n == 0 then all[topic] = nil end
end

--- A link that is no longer open leaves all of its topics.
function topics.leave(link)
  if not link.topics then return end
  for topic in pairs(link.topics) do topics.unsubscribe(link, topic) end
  link.topics = nil
end

return topics
