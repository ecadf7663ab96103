/*
** bench/ideal.h - the ideal server and the applications it is linked with.
**
**   ideal_server.c   connections, handshakes, frames
**   ideal.c          the yardstick: messages go back as they are
**   ideal_lua.c      the floor of servers in Lua: they go through a function
*/
#ifndef bench_ideal_h
#define bench_ideal_h

#include <stddef.h>

/* ---- ideal_server.c */

void need (int ok, const char *what); /* ends the process unless ok */

/* ---- the application */

void app_start (const char *scenario);
int app_opened (const char *path, size_t n); /* what app_closed gets */
void app_message (unsigned char *payload,
                  size_t n); /* writes the reply there */
void app_closed (int app);

#endif
