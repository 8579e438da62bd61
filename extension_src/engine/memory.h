/* Memory that is never given back, and in the debug build guard zones around it. */
#ifndef MEMORY_H
#define MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#define ALIGNMENT 64u

static inline uint64_t rounded_up(uint64_t bytes) {
  return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* 64-byte aligned, with a guard zone after it; NULL when the memory cannot grow that far. */
void *memory_take(uint64_t bytes);

/* For giving back all that was taken since: after an open that failed. */
uint32_t memory_mark(void);
void memory_release(uint32_t mark);

/* Whether `bytes` at `address` lie within what has been taken. */
bool memory_gave(uint32_t address, uint32_t bytes);

#if defined(ENGINE_GUARDS)
/* Counts the words of all guard zones that no longer hold their pattern. */
uint32_t memory_guards_broken(void);
#endif

#endif
