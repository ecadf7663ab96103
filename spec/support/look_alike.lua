-- What looks like a socket but is none of LuaSocket's, so that it is driven
-- through its methods: each is passed on to a LuaSocket object, and counted.

---@param sock userdata # of LuaSocket
---@return table # its `calls` are how often each method was called
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
