-- An object with a socket's methods that is not LuaSocket's, so that the library calls
-- its methods: each is passed on to a LuaSocket object, and counted.

---@param sock userdata # of LuaSocket
---@return table # its field `calls` counts the calls of each method
return function(sock)
  local object = {calls = {}}
  for _, name in ipairs {"receive", "send", "getfd", "settimeout", "close", "shutdown"} do
    object[name] = function(self, ...)
      self.calls[name] = (self.calls[name] or 0) + 1
      return sock[name](sock, ...)
    end
  end
  return object
end
