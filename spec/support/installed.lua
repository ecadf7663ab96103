-- What `make install` leaves, for programs in C: a tree under a temporary DESTDIR, and
-- programs compiled against it by pkg-config. The tree goes with this process.
--
--   local installed = require "support.installed"
--   installed.tree                          where it is
--   installed.compile(source, options)      the path of a program; raises if the
--                                           compiler says anything
--   installed.env                           what such a program needs to start

local process = require "support.process"

local PREFIX = "/opt/websock"

local function line_of(command)
  local pipe <close> = assert(io.popen(command))
  return pipe:read "l"
end

local folder = assert(line_of "mktemp -d")
local root = line_of "pwd"
local guard = setmetatable({}, {__gc = function()
  os.execute("rm -rf " .. process.quote {folder})
end})

local tree = folder .. PREFIX
local installed = {
  folder = folder, tree = tree, guard = guard,
  env = {LD_LIBRARY_PATH = tree .. "/lib"},
}

-- Raises with the output unless the command succeeds.
local function run(words, env)
  local status, output = process.run(words, {env = env})
  if status ~= 0 then error(table.concat(words, " ") .. ":\n" .. output, 0) end
  return output
end

local PKG_CONFIG = {
  PKG_CONFIG_PATH = tree .. "/lib/pkgconfig", PKG_CONFIG_SYSROOT_DIR = folder,
}

-- What pkg-config says of websock; its -L has the tree's folder, others' have none.
function installed.config(...)
  return run({"pkg-config", "websock", ...}, PKG_CONFIG)
end

local COMPILERS = {
  c = {"cc", "-std=c99"}, cpp = {"c++", "-std=c++11"},
}

local programs = 0

---Compiles a file of this checkout, or of any path, without warnings.
---@param source string
---@param options? {flags?: string, libs?: string} more words for the shell; libs in
---place of pkg-config's
function installed.compile(source, options)
  options = options or {}
  programs = programs + 1
  local program = ("%s/program%d"):format(folder, programs)
  local compiler = COMPILERS[source:match "%.(%w+)$"]
  local words = table.concat(compiler, " ") .. " -pedantic -Wall -Wextra -Werror -O1 "
    .. (options.flags or "") .. " " .. process.quote {source, "-o", program} .. " "
    .. installed.config "--cflags" .. " " .. (options.libs or installed.config "--libs")
  run {"sh", "-c", (words:gsub("\n", " "))}
  return program
end

run({"make", "-s", "-C", root, "install", "DESTDIR=" .. folder, "PREFIX=" .. PREFIX},
  {MAKEFLAGS = "", WEBSOCK_BUILD = ""})

return installed
