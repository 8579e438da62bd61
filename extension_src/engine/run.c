/* The interpreter: checks the inputs of a run, executes the operations, looks at the result. */
#include "run.h"

#include <stddef.h>
#include <wasm_simd128.h>

#include "engine.h"
#include "kernels.h"
#include "memory.h"
#include "state.h"

/* Fills sequences, rows[TOKENS], rows[SEQUENCES] and starts; tokens must lie within the limits. */
static int32_t place_sequences(uint32_t sequences) {
  if (sequences < 1 || sequences > state.limits.sequences) return ENGINE_BAD_LENGTH;
  uint64_t tokens = 0;
  for (uint32_t s = 0; s < sequences; s += 1) {
    if (state.lengths[s] < 1) return ENGINE_BAD_LENGTH;
    state.starts[s] = (uint32_t)tokens;
    tokens += state.lengths[s];
    if (tokens > state.limits.tokens) return ENGINE_BAD_LENGTH;
  }
  state.starts[sequences] = (uint32_t)tokens;
  state.sequences = sequences;
  state.rows[ROWS_TOKENS] = (uint32_t)tokens;
  state.rows[ROWS_SEQUENCES] = sequences;
  for (uint32_t i = 0; i < tokens; i += 1) {
    if (state.ids[i] >= state.program.header->vocab_size) return ENGINE_BAD_ID;
  }
  return ENGINE_OK;
}

static int32_t check_streams(void) {
  for (uint32_t s = 0; s < state.sequences; s += 1) {
    if (state.streams[s] >= state.cache.streams) return ENGINE_BAD_STREAM;
    for (uint32_t other = 0; other < s; other += 1) {
      if (state.streams[other] == state.streams[s]) return ENGINE_BAD_STREAM;
    }
    uint32_t cached = state.cache.lengths[state.streams[s]];
    if (state.cache.tokens - cached < state.lengths[s]) return ENGINE_CACHE_FULL;
  }
  return ENGINE_OK;
}

static int32_t place_positions(void) {
  bool decoder = state.program.header->kind == KIND_DECODER;
  uint32_t *position = state.positions;
  for (uint32_t s = 0; s < state.sequences; s += 1) {
    uint32_t first = decoder ? state.cache.lengths[state.streams[s]] : 0;
    if ((uint64_t)first + state.lengths[s] > state.program.header->max_positions) {
      return ENGINE_TOO_LONG;
    }
    for (uint32_t i = 0; i < state.lengths[s]; i += 1) *position++ = first + i;
  }
  return ENGINE_OK;
}

/* Fills rows[OUTPUTS] and gathered. */
static int32_t place_outputs(uint32_t outputs) {
  bool decoder = state.program.header->kind == KIND_DECODER;
  if (outputs > (decoder ? state.limits.outputs : 0)) return ENGINE_BAD_OUTPUT;
  for (uint32_t i = 0; i < outputs; i += 1) {
    if (state.wanted[i] >= state.rows[ROWS_TOKENS]) return ENGINE_BAD_OUTPUT;
    state.gathered[i] = state.wanted[i];
  }
  if (decoder && outputs == 0) {
    for (uint32_t s = 0; s < state.sequences; s += 1) state.gathered[s] = state.starts[s + 1] - 1;
    outputs = state.sequences;
  }
  state.rows[ROWS_OUTPUTS] = outputs;
  return ENGINE_OK;
}

static int32_t prepare(uint32_t sequences, uint32_t outputs) {
  int32_t wrong = place_sequences(sequences);
  if (wrong == ENGINE_OK && state.program.header->kind == KIND_DECODER) wrong = check_streams();
  if (wrong == ENGINE_OK) wrong = place_positions();
  return wrong == ENGINE_OK ? place_outputs(outputs) : wrong;
}

static void linear(const Operation *op) {
  Epilogue epilogue = {.bias = vector_data(op->w1), .activation = op->p[0]};
  if (op->b.slot != NONE) {
    epilogue.residual = operand_data(&op->b);
    epilogue.residual_stride = operand_stride(&op->b);
  }
  matmul(&state.matrices[op->w0], operand_data(&op->a), operand_stride(&op->a),
         operand_rows(&op->a), operand_data(&op->dst), operand_stride(&op->dst), &epilogue,
         state.matmul_scratch);
}

static void execute(const Operation *op) {
  switch (op->op) {
    case OP_EMBED: embed(op); break;
    case OP_LINEAR: linear(op); break;
    case OP_NORM: norm(op); break;
    case OP_ROPE: rope(op); break;
    case OP_ATTENTION: attention(op); break;
    case OP_GLU: glu(op); break;
    case OP_POOL: pool(op); break;
    case OP_ADD: add(op); break;
    case OP_ACTIVATE: activate_rows(op); break;
    default: __builtin_trap(); /* program_check knows no other */
  }
#if defined(ENGINE_GUARDS)
  if (memory_guards_broken() != 0) __builtin_trap();
#endif
}

/* x · 0 is 0 for every finite x, NaN for the others. */
static bool all_finite(const float *values, uint64_t count) {
  v128_t zero = wasm_f32x4_const_splat(0), sum = zero;
  uint64_t i = 0;
  for (; i + 4 <= count; i += 4) {
    sum = wasm_f32x4_add(sum, wasm_f32x4_mul(wasm_v128_load(values + i), zero));
  }
  float rest = 0;
  for (; i < count; i += 1) rest += values[i] * 0.0f;
  return wasm_i32x4_all_true(wasm_f32x4_eq(sum, zero)) && rest == 0;
}

int32_t run_batch(uint32_t sequences, uint32_t outputs) {
  const Header *header = state.program.header;
  state.result_rows = 0;
  state.continues = false;
  state.rope_for = NULL;
  int32_t wrong = prepare(sequences, outputs);
  if (wrong != ENGINE_OK) return wrong;

  for (uint32_t i = 0; i < header->operations; i += 1) execute(&state.program.operations[i]);

  uint32_t rows = state.rows[state.program.slots[header->output].rows];
  if (!all_finite(state.slots[header->output], (uint64_t)rows * header->output_width)) {
    return ENGINE_NOT_FINITE;
  }
  if (header->kind == KIND_DECODER) {
    for (uint32_t s = 0; s < sequences; s += 1) {
      state.cache.lengths[state.streams[s]] += state.lengths[s];
    }
    state.continues = state.streams[0] == 0 && state.gathered[0] == state.starts[1] - 1;
  }
  state.result_rows = rows;
  return (int32_t)rows;
}

int32_t engine_run(uint32_t sequences, uint32_t outputs) {
  return state.open ? run_batch(sequences, outputs) : ENGINE_NOT_OPEN;
}
