/* I8: signed bytes (or −63..63 stored +64), one scale per row; the whole sum is an integer. */
#include "integer_dot.h"

INLINE void int8_panel(const Product *p, Bundle bundle, uint32_t row, const uint32_t rows,
                       const uint32_t groups, const bool is_signed) {
  const uint32_t unit = is_signed ? SIGNED_UNIT : SEVEN_BIT_UNIT;
  const uint32_t group_bytes = p->cols * GROUP_ROWS;
  const uint8_t *x = p->prepared + row * p->row_bytes;
  const Quantized *quantized = p->quantized + row;
  const uint8_t *w[BUNDLE];
  v128_t sums[MAX_SETS][2];
#pragma clang loop unroll(full)
  for (uint32_t j = 0; j < groups; j += 1) {
    w[j] = (const uint8_t *)p->w->data + (bundle.group + j * bundle.stride) * group_bytes;
#pragma clang loop unroll(full)
    for (uint32_t r = 0; r < rows; r += 1) {
      sums[j * rows + r][0] = sums[j * rows + r][1] = wasm_v128_load32_splat(&quantized[r].start);
    }
  }
  for (uint32_t left = p->cols / 4; left > 0; left -= 1, x += rows * unit) {
#pragma clang loop unroll(full)
    for (uint32_t j = 0; j < groups; j += 1) {
      const v128_t low = wasm_v128_load(w[j]), high = wasm_v128_load(w[j] + 16);
      add_dots(sums + j * rows, rows, low, high, x, is_signed);
      w[j] += 32;
    }
  }
#pragma clang loop unroll(full)
  for (uint32_t j = 0; j < groups; j += 1) {
    const uint32_t group = bundle.group + j * bundle.stride;
    const float *scales = (const float *)p->w->scales + group * GROUP_ROWS;
    const v128_t low = wasm_v128_load(scales), high = wasm_v128_load(scales + 4);
    v128_t results[MAX_SETS][2]; /* apart from sums, which so can stay in registers */
#pragma clang loop unroll(full)
    for (uint32_t r = 0; r < rows; r += 1) {
      const v128_t *sum = sums[j * rows + r];
      const v128_t scale = wasm_v128_load32_splat(&quantized[r].scale);
      results[r][0] = wasm_f32x4_mul(wasm_f32x4_convert_i32x4(sum[0]), wasm_f32x4_mul(low, scale));
      results[r][1] = wasm_f32x4_mul(wasm_f32x4_convert_i32x4(sum[1]), wasm_f32x4_mul(high, scale));
    }
    finish(p, group, row, rows, results);
  }
}

INLINE void signed_panel(const Product *p, Bundle bundle, uint32_t row, uint32_t rows,
                         uint32_t groups) {
  int8_panel(p, bundle, row, rows, groups, true);
}

INLINE void seven_bit_panel(const Product *p, Bundle bundle, uint32_t row, uint32_t rows,
                            uint32_t groups) {
  int8_panel(p, bundle, row, rows, groups, false);
}

void int8_kernel(const Product *p, Bundle bundle, uint32_t first, uint32_t end) {
  if (p->w->flags & FLAG_SEVEN_BIT) {
    bundle_rows(p, bundle, first, end, seven_bit_panel);
  } else {
    bundle_rows(p, bundle, first, end, signed_panel);
  }
}
