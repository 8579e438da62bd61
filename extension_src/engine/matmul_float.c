/* F32 and F16: weights as they are; prepared activations are float, [cols][rows of the panel]. */
#include <stdbool.h>

#include "product.h"

INLINE void float_panel(const Product *p, Bundle bundle, uint32_t row, const uint32_t rows,
                        const uint32_t groups, const bool is_half) {
  const uint32_t step_bytes = GROUP_ROWS * (is_half ? 2 : 4), group_bytes = p->cols * step_bytes;
  const float *x = (const float *)(const void *)(p->prepared + row * p->row_bytes);
  const uint8_t *w[BUNDLE];
  v128_t sums[MAX_SETS][2];
#pragma clang loop unroll(full)
  for (uint32_t j = 0; j < groups; j += 1) {
    w[j] = (const uint8_t *)p->w->data + (bundle.group + j * bundle.stride) * group_bytes;
#pragma clang loop unroll(full)
    for (uint32_t r = 0; r < rows; r += 1) {
      sums[j * rows + r][0] = sums[j * rows + r][1] = wasm_f32x4_const_splat(0);
    }
  }
  for (uint32_t k = 0; k < p->cols; k += 1, x += rows) {
#pragma clang loop unroll(full)
    for (uint32_t j = 0; j < groups; j += 1) {
      v128_t low = wasm_v128_load(w[j]), high;
      if (is_half) {
        widen_halves(low, &low, &high);
      } else {
        high = wasm_v128_load(w[j] + 16);
      }
#pragma clang loop unroll(full)
      for (uint32_t r = 0; r < rows; r += 1) {
        const v128_t value = wasm_v128_load32_splat(x + r);
        v128_t *sum = sums[j * rows + r];
        sum[0] = multiply_add(low, value, sum[0]);
        sum[1] = multiply_add(high, value, sum[1]);
      }
      w[j] += step_bytes;
    }
  }
#pragma clang loop unroll(full)
  for (uint32_t j = 0; j < groups; j += 1) {
    v128_t results[MAX_SETS][2]; /* apart from sums, which so can stay in registers */
#pragma clang loop unroll(full)
    for (uint32_t r = 0; r < rows; r += 1) {
      results[r][0] = sums[j * rows + r][0];
      results[r][1] = sums[j * rows + r][1];
    }
    finish(p, bundle.group + j * bundle.stride, row, rows, results);
  }
}

INLINE void f32_panel(const Product *p, Bundle bundle, uint32_t row, uint32_t rows,
                      uint32_t groups) {
  float_panel(p, bundle, row, rows, groups, false);
}

INLINE void f16_panel(const Product *p, Bundle bundle, uint32_t row, uint32_t rows,
                      uint32_t groups) {
  float_panel(p, bundle, row, rows, groups, true);
}

void f32_kernel(const Product *p, Bundle bundle, uint32_t first, uint32_t end) {
  bundle_rows(p, bundle, first, end, f32_panel);
}

void f16_kernel(const Product *p, Bundle bundle, uint32_t first, uint32_t end) {
  bundle_rows(p, bundle, first, end, f16_panel);
}
