/*
 * The floor: matrix-vector products of int8 weights as anybody would write them, compiled without
 * SIMD. y[r] = scales[r] * sum_k w[r][k] * x[k], with x as int8.
 */

#include <stdint.h>

__attribute__((export_name("product"))) void product(const int8_t *w, const float *scales,
                                                     const int8_t *x, float *y, uint32_t rows,
                                                     uint32_t cols) {
  for (uint32_t row = 0; row < rows; row++) {
    int32_t sum = 0;
    for (uint32_t k = 0; k < cols; k++) sum += w[row * cols + k] * x[k];
    y[row] = scales[row] * (float)sum;
  }
}
