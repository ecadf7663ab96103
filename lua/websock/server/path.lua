-- The paths of Unix sockets. A path is claimed by the process that has bound it,
-- and removed only by that one, as long as its socket is still there: a new server
-- may have renamed its own over it, and a forked child must leave it to its parent.

local core = require "websock.core"
local socket = require "websock.link.socket"

local path = {}

--- Says that this process has just bound a socket to a path.
---@return table claim
function path.claim(name)
  return {
    path = core.absolute(name) or name, socket = core.socket_at(name),
    process = core.process(),
  }
end

--- Removes the path of a claim unless it has become another's. To be called while
--- the socket is still open: its inode may be another's after that.
function path.release(claim)
  if claim.process == core.process() and claim.socket
      and core.socket_at(claim.path) == claim.socket then
    os.remove(claim.path)
  end
end

--- Removes a socket that nobody listens on any more; nothing else.
---@return boolean? # whether it is gone
function path.remove_stale(name)
  local found = core.socket_at(name)
  if not found then return false end
  local object = socket.new "unix"
  local _, err = object:connect(name)
  object:close()
  return err and err:lower() == "connection refused"
    and core.socket_at(name) == found and os.remove(name)
end

return path
