/*
 * What the host calls. One instance of the module holds one model. Pointers are byte offsets in the
 * imported memory; all values there are little-endian. The Program's format is in PROGRAM.md.
 *
 *   engine_alloc ×2, copy the Program → engine_open → stream the weights in → engine_run …
 *
 * Errors are mirrored by name in extbuild/engine and extension_src/src/worker; a test compares them.
 */
#ifndef ENGINE_H
#define ENGINE_H

#include <stdint.h>

#define ENGINE_VERSION 1

/* Negative results of engine_open, engine_run, engine_rewind, engine_fork and engine_generate. */
enum {
  ENGINE_OK = 0,
  ENGINE_NOT_A_PROGRAM = -1,   /* magic, version, kind or length */
  ENGINE_BAD_HEADER = -2,      /* a count or size is impossible */
  ENGINE_BAD_WEIGHT = -3,      /* descriptor: unknown, or its parts do not fit it or the blob */
  ENGINE_BAD_SLOT = -4,        /* unknown rows, or width 0 or too large */
  ENGINE_BAD_OPERATION = -5,   /* unknown, or an operand, weight or parameter that does not fit */
  ENGINE_BAD_LIMITS = -6,      /* an argument of engine_open: 0, too large, or not from engine_alloc */
  ENGINE_NO_MEMORY = -7,       /* the memory cannot grow far enough */
  ENGINE_NOT_OPEN = -8,        /* engine_open has not succeeded */
  ENGINE_ALREADY_OPEN = -9,    /* one instance holds one model */
  ENGINE_BAD_ID = -10,         /* a token id ≥ vocab_size */
  ENGINE_BAD_LENGTH = -11,     /* no sequence, an empty one, or more than opened for */
  ENGINE_BAD_STREAM = -12,     /* no such stream, or the same twice in one run */
  ENGINE_BAD_OUTPUT = -13,     /* a wanted row that is not there, too many, or any in an encoder */
  ENGINE_CACHE_FULL = -14,     /* the stream has no room for the tokens */
  ENGINE_TOO_LONG = -15,       /* a position ≥ max_positions */
  ENGINE_NOT_FINITE = -16,     /* the result holds an infinity or NaN; nothing was appended */
  ENGINE_BAD_ARGUMENT = -17,   /* anything else out of its range */
};

/* How engine_generate chooses. */
enum {
  ENGINE_GREEDY = 0,
  ENGINE_TOP = 1,     /* greedy, and the ENGINE_STEP_TOP best of each step */
  ENGINE_BEAM_2 = 2,  /* two paths; needs the streams 0 and 1 */
};

#define ENGINE_MAX_TOP 64    /* most k of engine_top */
#define ENGINE_STEP_TOP 8    /* candidates of each step of ENGINE_TOP */
#define ENGINE_MAX_STEPS 256 /* most steps of engine_generate */

/* An id and its log-probability. */
typedef struct {
  uint32_t id;
  float log_probability;
} Scored;

/* One generated path. An end id is part of the path and its last token. */
typedef struct {
  uint32_t count;         /* tokens of `tokens`; 0 in a path that was not asked for */
  float log_probability;  /* sum over them */
  Scored tokens[ENGINE_MAX_STEPS];
} Path;

/* What engine_generated points at. */
typedef struct {
  Path best;    /* first in memory: 2 + 2 × 256 words */
  Path second;  /* ENGINE_BEAM_2 only */
  /* ENGINE_TOP only: per step of `best`, best first; fewer where the row has fewer values */
  Scored top[ENGINE_MAX_STEPS][ENGINE_STEP_TOP];
} Generated;

#if defined(__wasm__)
#define EXPORT(name) __attribute__((export_name(#name)))
#else
#define EXPORT(name)
#endif

/* ENGINE_VERSION. */
EXPORT(engine_version) uint32_t engine_version(void);

/* A new piece of memory, 64-byte aligned, zeroed if never used before; never given back.
 * 0: the memory cannot grow that far. May grow the memory: views of it must be made anew. */
EXPORT(engine_alloc) uint32_t engine_alloc(uint32_t bytes);

/* Checks the Program and lays out arena, scratch and cache. The Program (4-byte aligned) and the
 * weights (64-byte aligned), both in memory from engine_alloc, must stay where they are; the weights
 * may be written after this call.
 * Most of one run: max_tokens tokens in max_sequences sequences, max_outputs wanted rows (decoder;
 * at least max_sequences). A decoder has `streams` caches of `cache_tokens` tokens, of float32 or
 * (cache_int8 1) of int8 with a scale per head and token. An encoder gives 0, 0, 0, 0 for
 * max_outputs, streams, cache_tokens, cache_int8.
 * 0 or a negative code; after a failure nothing is allocated and open may be called again. */
EXPORT(engine_open)
int32_t engine_open(uint32_t program, uint32_t program_bytes, uint32_t weights,
                    uint32_t weights_bytes, uint32_t max_tokens, uint32_t max_sequences,
                    uint32_t max_outputs, uint32_t streams, uint32_t cache_tokens,
                    uint32_t cache_int8);

/* Index of the word of the Program that the last engine_open refused; 0xFFFFFFFF when it refused
 * something else, or nothing. */
EXPORT(engine_error_at) uint32_t engine_error_at(void);

/* Bytes of activations, and of all streams' keys and values. */
EXPORT(engine_arena_bytes) uint32_t engine_arena_bytes(void);
EXPORT(engine_cache_bytes) uint32_t engine_cache_bytes(void);

/* Where the host writes the next run: uint32 arrays of max_tokens token ids (the sequences one after
 * the other), max_sequences lengths, max_sequences streams (decoder), and max_outputs indices of
 * wanted rows among the tokens of the run (decoder). */
EXPORT(engine_ids) uint32_t engine_ids(void);
EXPORT(engine_lengths) uint32_t engine_lengths(void);
EXPORT(engine_streams) uint32_t engine_streams(void);
EXPORT(engine_outputs_wanted) uint32_t engine_outputs_wanted(void);

/* Runs the batch. Decoder: sequence s appends lengths[s] tokens to streams[s]; all streams of a run
 * are distinct; outputs = 0 means the last token of each sequence. Encoder: outputs is 0.
 * The number of rows at engine_output, or a negative code; then no stream has changed. */
EXPORT(engine_run) int32_t engine_run(uint32_t sequences, uint32_t outputs);

/* float32 (rows, output width) of the last run. The address may differ from run to run. */
EXPORT(engine_output) uint32_t engine_output(void);

/* Tokens in a stream's cache; 0 for a stream that is not there. */
EXPORT(engine_cached) uint32_t engine_cached(uint32_t stream);

/* Forgets all but the first `keep` tokens of a stream. */
EXPORT(engine_rewind) int32_t engine_rewind(uint32_t stream, uint32_t keep);

/* Stream `to` becomes a copy of stream `from`. */
EXPORT(engine_fork) int32_t engine_fork(uint32_t from, uint32_t to);

/* The k best of an output row of the last run: k × Scored, best first, the lower id of equals.
 * Log-probabilities are of the softmax over the whole row. 0: no such row, or k not in 1..64 or
 * greater than the row. Overwritten by the next call. */
EXPORT(engine_top) uint32_t engine_top(uint32_t row, uint32_t k);

/* Continues stream 0 from output row 0 of the last run (which must have ended that stream) by at
 * most `steps` tokens, or up to end_id (0xFFFFFFFF: none), or until the cache or max_positions is
 * full. Tokens of the best path, or a negative code: those of engine_run, too. Afterwards, in any
 * case but ENGINE_BAD_ARGUMENT, streams 0 (and 1) hold what stream 0 held before, and engine_output
 * is overwritten: the next call needs another run. */
EXPORT(engine_generate) int32_t engine_generate(uint32_t mode, uint32_t steps, uint32_t end_id);

/* A Generated. */
EXPORT(engine_generated) uint32_t engine_generated(void);

#if defined(ENGINE_THREADS)
/* Thread `index` (1 .. ENGINE_MAX_THREADS − 1) in an instance of its own over the same memory, with
 * a stack of its own that ends at stack_top (at least 64 KiB from engine_alloc, 16-byte aligned).
 * Returns when the threads are stopped. If it traps or is ended during a run, the run traps, too,
 * some seconds later: the instance is of no more use. */
EXPORT(engine_thread) void engine_thread(uint32_t index, uint32_t stack_top);

/* Makes every engine_thread return, now or when it is entered. The main thread works on alone. */
EXPORT(engine_stop_threads) void engine_stop_threads(void);

/* How many threads take work, the main thread included: 1 (at first) .. ENGINE_MAX_THREADS. Called
 * when the threads 1 .. threads − 1 have been started; work never waits for a thread that sleeps. */
EXPORT(engine_set_threads) void engine_set_threads(uint32_t threads);
#define ENGINE_MAX_THREADS 16
#endif

#if defined(ENGINE_GUARDS)
/* How many guard words around allocations and slots have been overwritten since open. */
EXPORT(engine_guards_broken) uint32_t engine_guards_broken(void);
#endif

#endif
