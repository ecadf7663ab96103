/*
** net_stay.c - keeps this code loaded once a thread or a signal handler may run
** it at any time. Lua unloads its modules when a state closes, and LuaRocks
** cannot pass -z nodelete to the linker.
*/
#include "net_posix.h"

#ifdef NET_POSIX

#include <dlfcn.h>
#include <stdint.h>

#include "net_sys.h"

#ifndef RTLD_NODELETE
#define RTLD_NODELETE 0 /* the additional reference keeps it loaded too */
#endif

void net_stay_loaded (void) {
  Dl_info info;
  if (dladdr((void *)(uintptr_t)&net_stay_loaded, &info) && info.dli_fname)
    dlopen(info.dli_fname, RTLD_NOW | RTLD_NODELETE | RTLD_NOLOAD);
}

#else
typedef int net_stay_is_empty; /* ISO C wants a declaration */
#endif
