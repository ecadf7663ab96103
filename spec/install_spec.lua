-- `make install` in a folder of one's own: the command starts there, also by a link;
-- scripts run with the variables that it prints; `make uninstall` leaves nothing
-- behind.

local process = require "support.process"

local function answer(command)
  local pipe <close> = assert(io.popen(command))
  return pipe:read "l"
end

local ROOT, LUA = answer "pwd", answer "scripts/lua --which"

-- The search paths without this checkout.
local function elsewhere(path)
  local kept = {}
  for entry in path:gmatch "[^;]+" do
    if entry:find "^/" and not entry:find(ROOT, 1, true) then
      kept[#kept + 1] = entry
    end
  end
  return table.concat(kept, ";")
end

describe("make install", function()
  local folder, said

  local function shell(script)
    return process.run({"sh", "-c", "cd '" .. folder .. "' && " .. script}, {env = {
      LUA_PATH = elsewhere(package.path), LUA_CPATH = elsewhere(package.cpath),
      LUA = LUA, ROOT = ROOT, MAKEFLAGS = "",
    }})
  end

  setup(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir " .. folder))
    local status
    status, said = shell 'make -s -C "$ROOT" install PREFIX="$PWD/a"'
    assert.equal(0, status, said)
  end)

  teardown(function() os.execute("rm -r " .. folder) end)

  it("installs a command that starts", function()
    local status, output = shell '"$LUA" a/bin/websock --version'
    assert.matches("^websock %S+\n$", output)
    assert.equal(0, status)
  end)

  it("installs a command that starts by a link", function()
    local status, output = shell [[ln -s a/bin/websock link &&
      mkdir 'it'\''s' && ln -s ../link 'it'\''s/here' &&
      "$LUA" 'it'\''s/here' --version]]
    assert.matches("^websock %S+\n$", output)
    assert.equal(0, status)
  end)

  it("installs the manual page", function()
    assert.equal(0, (shell "test -s a/share/man/man1/websock.1"))
  end)

  it("prints variables that let scripts find it", function()
    local exports = said:match "  export LUA_PATH=.*$"
    local status, output = shell(exports .. [["$LUA" -e '
      print(package.searchpath("websock", package.path))
      print(require "websock.core" == package.loaded["websock.core"])']])
    assert.matches("^" .. folder .. "/a/share/lua/5%.4/websock/init%.lua\ntrue\n$", output)
    assert.equal(0, status)
  end)

  it("does not print them with a package's DESTDIR", function()
    local status, output = shell
      'make -s -C "$ROOT" install DESTDIR="$PWD/b" PREFIX=/opt/x && ls b/opt/x'
    assert.not_matches("export", output)
    assert.matches("bin\ninclude\nlib\nshare\n$", output)
    assert.equal(0, status)
  end)

  it("is undone by make uninstall", function()
    local status, output = shell [[make -s -C "$ROOT" install PREFIX="$PWD/c" &&
      touch c/share/mine && make -s -C "$ROOT" uninstall PREFIX="$PWD/c" &&
      find c && rm c/share/mine && make -s -C "$ROOT" uninstall PREFIX="$PWD/c" &&
      find . -name c]]
    assert.matches("c\nc/share\nc/share/mine\n$", output)
    assert.equal(0, status)
  end)
end)
