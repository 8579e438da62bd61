/*
 * Work in tiles. With ENGINE_THREADS the tiles are taken by the main thread and by every engine_thread
 * that is awake; otherwise this is a loop.
 */
#ifndef PARALLEL_H
#define PARALLEL_H

#include <stdint.h>

/* Calls body(context, tile) once for each tile in 0 .. tiles − 1, in any order, perhaps at the same
 * time; returns when all have returned. Must not be nested. */
#if defined(ENGINE_THREADS)
void parallel_for(uint32_t tiles, void (*body)(void *context, uint32_t tile), void *context);
#else
static inline void parallel_for(uint32_t tiles, void (*body)(void *context, uint32_t tile),
                                void *context) {
  for (uint32_t tile = 0; tile < tiles; tile += 1) body(context, tile);
}
#endif

#endif
