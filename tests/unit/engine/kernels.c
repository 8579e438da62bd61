/* Entry points through which the tests reach the kernels alone. Pointers are offsets in memory. */
#include <stdint.h>

#include "matmul.h"
#include "vector_math.h"

#define EXPORT(name) __attribute__((export_name(#name)))

static Matrix matrix; /* the weight of the calls below */

EXPORT(test_matrix)
void test_matrix(uint32_t dtype, uint32_t rows, uint32_t cols, uint32_t block, uint32_t flags,
                 const void *data, const void *scales, const void *zeros);
void test_matrix(uint32_t dtype, uint32_t rows, uint32_t cols, uint32_t block, uint32_t flags,
                 const void *data, const void *scales, const void *zeros) {
  matrix = (Matrix){dtype, rows, cols, block, flags, data, scales, zeros};
}

/* Writes the bytes of data, scales and zeros to sizes [3]; 0: not a valid descriptor. */
EXPORT(test_sizes) int test_sizes(uint32_t *sizes);
int test_sizes(uint32_t *sizes) {
  return matrix_sizes(&matrix, sizes, sizes + 1, sizes + 2);
}

EXPORT(test_scratch_bytes) uint32_t test_scratch_bytes(uint32_t m);
uint32_t test_scratch_bytes(uint32_t m) { return matmul_scratch_bytes(&matrix, m); }

EXPORT(test_matmul)
void test_matmul(const float *x, uint32_t x_stride, uint32_t m, float *y, uint32_t y_stride,
                 const float *bias, uint32_t activation, const float *residual,
                 uint32_t residual_stride, void *scratch);
void test_matmul(const float *x, uint32_t x_stride, uint32_t m, float *y, uint32_t y_stride,
                 const float *bias, uint32_t activation, const float *residual,
                 uint32_t residual_stride, void *scratch) {
  const Epilogue epilogue = {bias, activation, residual, residual_stride};
  matmul(&matrix, x, x_stride, m, y, y_stride, &epilogue, scratch);
}

EXPORT(test_row) void test_row(uint32_t row, float *out);
void test_row(uint32_t row, float *out) { matrix_row(&matrix, row, out); }

/* values [count] = function(values): ACTIVATION_… and, above them, 16 exp, 17 erf. */
EXPORT(test_function) void test_function(float *values, uint32_t count, uint32_t function);
void test_function(float *values, uint32_t count, uint32_t function) {
  if (function < 16) {
    activate(values, count, function);
    return;
  }
  for (uint32_t i = 0; i < count; i += 4) {
    const v128_t x = wasm_v128_load(values + i);
    wasm_v128_store(values + i, function == 16 ? exp_lanes(x) : erf_lanes(x));
  }
}
