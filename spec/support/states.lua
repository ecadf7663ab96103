-- Further Lua states in this process: see states.c, which is built at the
-- first need.

local file = "build/support/states.so"
assert(os.execute("env -u LD_PRELOAD make -s " .. file))
return assert(package.loadlib(file, "luaopen_states"))()
