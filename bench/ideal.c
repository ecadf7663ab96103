/*
** bench/ideal.c - the yardstick: the ideal server alone. Messages go back from
** where they were received.
*/
#include "ideal.h"

void app_start (const char *scenario) { (void)scenario; }

int app_opened (const char *path, size_t n) {
  (void)path;
  (void)n;
  return 0;
}

void app_message (unsigned char *payload, size_t n) {
  (void)payload;
  (void)n;
}

void app_closed (int app) { (void)app; }
