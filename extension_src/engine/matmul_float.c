/* F32 and F16: weights as they are; prepared activations are float, [cols][rows of the panel]. */
#include <stdbool.h>

#include "product.h"

/* `phases` sets of sums, so that consecutive columns do not wait for one another. */
INLINE void float_panel(const Product *p, uint32_t group, uint32_t row, const uint32_t rows,
                        const uint32_t phases, const bool is_half) {
  const uint32_t step = GROUP_ROWS * (is_half ? 2 : 4);
  const uint32_t cols = p->cols;
  const uint8_t *w = (const uint8_t *)p->w->data + group * (cols * step);
  const float *x = (const float *)(const void *)(p->prepared + row * p->row_bytes);
  v128_t sums[MAX_SETS][2];
#pragma clang loop unroll(full)
  for (uint32_t i = 0; i < phases * rows; i += 1) sums[i][0] = sums[i][1] = wasm_f32x4_const_splat(0);
  for (uint32_t k = 0; k < cols; k += phases) {
#pragma clang loop unroll(full)
    for (uint32_t phase = 0; phase < phases; phase += 1) {
      v128_t low = wasm_v128_load(w + phase * step), high;
      if (is_half) {
        widen_halves(low, &low, &high);
      } else {
        high = wasm_v128_load(w + phase * step + 16);
      }
#pragma clang loop unroll(full)
      for (uint32_t r = 0; r < rows; r += 1) {
        const v128_t value = wasm_v128_load32_splat(x + phase * rows + r);
        const uint32_t i = phase * rows + r;
        sums[i][0] = multiply_add(low, value, sums[i][0]);
        sums[i][1] = multiply_add(high, value, sums[i][1]);
      }
    }
    w += phases * step;
    x += phases * rows;
  }
  v128_t results[PANEL_ROWS][2]; /* apart from sums, which so can stay in registers */
#pragma clang loop unroll(full)
  for (uint32_t r = 0; r < rows; r += 1) {
    results[r][0] = sums[r][0];
    results[r][1] = sums[r][1];
#pragma clang loop unroll(full)
    for (uint32_t i = rows + r; i < phases * rows; i += rows) {
      results[r][0] = wasm_f32x4_add(results[r][0], sums[i][0]);
      results[r][1] = wasm_f32x4_add(results[r][1], sums[i][1]);
    }
  }
  finish(p, group, row, rows, results);
}

INLINE void float_rows(const Product *p, uint32_t group, uint32_t first, uint32_t end,
                       const bool is_half) {
  const bool even = p->cols % 4 == 0;
  for (uint32_t row = first; row < end; row += PANEL_ROWS) {
    uint32_t rows = end - row < PANEL_ROWS ? end - row : PANEL_ROWS;
    switch (rows) {
      case 1:
        if (even) {
          float_panel(p, group, row, 1, 4, is_half);
        } else {
          float_panel(p, group, row, 1, 1, is_half);
        }
        break;
      case 2: float_panel(p, group, row, 2, 1, is_half); break;
      case 3: float_panel(p, group, row, 3, 1, is_half); break;
      default: float_panel(p, group, row, 4, 1, is_half); break;
    }
  }
}

void f32_kernel(const Product *p, uint32_t group, uint32_t first, uint32_t end) {
  float_rows(p, group, first, end, false);
}

void f16_kernel(const Product *p, uint32_t group, uint32_t first, uint32_t end) {
  float_rows(p, group, first, end, true);
}
