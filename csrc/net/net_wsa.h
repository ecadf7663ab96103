/*
** net_wsa.h - Winsock, for the files of Windows.
*/
#ifndef net_wsa_h
#define net_wsa_h

#include <winsock2.h>

#include <windows.h>

#include <afunix.h>
#include <ws2tcpip.h>

#include "net_sys.h"

#pragma GCC visibility push(hidden)

/* Starts Winsock, once. To be called before the first socket of ours. 0 or
   NET_ERROR. */
int net_wsa_start (void);
/* Sets errno to the error of the last call of Winsock. Returns NET_AGAIN if it
   would have blocked, else NET_ERROR. */
int net_wsa_failed (void);
/* The errno for an error of Winsock. */
int net_wsa_errno (int error);

#pragma GCC visibility pop

#endif
