/* I4_BLOCK and I8_BLOCK: an integer sum for each block of columns, scaled and added as float. */
#include "integer_dot.h"

/* Scales of eight rows in one block; `index` counts (group, block). */
INLINE void load_scales(const Matrix *w, uint32_t index, v128_t *low, v128_t *high) {
  if (w->flags & FLAG_SCALES_F16) {
    widen_halves(wasm_v128_load((const uint16_t *)w->scales + index * GROUP_ROWS), low, high);
  } else {
    const float *scales = (const float *)w->scales + index * GROUP_ROWS;
    *low = wasm_v128_load(scales);
    *high = wasm_v128_load(scales + 4);
  }
}

/* What the sums of a block begin with. */
INLINE void start_sums(const Product *p, uint32_t index, const Quantized *quantized,
                       const uint32_t rows, const bool is_signed, v128_t sums[][2]) {
#pragma clang loop unroll(full)
  for (uint32_t r = 0; r < rows; r += 1) {
    sums[r][0] = sums[r][1] = wasm_v128_load32_splat(&quantized[r].start);
  }
  if (p->w->flags & FLAG_ZEROS) {
    const uint8_t *zeros = (const uint8_t *)p->w->zeros + index * GROUP_ROWS;
    v128_t wide = wasm_u16x8_load8x8(zeros);
    if (is_signed) wide = wasm_i16x8_sub(wide, wasm_i16x8_const_splat(128));
    const v128_t low = wasm_i32x4_extend_low_i16x8(wide);
    const v128_t high = wasm_i32x4_extend_high_i16x8(wide);
#pragma clang loop unroll(full)
    for (uint32_t r = 0; r < rows; r += 1) {
      const v128_t sum = wasm_v128_load32_splat(&quantized[r].sum);
      sums[r][0] = wasm_i32x4_sub(sums[r][0], wasm_i32x4_mul(low, sum));
      sums[r][1] = wasm_i32x4_sub(sums[r][1], wasm_i32x4_mul(high, sum));
    }
  }
}

/* `phases` sets of sums, so that consecutive steps do not wait for one another. */
INLINE void block_panel(const Product *p, uint32_t group, uint32_t row, const uint32_t rows,
                        const uint32_t phases, const bool is_signed) {
  const uint32_t unit = is_signed ? SIGNED_UNIT : SEVEN_BIT_UNIT;
  const uint32_t step_bytes = is_signed ? 32 : 16;
  const uint8_t *w = (const uint8_t *)p->w->data + group * (p->cols / 4 * step_bytes);
  const uint8_t *x = p->prepared + row * p->row_bytes;
  const Quantized *quantized = p->quantized + row * p->blocks;
  v128_t totals[PANEL_ROWS][2];
#pragma clang loop unroll(full)
  for (uint32_t r = 0; r < rows; r += 1) totals[r][0] = totals[r][1] = wasm_f32x4_const_splat(0);
  for (uint32_t block = 0; block < p->blocks; block += 1) {
    const uint32_t index = group * p->blocks + block;
    v128_t sums[MAX_SETS][2];
    start_sums(p, index, quantized, rows, is_signed, sums);
#pragma clang loop unroll(full)
    for (uint32_t i = rows; i < phases * rows; i += 1) {
      sums[i][0] = sums[i][1] = wasm_i32x4_const_splat(0);
    }
    for (uint32_t left = p->w->block / 4; left > 0; left -= phases) {
#pragma clang loop unroll(full)
      for (uint32_t step = 0; step < phases; step += 1) {
        const v128_t bytes = wasm_v128_load(w + step * step_bytes);
        v128_t low = bytes, high;
        if (is_signed) {
          high = wasm_v128_load(w + step * step_bytes + 16);
        } else {
          const v128_t nibble = wasm_i8x16_const_splat(15);
          low = wasm_v128_and(bytes, nibble);
          high = wasm_v128_and(wasm_u16x8_shr(bytes, 4), nibble);
        }
        add_dots(sums + step * rows, rows, low, high, x + step * rows * unit, is_signed);
      }
      w += phases * step_bytes;
      x += phases * rows * unit;
    }
    v128_t low, high;
    load_scales(p->w, index, &low, &high);
#pragma clang loop unroll(full)
    for (uint32_t r = 0; r < rows; r += 1) {
#pragma clang loop unroll(full)
      for (uint32_t i = rows + r; i < phases * rows; i += rows) {
        sums[r][0] = wasm_i32x4_add(sums[r][0], sums[i][0]);
        sums[r][1] = wasm_i32x4_add(sums[r][1], sums[i][1]);
      }
      const v128_t scale = wasm_v128_load32_splat(&quantized[r].scale);
      totals[r][0] = multiply_add(wasm_f32x4_convert_i32x4(sums[r][0]), wasm_f32x4_mul(low, scale),
                                  totals[r][0]);
      totals[r][1] = multiply_add(wasm_f32x4_convert_i32x4(sums[r][1]), wasm_f32x4_mul(high, scale),
                                  totals[r][1]);
    }
    quantized += rows;
  }
  v128_t results[PANEL_ROWS][2]; /* apart from totals, which so can stay in registers */
#pragma clang loop unroll(full)
  for (uint32_t r = 0; r < rows; r += 1) {
    results[r][0] = totals[r][0];
    results[r][1] = totals[r][1];
  }
  finish(p, group, row, rows, results);
}

INLINE void block_rows(const Product *p, uint32_t group, uint32_t first, uint32_t end,
                       const bool is_signed) {
  for (uint32_t row = first; row < end; row += PANEL_ROWS) {
    uint32_t rows = end - row < PANEL_ROWS ? end - row : PANEL_ROWS;
    switch (rows) {
      case 1: block_panel(p, group, row, 1, 2, is_signed); break;
      case 2: block_panel(p, group, row, 2, 1, is_signed); break;
      case 3: block_panel(p, group, row, 3, 1, is_signed); break;
      default: block_panel(p, group, row, 4, 1, is_signed); break;
    }
  }
}

void block8_kernel(const Product *p, uint32_t group, uint32_t first, uint32_t end) {
  block_rows(p, group, first, end, true);
}

void block4_kernel(const Product *p, uint32_t group, uint32_t first, uint32_t end) {
  block_rows(p, group, first, end, false);
}
