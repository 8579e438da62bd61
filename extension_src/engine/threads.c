/*
 * parallel_for over shared memory. Built to nothing without ENGINE_THREADS.
 *
 *   main:    fill in job → open = 1 → generation += 1, wake sleepers → take tiles → open = 0
 *            → wait until nobody is inside
 *   thread:  wait for another generation → inside += 1 → if open: take tiles → inside −= 1
 *
 * A thread that is late finds open = 0 and touches nothing; one that found open = 1 is counted inside,
 * so the job stays as it is until it has left. All atomics are sequentially consistent.
 */
#include "parallel.h"

#if defined(ENGINE_THREADS)
#include "engine.h"

/* Looks at the generation before a thread goes to sleep: about 50 µs, so that threads stay awake from
 * one operation of a run to the next. */
#define SPINS 20000u
#define WAIT_NS 100000
/* Waits for a thread that is inside, one after the other: 3 s or more. A tile takes milliseconds. */
#define MOST_WAITS 30000u

static struct {
  uint32_t tiles;
  void (*body)(void *context, uint32_t tile);
  void *context;
} job;

static uint32_t next_tile, open, inside, generation, sleepers, stopped;
static uint32_t threads = 1;

static uint32_t load(uint32_t *word) { return __atomic_load_n(word, __ATOMIC_SEQ_CST); }
static void store(uint32_t *word, uint32_t value) { __atomic_store_n(word, value, __ATOMIC_SEQ_CST); }
static uint32_t raise(uint32_t *word) { return __atomic_fetch_add(word, 1, __ATOMIC_SEQ_CST); }
static void lower(uint32_t *word) { __atomic_fetch_sub(word, 1, __ATOMIC_SEQ_CST); }

/* Returns when *word is no longer `value`, was notified, or after `ns` (−1: never). */
static void wait(uint32_t *word, uint32_t value, int64_t ns) {
  __builtin_wasm_memory_atomic_wait32((int32_t *)word, (int32_t)value, ns);
}

static void wake(uint32_t *word) { __builtin_wasm_memory_atomic_notify((int32_t *)word, 0xFFFFFFFF); }

static void take_tiles(void) {
  for (uint32_t tile = raise(&next_tile); tile < job.tiles; tile = raise(&next_tile)) {
    job.body(job.context, tile);
  }
}

void parallel_for(uint32_t tiles, void (*body)(void *context, uint32_t tile), void *context) {
  if (tiles < 2 || load(&threads) < 2) {
    for (uint32_t tile = 0; tile < tiles; tile += 1) body(context, tile);
    return;
  }
  job.tiles = tiles;
  job.body = body;
  job.context = context;
  store(&next_tile, 0);
  store(&open, 1);
  raise(&generation);
  if (load(&sleepers) > 0) wake(&generation);
  take_tiles();
  store(&open, 0);
  for (uint32_t spin = 0;; spin += 1) {
    uint32_t others = load(&inside);
    if (others == 0) return;
    if (spin > SPINS) wait(&inside, others, WAIT_NS); /* nobody notifies: a pause that ends early */
    if (spin > SPINS + MOST_WAITS) __builtin_trap();  /* it has trapped, and its tile is lost */
  }
}

static void wait_for_work(uint32_t seen) {
  for (uint32_t spin = 0; spin < SPINS; spin += 1) {
    if (load(&generation) != seen) return;
  }
  raise(&sleepers);
  wait(&generation, seen, -1);
  lower(&sleepers);
}

__attribute__((noinline)) static void work(uint32_t index) {
  uint32_t seen = 0;
  for (;;) {
    uint32_t taking = load(&threads);
    if (load(&stopped)) return; /* after the load: a stop that comes later changes `threads` */
    if (index >= taking) {
      wait(&threads, taking, -1);
      continue;
    }
    wait_for_work(seen);
    seen = load(&generation);
    raise(&inside);
    if (load(&open)) take_tiles();
    lower(&inside);
  }
}

__asm__(".globaltype __stack_pointer, i32");

/* Has no frame of its own: `work` gets the new stack. */
void engine_thread(uint32_t index, uint32_t stack_top) {
  __asm__ volatile("local.get %0\nglobal.set __stack_pointer" : : "r"(stack_top));
  work(index);
}

void engine_stop_threads(void) {
  store(&stopped, 1);
  store(&threads, 0);
  raise(&generation);
  wake(&generation);
  wake(&threads);
}

void engine_set_threads(uint32_t count) {
  if (load(&stopped)) return;
  store(&threads, count < 1 ? 1 : count > ENGINE_MAX_THREADS ? ENGINE_MAX_THREADS : count);
  wake(&threads);
}
#else
/* ISO C wants something in every file. */
typedef int engine_without_threads;
#endif
