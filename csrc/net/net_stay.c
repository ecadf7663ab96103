/*
** net_stay.c - keeps the code in memory once something may run it at any time:
** a thread, a signal handler. Lua unloads its modules when a state closes, and
** LuaRocks cannot pass -z nodelete to the linker.
*/
#include "net_posix.h"

#include <dlfcn.h>
#include <stdint.h>

#include "net.h"

#ifndef RTLD_NODELETE
#define RTLD_NODELETE 0 /* counting one user more does it as well */
#endif

void net_stay_loaded (void) {
  Dl_info info;
  if (dladdr((void *)(uintptr_t)&net_stay_loaded, &info) && info.dli_fname)
    dlopen(info.dli_fname, RTLD_NOW | RTLD_NODELETE | RTLD_NOLOAD);
}
