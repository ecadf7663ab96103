-- An allocator that can be made to fail: see allocator.c, which is built at the
-- first need.

local file = "build/support/allocator.so"
assert(os.execute("env -u LD_PRELOAD make -s " .. file))
return assert(package.loadlib(file, "luaopen_allocator"))()
