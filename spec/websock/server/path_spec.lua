-- The paths of Unix sockets: claimed when one is bound, removed as long as they belong to
-- that socket, taken over if nobody listens.

local core = require "websock.core"
local path = require "websock.server.path"
local unix = require "socket.unix"
local unistd = require "support.unistd"
local ends = require "support.ends"

local function free_path()
  local name = os.tmpname()
  os.remove(name)
  ends.at_end(function() os.remove(name) end)
  return name
end

-- A socket bound to a path, listening unless told not to.
local function bind(name, silent)
  local object = assert(unix.stream())
  assert(object:bind(name))
  if not silent then assert(object:listen()) end
  ends.at_end(function() object:close() end)
  return object
end

local function is_there(name)
  return os.rename(name, name) ~= nil
end

describe("path", function()
  after_each(function() ends.finish() end)

  describe("claim", function()
    it("removes the path when it is released", function()
      local name = free_path()
      bind(name)
      path.release(path.claim(name))
      assert.is_false(is_there(name))
    end)

    it("does nothing once the path is gone", function()
      local name = free_path()
      bind(name)
      local claim = path.claim(name)
      os.remove(name)
      path.release(claim)
      assert.is_false(is_there(name))
    end)

    it("leaves another socket that was bound or renamed to the same path", function()
      local name, other = free_path(), free_path()
      bind(name)
      local claim = path.claim(name)
      os.remove(name)
      bind(name)
      path.release(claim)
      assert.is_true(is_there(name))
      bind(other)
      assert(os.rename(other, name))
      path.release(claim)
      assert.is_true(is_there(name))
    end)

    it("leaves what is no socket, such as a link to its own socket", function()
      local name, moved = free_path(), free_path()
      bind(name)
      local claim = path.claim(name)
      assert(os.rename(name, moved))
      io.open(name, "w"):close()
      path.release(claim)
      assert.is_true(is_there(name))
      os.remove(name)
      assert(os.execute(("ln -s %s %s"):format(moved, name)))
      path.release(claim)
      assert.is_true(is_there(name))
      assert.is_true(is_there(moved))
    end)

    it("does nothing in a child of the process that made it", function()
      local name = free_path()
      bind(name)
      local claim = path.claim(name)
      local child = unistd.fork()
      if child == 0 then
        pcall(path.release, claim)
        unistd.exit(0)
      end
      assert.equal(0, unistd.wait(child))
      assert.is_true(is_there(name))
      path.release(claim)
      assert.is_false(is_there(name))
    end)

    it("is of the same path after a change of the working directory", function()
      local folder = free_path()
      assert(os.execute("mkdir " .. folder))
      ends.at_end(function() os.execute("rm -r " .. folder) end)
      local child = unistd.fork()
      if child == 0 then
        local ok = pcall(function()
          unistd.chdir(folder)
          bind "name"
          local claim = path.claim "name"
          assert(claim.path == folder .. "/name")
          unistd.chdir "/"
          path.release(claim)
        end)
        unistd.exit(ok and 0 or 1)
      end
      assert.equal(0, unistd.wait(child))
      assert.is_false(is_there(folder .. "/name"))
    end)
  end)

  describe("remove_stale", function()
    it("removes a socket that nobody has open", function()
      local name = free_path()
      bind(name):close()
      assert.is_true(path.remove_stale(name))
      assert.is_false(is_there(name))
    end)

    it("leaves a socket where somebody listens, and does nothing without a socket", function()
      local name = free_path()
      assert.is_false(path.remove_stale(name))
      bind(name)
      assert.is_falsy(path.remove_stale(name))
      assert.is_true(is_there(name))
    end)

    it("leaves files, folders, FIFOs and links, at once", function()
      for _, command in ipairs {"touch %s", "mkdir %s", "mkfifo %s", "ln -s /dev/null %s"} do
        local name = free_path()
        assert(os.execute(command:format(name)))
        assert.is_falsy(path.remove_stale(name), command)
        assert.is_true(is_there(name), command)
      end
    end)

    it("leaves a link to a socket that nobody has open", function()
      local name, link = free_path(), free_path()
      bind(name):close()
      assert(os.execute(("ln -s %s %s"):format(name, link)))
      assert.is_falsy(path.remove_stale(link))
      assert.is_true(is_there(link))
      assert.is_true(is_there(name))
    end)
  end)
end)

describe("core.socket_at", function()
  after_each(function() ends.finish() end)

  it("distinguishes sockets, by any path", function()
    local one, two, three = free_path(), free_path(), free_path()
    bind(one)
    bind(two)
    local id = core.socket_at(one)
    assert.is_string(id)
    assert.not_equal(id, core.socket_at(two))
    assert(os.rename(one, three))
    assert.is_nil(core.socket_at(one))
    assert.equal(id, core.socket_at(three))
  end)

  it("is nil if there is no socket", function()
    assert.is_nil(core.socket_at "/")
    assert.is_nil(core.socket_at "/none/at/all")
    assert.is_nil(core.socket_at "")
  end)
end)
