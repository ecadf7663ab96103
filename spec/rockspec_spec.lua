-- `luarocks make` in a clean copy of the checkout, offline, and the installed
-- rock at work without the checkout.

local process = require "support.process"

local function shell (command)
  local pipe = assert(io.popen("(" .. command .. ") 2>&1"))
  local output = pipe:read("a")
  local ok = pipe:close()
  return ok, output
end

local function write (path, text)
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
end

-- Listens, connects, and gets a message back.
local echo = [[
local websock = require "websock"
local server = assert(websock.listen {
  port = 0,
  handler = function (ws)
    for message, kind in ws:messages() do ws:send(message, kind) end
  end,
})
local _, port = server:getsockname()
local ws = assert(websock.connect(("ws://127.0.0.1:%d/"):format(port)))
assert(ws:send("installed"))
local back = assert(ws:receive(30))
ws:close()
server:stop()
print(back, package.searchpath("websock.core", package.cpath))
]]

describe("the rock #slow", function ()
  local folder, tree

  -- Fresh paths and another folder, so that nothing of the checkout is found.
  local function installed (command)
    local path = tree .. "/share/lua/5.4/?.lua;" .. tree .. "/share/lua/5.4/?/init.lua;;"
    return shell(("cd %s && env -u LUA_PATH_5_4 -u LUA_CPATH_5_4 LUA_PATH=%s LUA_CPATH=%s %s")
      :format(process.quote { folder }, process.quote { path },
        process.quote { tree .. "/lib/lua/5.4/?.so;;" }, command))
  end

  setup(function ()
    local _, name = shell "mktemp -d"
    folder = name:match("^(%S+)\n$")
    tree = folder .. "/tree"
    write(folder .. "/config.lua", 'rocks_provided = { luasocket = "3.1.0-1" }\n')
    local ok, output = shell(([[
      set -e
      mkdir %s/checkout
      git ls-files -co --exclude-standard -z |
        tar --null --ignore-failed-read -T - -cf - 2>/dev/null | tar -xf - -C %s/checkout
      cd %s/checkout
      env -u LD_PRELOAD -u LUA_PATH -u LUA_CPATH LUAROCKS_CONFIG=%s/config.lua \
        luarocks --lua-version 5.4 --tree %s make rockspec/websock-scm-1.rockspec
    ]]):format(folder, folder, folder, folder, tree))
    assert(ok, output)
  end)

  teardown(function () shell("rm -rf " .. process.quote { folder }) end)

  it("lists the files of the tree", function ()
    local ok, output = shell "scripts/lua scripts/rockspec.lua"
    assert.is_true(ok, output)
  end)

  it("installs a library that works", function ()
    write(folder .. "/echo.lua", echo)
    local ok, output = installed(('"$(%s/checkout/scripts/lua --which)" echo.lua'):format(folder))
    assert.is_true(ok, output)
    assert.equal("installed\t" .. tree .. "/lib/lua/5.4/websock/core.so\n", output)
  end)

  it("installs a module that exports one function", function ()
    local ok, output = shell("nm -D --defined-only " .. tree .. "/lib/lua/5.4/websock/core.so")
    assert.is_true(ok, output)
    local names = {}
    for name in output:gmatch " T (%S+)" do names[#names + 1] = name end
    assert.same({"luaopen_websock_core"}, names)
  end)

  it("installs the command", function ()
    local ok, output = installed(tree .. "/bin/websock --help")
    assert.is_true(ok, output)
    assert.matches("websock", output)
    assert.matches("%-%-listen", output)
  end)

  it("installs the manual page", function ()
    local page = tree .. "/lib/luarocks/rocks-5.4/websock/scm-1/man/man1/websock.1"
    local ok, output = shell("test -s " .. process.quote { page })
    assert.is_true(ok, output)
  end)
end)
