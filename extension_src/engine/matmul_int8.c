/* I8: signed bytes (or −63..63 stored +64), one scale per row; the whole sum is an integer. */
#include "integer_dot.h"

/* `phases` sets of sums, so that consecutive steps do not wait for one another. Columns are a
 * multiple of 16: 4 steps. */
INLINE void int8_panel(const Product *p, uint32_t group, uint32_t row, const uint32_t rows,
                       const uint32_t phases, const bool is_signed) {
  const uint32_t unit = is_signed ? SIGNED_UNIT : SEVEN_BIT_UNIT;
  const uint8_t *w = (const uint8_t *)p->w->data + group * (p->cols * GROUP_ROWS);
  const uint8_t *x = p->prepared + row * p->row_bytes;
  const Quantized *quantized = p->quantized + row;
  v128_t sums[MAX_SETS][2];
#pragma clang loop unroll(full)
  for (uint32_t i = 0; i < phases * rows; i += 1) {
    sums[i][0] = sums[i][1] =
        i < rows ? wasm_i32x4_splat(quantized[i].start) : wasm_i32x4_const_splat(0);
  }
  for (uint32_t step = 0; step < p->cols / 4; step += phases) {
#pragma clang loop unroll(full)
    for (uint32_t phase = 0; phase < phases; phase += 1) {
      add_dots(sums + phase * rows, rows, wasm_v128_load(w), wasm_v128_load(w + 16), x, is_signed);
      w += 32;
      x += rows * unit;
    }
  }
  const float *scales = (const float *)p->w->scales + group * GROUP_ROWS;
  const v128_t low = wasm_v128_load(scales), high = wasm_v128_load(scales + 4);
  v128_t results[PANEL_ROWS][2]; /* apart from sums, which so can stay in registers */
#pragma clang loop unroll(full)
  for (uint32_t r = 0; r < rows; r += 1) {
#pragma clang loop unroll(full)
    for (uint32_t i = rows + r; i < phases * rows; i += rows) {
      sums[r][0] = wasm_i32x4_add(sums[r][0], sums[i][0]);
      sums[r][1] = wasm_i32x4_add(sums[r][1], sums[i][1]);
    }
    const v128_t scale = wasm_f32x4_splat(quantized[r].scale);
    results[r][0] = wasm_f32x4_mul(wasm_f32x4_convert_i32x4(sums[r][0]), wasm_f32x4_mul(low, scale));
    results[r][1] = wasm_f32x4_mul(wasm_f32x4_convert_i32x4(sums[r][1]), wasm_f32x4_mul(high, scale));
  }
  finish(p, group, row, rows, results);
}

INLINE void int8_rows(const Product *p, uint32_t group, uint32_t first, uint32_t end,
                      const bool is_signed) {
  for (uint32_t row = first; row < end; row += PANEL_ROWS) {
    uint32_t rows = end - row < PANEL_ROWS ? end - row : PANEL_ROWS;
    switch (rows) {
      case 1: int8_panel(p, group, row, 1, 4, is_signed); break;
      case 2: int8_panel(p, group, row, 2, 2, is_signed); break;
      case 3: int8_panel(p, group, row, 3, 2, is_signed); break;
      default: int8_panel(p, group, row, 4, 1, is_signed); break;
    }
  }
}

void int8_kernel(const Product *p, uint32_t group, uint32_t first, uint32_t end) {
  if (p->w->flags & FLAG_SEVEN_BIT) {
    int8_rows(p, group, first, end, false);
  } else {
    int8_rows(p, group, first, end, true);
  }
}
