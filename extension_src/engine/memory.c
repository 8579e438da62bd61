/* A bump allocator from __heap_base to the end of the memory, which it grows. */
#include "memory.h"

#include <stddef.h>

#include "engine.h"

#define PAGE_BYTES 65536u
/* The last page of 4 GiB stays unused, so that the address after a piece fits 32 bits. */
#define END_OF_MEMORY 0xFFFF0000u

extern uint8_t __heap_base;

static uint32_t top; /* 0 before the first allocation */

#if defined(ENGINE_GUARDS)
#define GUARD_BYTES 64u
#define GUARD_WORD 0xDEADC0DEu
#define MAX_GUARDS 4096u
static uint32_t guards[MAX_GUARDS]; /* addresses, ascending */
static uint32_t guard_count;

static void guard_place(uint32_t address) {
  uint32_t *words = (uint32_t *)(uintptr_t)address;
  for (uint32_t i = 0; i < GUARD_BYTES / 4; i += 1) words[i] = GUARD_WORD;
  if (guard_count < MAX_GUARDS) guards[guard_count++] = address;
}

uint32_t memory_guards_broken(void) {
  uint32_t broken = 0;
  for (uint32_t g = 0; g < guard_count; g += 1) {
    const uint32_t *words = (const uint32_t *)(uintptr_t)guards[g];
    for (uint32_t i = 0; i < GUARD_BYTES / 4; i += 1) broken += words[i] != GUARD_WORD;
  }
  return broken;
}
#else
#define GUARD_BYTES 0u
#endif

static uint32_t bottom(void) { return (uint32_t)rounded_up((uintptr_t)&__heap_base); }

uint32_t memory_mark(void) {
  if (top == 0) top = bottom();
  return top;
}

void memory_release(uint32_t mark) {
  top = mark;
#if defined(ENGINE_GUARDS)
  while (guard_count > 0 && guards[guard_count - 1] >= mark) guard_count -= 1;
#endif
}

bool memory_gave(uint32_t address, uint32_t bytes) {
  return address >= bottom() && (uint64_t)address + bytes <= memory_mark();
}

void *memory_take(uint64_t bytes) {
  uint32_t start = memory_mark();
  uint64_t end = start + rounded_up(bytes) + GUARD_BYTES;
  if (bytes > END_OF_MEMORY || end > END_OF_MEMORY) return NULL;
  uint64_t have = (uint64_t)__builtin_wasm_memory_size(0) * PAGE_BYTES;
  if (end > have) {
    uint32_t pages = (uint32_t)((end - have + PAGE_BYTES - 1) / PAGE_BYTES);
    if (__builtin_wasm_memory_grow(0, pages) == (size_t)-1) return NULL;
  }
  top = (uint32_t)end;
#if defined(ENGINE_GUARDS)
  guard_place(top - GUARD_BYTES);
#endif
  return (void *)(uintptr_t)start;
}

uint32_t engine_alloc(uint32_t bytes) { return (uint32_t)(uintptr_t)memory_take(bytes); }

#if defined(ENGINE_GUARDS)
uint32_t engine_guards_broken(void) { return memory_guards_broken(); }
#endif
