/*
** sys/mman.h - what test.h uses of it, on Windows.
*/
#ifndef sys_mman_h
#define sys_mman_h

/* A test has this name itself. */
#define SIZE WINDOWS_SIZE
#include <windows.h>
#undef SIZE

enum { PROT_NONE = 0, PROT_READ = 1, PROT_WRITE = 2 };
enum { MAP_PRIVATE = 1, MAP_ANONYMOUS = 2 };
enum { _SC_PAGESIZE };
#define MAP_FAILED NULL

static inline DWORD mman_protection (int protection) {
  if (protection == PROT_NONE) return PAGE_NOACCESS;
  return protection & PROT_WRITE ? PAGE_READWRITE : PAGE_READONLY;
}

/* New memory only. */
static inline void *mmap (void *at, size_t size, int protection, int flags,
                          int fd, long offset) {
  (void)flags;
  (void)fd;
  (void)offset;
  return VirtualAlloc(at, size, MEM_RESERVE | MEM_COMMIT,
                      mman_protection(protection));
}

static inline int mprotect (void *p, size_t size, int protection) {
  DWORD before;
  return VirtualProtect(p, size, mman_protection(protection), &before) ? 0 : -1;
}

/* All of a mapping. */
static inline int munmap (void *p, size_t size) {
  (void)size;
  return VirtualFree(p, 0, MEM_RELEASE) ? 0 : -1;
}

static inline long sysconf (int name) {
  SYSTEM_INFO info;
  (void)name;
  GetSystemInfo(&info);
  return (long)info.dwPageSize;
}

#endif
