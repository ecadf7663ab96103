-- System calls that Lua lacks: see unistd.c, which is built at the first need.

local file = "build/support/unistd.so"
assert(os.execute("env -u LD_PRELOAD make -s " .. file))
return assert(package.loadlib(file, "luaopen_unistd"))()
