-- The paths of Unix sockets. The process that has bound a path claims it, and only that
-- process removes it, if its socket is still there: a new server may have renamed its
-- own socket over it, and a forked child must leave it to its parent.

local core = require "websock.core"

local path = {}

--- Claims a path to which this process has just bound a socket.
---@return table claim
function path.claim(name)
  return {
    path = core.absolute(name) or name, socket = core.socket_at(name),
    process = core.process(),
  }
end

--- Removes the path of a claim unless another socket is there now. To be called while
--- the socket is open, because its inode may be reused after that.
function path.release(claim)
  if claim.process == core.process() and claim.socket
      and core.socket_at(claim.path) == claim.socket then
    os.remove(claim.path)
  end
end

--- Removes a socket on which no process listens any more, and nothing else.
---@return boolean? # whether it was removed
function path.remove_stale(name)
  local found = core.socket_at(name)
  if not found then return false end
  local fd, err = core.connect("unix", name)
  if fd then core.closefd(fd) end
  return err == "connection refused" and core.socket_at(name) == found and os.remove(name)
end

return path
