/* Operations that treat each row by itself, and those that pick or pool rows. */
#include <stddef.h>

#include "kernels.h"
#include "parallel.h"
#include "lanes.h"
#include "state.h"
#include "vector_math.h"

/* Rows of a tile: enough work to be worth a thread. */
#define TILE_ROWS 16u

typedef struct {
  const Operation *op;
  uint32_t rows;
  void (*row)(const Operation *op, uint32_t row);
} RowJob;

static void row_tile(void *context, uint32_t tile) {
  const RowJob *job = context;
  uint32_t end = (tile + 1) * TILE_ROWS < job->rows ? (tile + 1) * TILE_ROWS : job->rows;
  for (uint32_t row = tile * TILE_ROWS; row < end; row += 1) job->row(job->op, row);
}

static void for_rows(const Operation *op, void (*row)(const Operation *op, uint32_t row)) {
  RowJob job = {op, operand_rows(&op->dst), row};
  parallel_for((job.rows + TILE_ROWS - 1) / TILE_ROWS, row_tile, &job);
}

static inline float *row_data(const Operand *operand, uint32_t row) {
  return operand_data(operand) + (uint64_t)row * operand_stride(operand);
}

/* out (count) += x (count). */
static void accumulate(float *out, const float *x, uint32_t count) {
  uint32_t i = 0;
  for (; i + 4 <= count; i += 4) {
    wasm_v128_store(out + i, wasm_f32x4_add(wasm_v128_load(out + i), wasm_v128_load(x + i)));
  }
  for (; i < count; i += 1) out[i] += x[i];
}

/* ---- EMBED ---- */

void embed(const Operation *op) {
  const Matrix *tokens = &state.matrices[op->w0];
  for (uint32_t row = 0; row < state.rows[ROWS_TOKENS]; row += 1) {
    float *out = row_data(&op->dst, row);
    matrix_row(tokens, state.ids[row], out);
    if (op->w1 == NONE) continue;
    matrix_row(&state.matrices[op->w1], state.positions[row] + op->p[0], state.row_scratch);
    accumulate(out, state.row_scratch, tokens->cols);
  }
}

/* ---- NORM ---- */

static float sum_of(const float *x, uint32_t count) {
  v128_t sum = wasm_f32x4_const_splat(0);
  uint32_t i = 0;
  for (; i + 4 <= count; i += 4) sum = wasm_f32x4_add(sum, wasm_v128_load(x + i));
  float rest = lane_sum(sum);
  for (; i < count; i += 1) rest += x[i];
  return rest;
}

/* Sum of (x − mean)². */
static float squares_of(const float *x, uint32_t count, float mean) {
  v128_t sum = wasm_f32x4_const_splat(0), middle = wasm_f32x4_splat(mean);
  uint32_t i = 0;
  for (; i + 4 <= count; i += 4) {
    v128_t apart = wasm_f32x4_sub(wasm_v128_load(x + i), middle);
    sum = multiply_add(apart, apart, sum);
  }
  float rest = lane_sum(sum);
  for (; i < count; i += 1) rest += (x[i] - mean) * (x[i] - mean);
  return rest;
}

/* out = (x − mean) · factor · w + b; w, b may be NULL. */
static void scale_row(float *out, const float *x, uint32_t count, float mean, float factor,
                      const float *w, const float *b) {
  v128_t middle = wasm_f32x4_splat(mean), factors = wasm_f32x4_splat(factor);
  uint32_t i = 0;
  for (; i + 4 <= count; i += 4) {
    v128_t value = wasm_f32x4_mul(wasm_f32x4_sub(wasm_v128_load(x + i), middle), factors);
    if (w != NULL) value = wasm_f32x4_mul(value, wasm_v128_load(w + i));
    if (b != NULL) value = wasm_f32x4_add(value, wasm_v128_load(b + i));
    wasm_v128_store(out + i, value);
  }
  for (; i < count; i += 1) {
    float value = (x[i] - mean) * factor;
    if (w != NULL) value *= w[i];
    out[i] = b != NULL ? value + b[i] : value;
  }
}

static void norm_group(const Operation *op, float *out, const float *x, uint32_t cols) {
  const float *w = vector_data(op->w0), *b = vector_data(op->w1);
  float eps = word_float(op->p[1]), count = (float)cols;
  float mean = op->p[0] == NORM_LAYER ? sum_of(x, cols) / count : 0;
  float squares = squares_of(x, cols, mean);
  if (squares == __builtin_inff()) squares = __builtin_nanf(""); /* not a row of zeros, silently */
  if (op->p[0] == NORM_L2) {
    float length = __builtin_sqrtf(squares);
    scale_row(out, x, cols, 0, 1 / (length <= eps ? eps : length), NULL, NULL);
  } else {
    scale_row(out, x, cols, mean, 1 / __builtin_sqrtf(squares / count + eps), w, b);
  }
}

static void norm_row(const Operation *op, uint32_t row) {
  uint32_t cols = op->p[0] == NORM_L2 ? op->p[3] : state.program.weights[op->w0].cols;
  float *out = row_data(&op->dst, row);
  const float *x = row_data(&op->a, row);
  for (uint32_t group = 0; group < op->p[2]; group += 1) {
    norm_group(op, out + group * cols, x + group * cols, cols);
  }
}

void norm(const Operation *op) { for_rows(op, norm_row); }

/* ---- GLU, ADD, ACTIVATE ---- */

/* Floats activated at a time, so that dst may be either input. */
#define GLU_PIECE 256u

static void glu_row(const Operation *op, uint32_t row) {
  float gate[GLU_PIECE];
  float *out = row_data(&op->dst, row);
  const float *a = row_data(&op->a, row), *b = row_data(&op->b, row);
  for (uint32_t start = 0; start < op->p[1]; start += GLU_PIECE) {
    uint32_t count = op->p[1] - start < GLU_PIECE ? op->p[1] - start : GLU_PIECE;
    __builtin_memcpy(gate, a + start, count * sizeof(float));
    activate(gate, count, op->p[0]);
    uint32_t i = 0;
    for (; i + 4 <= count; i += 4) {
      v128_t other = wasm_v128_load(b + start + i);
      wasm_v128_store(out + start + i, wasm_f32x4_mul(wasm_v128_load(gate + i), other));
    }
    for (; i < count; i += 1) out[start + i] = gate[i] * b[start + i];
  }
}

void glu(const Operation *op) { for_rows(op, glu_row); }

static void add_row(const Operation *op, uint32_t row) {
  float *out = row_data(&op->dst, row);
  const float *a = row_data(&op->a, row), *b = row_data(&op->b, row);
  uint32_t i = 0;
  for (; i + 4 <= op->p[0]; i += 4) {
    wasm_v128_store(out + i, wasm_f32x4_add(wasm_v128_load(a + i), wasm_v128_load(b + i)));
  }
  for (; i < op->p[0]; i += 1) out[i] = a[i] + b[i];
}

void add(const Operation *op) { for_rows(op, add_row); }

static void activate_row(const Operation *op, uint32_t row) {
  float *out = row_data(&op->dst, row);
  const float *x = row_data(&op->a, row);
  if (out != x) __builtin_memcpy(out, x, op->p[1] * sizeof(float));
  activate(out, op->p[1], op->p[0]);
}

void activate_rows(const Operation *op) { for_rows(op, activate_row); }

/* ---- POOL ---- */

static void pool_row(const Operation *op, uint32_t row) {
  uint32_t width = op->p[1];
  float *out = row_data(&op->dst, row);
  uint32_t first = op->p[0] == POOL_GATHER ? state.gathered[row] : state.starts[row];
  __builtin_memcpy(out, row_data(&op->a, first), width * sizeof(float));
  if (op->p[0] != POOL_MEAN) return;
  uint32_t end = state.starts[row + 1];
  for (uint32_t token = first + 1; token < end; token += 1) {
    accumulate(out, row_data(&op->a, token), width);
  }
  float share = 1 / (float)(end - first);
  for (uint32_t i = 0; i < width; i += 1) out[i] *= share;
}

void pool(const Operation *op) { for_rows(op, pool_row); }
