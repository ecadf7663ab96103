-- Sockets of LuaSocket, or objects with its methods: takes their descriptors over where
-- that is possible, and makes LuaSocket objects for our descriptors.

local core = require "websock.core"
local driver = require "websock.link.driver"
local misuse = require "websock.base.misuse"
local text_of = require "websock.base.text"

local socket = {}

-- Whether a table with a field `socket` is a Copas wrapper: it has no getfd, or says so.
local function is_wrapper(object)
  local ok, method = pcall(function() return object.getfd end)
  return ok and method == nil or tostring(object):find("(copas wrapped)", 1, true)
end

--- Returns the socket inside of a Copas wrapper; any other object itself.
function socket.unwrap(object)
  if type(object) ~= "table" then return object end
  local inner = rawget(object, "socket")
  return inner and is_wrapper(object) and inner or object
end

local unwrap = socket.unwrap

local function is_luasocket(object)
  local name = tostring(object)
  return type(object) == "userdata"
    and (name:find "^tcp{" or name:find "^unix") ~= nil
end

--- Whether an object is driven through its methods, as LuaSec's are.
function socket.is_foreign(object)
  return not is_luasocket(unwrap(object))
end

-- Closes an object unless it was taken.
local Given = {__close = function(self)
  if not self.taken then pcall(function() self.object:close() end) end
end}

--- Returns a guard for a to-be-closed variable: the library owns the socket object that
--- it was given, and closes it however the call ends, unless `taken` is set.
---@return table? # nil if nothing was given
function socket.given(object)
  if not object then return nil end
  return setmetatable({object = object}, Given)
end

-- Returns the bytes that LuaSocket has read ahead.
local function drain(object)
  local bytes = {}
  while object:dirty() do
    local data, err, partial = object:receive(8192)
    bytes[#bytes + 1] = data or partial
    if not data and err ~= "timeout" then break end
  end
  return table.concat(bytes)
end

local function check_methods(where, object)
  for _, name in ipairs {"receive", "send", "getfd", "settimeout", "close"} do
    local ok, method = pcall(function() return object[name] end)
    if not ok or type(method) ~= "function" then
      misuse("%s: a socket object needs the method '%s'", where, name)
    end
  end
end

--- Takes the descriptor of a socket object; raises if it has none.
---@param where string # the function called, and perhaps the option
---@return integer fd, table driver, any object, string received
function socket.take(where, object)
  object = unwrap(object)
  check_methods(where, object)
  object:settimeout(0)
  local fd = math.tointeger(object:getfd())
  if not fd or fd < 0 then misuse("%s: the socket is closed", where) end
  if not is_luasocket(object) then return fd, driver.methods, object, "" end
  local received = drain(object)
  object:setfd(-1)
  core.nonblocking(fd)
  return fd, driver.native, nil, received
end

--- The same for a listening socket object.
function socket.take_listener(where, object)
  object = unwrap(object)
  if not is_luasocket(object) or not tostring(object):find("{server}", 1, true) then
    misuse("%s: option 'socket': a listening LuaSocket object expected, got %s", where,
      text_of(object))
  end
  local fd = math.tointeger(object:getfd())
  if not fd or fd < 0 then misuse("%s: option 'socket': it is closed", where) end
  object:setfd(-1)
  core.nonblocking(fd)
  return fd
end

-- A module of LuaSocket. Only a program that asks for its objects needs it.
local function luasocket(name)
  local ok, module = pcall(require, name)
  if ok then return module end
  misuse("ws:socket() needs LuaSocket: %s", text_of(module):match "^[^\n]*")
end

local function new_object(family)
  if family == "unix" then return luasocket("socket.unix").stream() end
  if family == "inet6" then return luasocket("socket").tcp6() end
  return luasocket("socket").tcp4()
end

--- A LuaSocket object on a duplicate of fd: options and names reach the same
--- socket, and collecting or closing the object does not close ours. Raises where
--- there is no LuaSocket.
function socket.handle(fd)
  local _, _, family = core.localname(fd)
  local object = new_object(family)
  local copy = core.dupfd(fd)
  if not object or not copy then return nil end
  if object:getfd() >= 0 then object:close() end
  object:setfd(copy)
  object:settimeout(0)
  return object
end

return socket
