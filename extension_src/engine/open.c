/* engine_open: checks, then memory for one model. */
#include <stddef.h>

#include "engine.h"
#include "memory.h"
#include "state.h"

State state;

static uint32_t error_at = NONE; /* NONE unless it is a word of the Program */

/* Most tokens, streams and outputs: their products with widths stay far below 2^64. */
#define MAX_LIMIT (1u << 24)

static bool limits_fit(const Header *header, const Limits *limits, const Cache *cache) {
  if (limits->tokens < 1 || limits->tokens > MAX_LIMIT) return false;
  if (limits->sequences < 1 || limits->sequences > limits->tokens) return false;
  if (header->kind == KIND_ENCODER) {
    return limits->outputs == 0 && cache->streams == 0 && cache->tokens == 0 && !cache->int8;
  }
  return limits->outputs >= limits->sequences && limits->outputs <= MAX_LIMIT &&
         cache->streams >= 1 && cache->streams <= MAX_LIMIT && cache->tokens >= 1 &&
         cache->tokens <= MAX_LIMIT;
}

static uint32_t most_rows(uint32_t rows) {
  const uint32_t most[3] = {state.limits.tokens, state.limits.sequences, state.limits.outputs};
  return most[rows];
}

/* The arena: slots one after the other, each rounded up to 64 bytes (and guarded in debug builds). */
static bool lay_out_arena(void) {
  uint64_t total = 0;
  state.slots = memory_take(state.program.header->slots * (uint64_t)sizeof(float *));
  if (state.slots == NULL) return false;
  for (uint32_t i = 0; i < state.program.header->slots; i += 1) {
    const Slot *slot = &state.program.slots[i];
    uint64_t bytes = (uint64_t)most_rows(slot->rows) * slot->width * sizeof(float);
    state.slots[i] = memory_take(bytes);
    if (state.slots[i] == NULL) return false;
    total += rounded_up(bytes);
  }
  state.arena_bytes = (uint32_t)total;
  return true;
}

static bool lay_out_matrices(void) {
  uint32_t count = state.program.header->weights;
  state.matrices = memory_take(count * (uint64_t)sizeof(Matrix));
  if (state.matrices == NULL) return false;
  for (uint32_t i = 0; i < count; i += 1) {
    state.matrices[i] = program_matrix(&state.program, i, state.blob);
  }
  return true;
}

/* Scratch that the operations share: each takes what the greediest needs. */
static bool lay_out_scratch(void) {
  uint64_t matmul_bytes = 0, row_floats = 0, half = 0;
  for (uint32_t i = 0; i < state.program.header->operations; i += 1) {
    const Operation *op = &state.program.operations[i];
    uint64_t need = 0;
    switch (op->op) {
      case OP_LINEAR:
        need = matmul_scratch_bytes(&state.matrices[op->w0],
                                    most_rows(state.program.slots[op->dst.slot].rows));
        if (need > matmul_bytes) matmul_bytes = need;
        break;
      case OP_EMBED:
        if (state.matrices[op->w0].cols > row_floats) row_floats = state.matrices[op->w0].cols;
        break;
      case OP_ROPE:
        if (op->p[2] / 2 > half) half = op->p[2] / 2;
        break;
      default: break;
    }
  }
  state.matmul_scratch = memory_take(matmul_bytes);
  state.row_scratch = memory_take(row_floats * sizeof(float));
  state.rope = memory_take(state.limits.tokens * half * 2 * sizeof(float));
  return state.matmul_scratch != NULL && state.row_scratch != NULL && state.rope != NULL;
}

static uint32_t *take_words(uint64_t count) { return memory_take(count * sizeof(uint32_t)); }

static bool lay_out_inputs(void) {
  const Limits *limits = &state.limits;
  state.ids = take_words(limits->tokens);
  state.lengths = take_words(limits->sequences);
  state.streams = take_words(limits->sequences);
  state.wanted = take_words(limits->outputs);
  state.starts = take_words(limits->sequences + 1ull);
  state.positions = take_words(limits->tokens);
  state.gathered = take_words(limits->outputs);
  return state.ids != NULL && state.lengths != NULL && state.streams != NULL &&
         state.wanted != NULL && state.starts != NULL && state.positions != NULL &&
         state.gathered != NULL;
}

int32_t engine_open(uint32_t program, uint32_t program_bytes, uint32_t weights,
                    uint32_t weights_bytes, uint32_t max_tokens, uint32_t max_sequences,
                    uint32_t max_outputs, uint32_t streams, uint32_t cache_tokens,
                    uint32_t cache_int8) {
  error_at = NONE;
  if (state.open) return ENGINE_ALREADY_OPEN;
  if (program % 4 != 0 || !memory_gave(program, program_bytes)) return ENGINE_BAD_LIMITS;
  if (weights % ALIGNMENT != 0 || !memory_gave(weights, weights_bytes)) return ENGINE_BAD_LIMITS;

  state = (State){0};
  const uint32_t *words = (const uint32_t *)(uintptr_t)program;
  int32_t wrong = program_check(words, program_bytes, &state.program, &error_at);
  if (wrong != ENGINE_OK) return wrong;
  const Header *header = state.program.header;
  if (header->weights_bytes != weights_bytes) {
    error_at = 4;
    return ENGINE_BAD_HEADER;
  }
  state.limits = (Limits){max_tokens, max_sequences, max_outputs};
  state.cache = (Cache){.layers = header->layers,
                        .streams = streams,
                        .heads = header->kv_heads,
                        .tokens = cache_tokens,
                        .head_dim = header->head_dim,
                        .int8 = cache_int8 != 0};
  if (cache_int8 > 1 || !limits_fit(header, &state.limits, &state.cache)) return ENGINE_BAD_LIMITS;

  state.blob = (const uint8_t *)(uintptr_t)weights;
  uint32_t mark = memory_mark();
  bool laid_out = lay_out_matrices() && lay_out_arena() && lay_out_inputs() && lay_out_scratch() &&
                  (header->kind == KIND_ENCODER || cache_lay_out(&state.cache));
  if (!laid_out) {
    memory_release(mark);
    state = (State){0};
    return ENGINE_NO_MEMORY;
  }
  state.open = true;
  return ENGINE_OK;
}

static uint32_t address(const void *pointer) {
  return state.open ? (uint32_t)(uintptr_t)pointer : 0;
}

uint32_t engine_version(void) { return ENGINE_VERSION; }
uint32_t engine_error_at(void) { return error_at; }
uint32_t engine_arena_bytes(void) { return state.arena_bytes; }
uint32_t engine_ids(void) { return address(state.ids); }
uint32_t engine_lengths(void) { return address(state.lengths); }
uint32_t engine_streams(void) { return address(state.streams); }
uint32_t engine_outputs_wanted(void) { return address(state.wanted); }

uint32_t engine_cache_bytes(void) {
  bool cached = state.open && state.program.header->kind == KIND_DECODER;
  return cached ? (uint32_t)cache_bytes(&state.cache) : 0;
}

uint32_t engine_output(void) {
  return state.open ? (uint32_t)(uintptr_t)state.slots[state.program.header->output] : 0;
}
