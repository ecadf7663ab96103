-- The Lua functions that ws:receive, ws:receive_part and ws:messages call. Those are C
-- functions, in csrc/binding/lua_ws_receive.c; they also call methods of link.lua.

local blocking = require "websock.link.blocking"
local core = require "websock.core"
local misuse = require "websock.base.misuse"
local options = require "websock.base.options"

local mistakes = {}

function mistakes.no_timeout(where, value)
  options.check_timeout(value, where)
end

function mistakes.in_parts(where)
  misuse("%s: a message is being received in parts (receive_part)", where)
end

function mistakes.busy(where)
  misuse("%s: another coroutine, or on_message, is receiving", where)
end

--- Returns the three methods.
---@param loop table
---@param no_connection function # raises: (where, value that is no ws)
---@return function receive, function receive_part, function messages
return function(loop, no_connection)
  local asked = {may_turn = blocking.may_turn, deadline = loop.deadline,
    no_connection = no_connection, cannot_wait = loop.must}
  for name, raise in pairs(mistakes) do asked[name] = raise end
  return core.receive(loop.turn, asked, loop.wrap)
end
