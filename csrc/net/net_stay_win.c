/*
** net_stay_win.c - net_stay.c on Windows.
*/
#include "net_posix.h"

#ifndef NET_POSIX

#include "net_wsa.h"

void net_stay_loaded (void) {
  HMODULE module;
  GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS |
                         GET_MODULE_HANDLE_EX_FLAG_PIN,
                     (LPCWSTR)(uintptr_t)&net_stay_loaded, &module);
}

#else
typedef int net_stay_win_is_empty; /* ISO C wants a declaration */
#endif
