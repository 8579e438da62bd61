/* I4_BLOCK and I8_BLOCK: an integer sum for each block of columns, scaled and added as float. */
#include "integer_dot.h"

#define MAX_BLOCK 128u
#define MANY_ROWS 64u /* rows of x that share an unpacked block */
#define FEW_ROWS 16u /* fewer are not worth unpacking a block first */

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

/* Four columns of rows 0–3 and of rows 4–7. */
INLINE void load_step(const uint8_t *w, const bool is_signed, v128_t *low, v128_t *high) {
  const v128_t bytes = wasm_v128_load(w), nibble = wasm_i8x16_const_splat(15);
  *low = is_signed ? bytes : wasm_v128_and(bytes, nibble);
  *high = is_signed ? wasm_v128_load(w + 16) : wasm_v128_and(wasm_u16x8_shr(bytes, 4), nibble);
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

/* totals[r] += sums[r] as floats, times the scales of the weights and of the rows of x. */
INLINE void add_scaled(const v128_t sums[][2], const uint32_t rows, v128_t low, v128_t high,
                       const Quantized *quantized, v128_t totals[][2]) {
#pragma clang loop unroll(full)
  for (uint32_t r = 0; r < rows; r += 1) {
    const v128_t scale = wasm_v128_load32_splat(&quantized[r].scale);
    totals[r][0] = multiply_add(wasm_f32x4_convert_i32x4(sums[r][0]), wasm_f32x4_mul(low, scale),
                                totals[r][0]);
    totals[r][1] = multiply_add(wasm_f32x4_convert_i32x4(sums[r][1]), wasm_f32x4_mul(high, scale),
                                totals[r][1]);
  }
}

INLINE void block_panel(const Product *p, Bundle bundle, uint32_t row, const uint32_t rows,
                        const uint32_t groups, const bool is_signed) {
  const uint32_t unit = is_signed ? SIGNED_UNIT : SEVEN_BIT_UNIT;
  const uint32_t step_bytes = is_signed ? 32 : 16, group_bytes = p->cols / 4 * step_bytes;
  const uint8_t *x = p->prepared + row * p->row_bytes;
  const Quantized *quantized = p->quantized + row * p->blocks;
  const uint8_t *w[BUNDLE];
  v128_t totals[MAX_SETS][2];
#pragma clang loop unroll(full)
  for (uint32_t j = 0; j < groups; j += 1) {
    w[j] = (const uint8_t *)p->w->data + (bundle.group + j * bundle.stride) * group_bytes;
#pragma clang loop unroll(full)
    for (uint32_t r = 0; r < rows; r += 1) {
      totals[j * rows + r][0] = totals[j * rows + r][1] = wasm_f32x4_const_splat(0);
    }
  }
  for (uint32_t block = 0; block < p->blocks; block += 1, quantized += rows) {
    v128_t sums[MAX_SETS][2];
#pragma clang loop unroll(full)
    for (uint32_t j = 0; j < groups; j += 1) {
      const uint32_t index = (bundle.group + j * bundle.stride) * p->blocks + block;
      start_sums(p, index, quantized, rows, is_signed, sums + j * rows);
    }
    for (uint32_t left = p->w->block / 4; left > 0; left -= 1, x += rows * unit) {
#pragma clang loop unroll(full)
      for (uint32_t j = 0; j < groups; j += 1) {
        v128_t low, high;
        load_step(w[j], is_signed, &low, &high);
        add_dots(sums + j * rows, rows, low, high, x, is_signed);
        w[j] += step_bytes;
      }
    }
#pragma clang loop unroll(full)
    for (uint32_t j = 0; j < groups; j += 1) {
      v128_t low, high;
      load_scales(p->w, (bundle.group + j * bundle.stride) * p->blocks + block, &low, &high);
      add_scaled(sums + j * rows, rows, low, high, quantized, totals + j * rows);
    }
  }
#pragma clang loop unroll(full)
  for (uint32_t j = 0; j < groups; j += 1) {
    v128_t results[MAX_SETS][2]; /* apart from totals, which so can stay in registers */
#pragma clang loop unroll(full)
    for (uint32_t r = 0; r < rows; r += 1) {
      results[r][0] = totals[j * rows + r][0];
      results[r][1] = totals[j * rows + r][1];
    }
    finish(p, bundle.group + j * bundle.stride, row, rows, results);
  }
}

INLINE void signed_panel(const Product *p, Bundle bundle, uint32_t row, uint32_t rows,
                         uint32_t groups) {
  block_panel(p, bundle, row, rows, groups, true);
}

INLINE void nibble_panel(const Product *p, Bundle bundle, uint32_t row, uint32_t rows,
                         uint32_t groups) {
  block_panel(p, bundle, row, rows, groups, false);
}

void block8_kernel(const Product *p, Bundle bundle, uint32_t first, uint32_t end) {
  bundle_rows(p, bundle, first, end, signed_panel);
}

/* A block of a group as many rows of x read it: nibbles as bytes, scales as floats. */
typedef struct {
  uint8_t bytes[MAX_BLOCK * GROUP_ROWS];
  v128_t low, high;
  uint32_t index;
} Unpacked;

/* `index` counts (group, block). */
static void unpack(const Product *p, uint32_t index, Unpacked *out) {
  const uint32_t steps = p->w->block / 4;
  const uint8_t *w = (const uint8_t *)p->w->data + index * steps * 16;
  for (uint32_t i = 0; i < steps; i += 1) {
    v128_t low, high;
    load_step(w + i * 16, false, &low, &high);
    wasm_v128_store(out->bytes + i * 32, low);
    wasm_v128_store(out->bytes + i * 32 + 16, high);
  }
  load_scales(p->w, index, &out->low, &out->high);
  out->index = index;
}

/* Adds a block to the totals[PANEL_ROWS][2] of a full panel. Its steps stay a loop: written out they
 * take more registers than there are. */
INLINE void add_block(const Product *p, const Unpacked *unpacked, const uint8_t *x,
                      const Quantized *quantized, v128_t totals[][2]) {
  const uint8_t *w = unpacked->bytes;
  v128_t sums[PANEL_ROWS][2];
  start_sums(p, unpacked->index, quantized, PANEL_ROWS, false, sums);
  for (uint32_t left = p->w->block / 4; left > 0; left -= 1) {
    add_dots(sums, PANEL_ROWS, wasm_v128_load(w), wasm_v128_load(w + 16), x, false);
    x += PANEL_ROWS * SEVEN_BIT_UNIT;
    w += 32;
  }
  add_scaled(sums, PANEL_ROWS, unpacked->low, unpacked->high, quantized, totals);
}

/* Rows first .. end − 1 of a group: full panels, at most MANY_ROWS rows. */
static void many_rows(const Product *p, uint32_t group, uint32_t first, uint32_t end) {
  const uint32_t panel_block = p->row_bytes / p->blocks * PANEL_ROWS, rows = end - first;
  v128_t totals[MANY_ROWS][2];
  Unpacked unpacked;
  for (uint32_t r = 0; r < rows; r += 1) totals[r][0] = totals[r][1] = wasm_f32x4_const_splat(0);
  for (uint32_t block = 0; block < p->blocks; block += 1) {
    unpack(p, group * p->blocks + block, &unpacked);
    const uint8_t *x = p->prepared + first * p->row_bytes + block * panel_block;
    const Quantized *quantized = p->quantized + first * p->blocks + block * PANEL_ROWS;
    for (uint32_t r = 0; r < rows; r += PANEL_ROWS) {
      add_block(p, &unpacked, x, quantized, totals + r);
      x += PANEL_ROWS * p->row_bytes;
      quantized += PANEL_ROWS * p->blocks;
    }
  }
  for (uint32_t r = 0; r < rows; r += PANEL_ROWS) {
    finish(p, group, first + r, PANEL_ROWS, totals + r);
  }
}

void block4_kernel(const Product *p, Bundle bundle, uint32_t first, uint32_t end) {
  uint32_t row = first;
  while (end - row >= FEW_ROWS) {
    const uint32_t left = (end - row) / PANEL_ROWS * PANEL_ROWS;
    const uint32_t next = row + (left < MANY_ROWS ? left : MANY_ROWS);
    for (uint32_t i = 0; i < bundle.count; i += 1) {
      many_rows(p, bundle.group + i * bundle.stride, row, next);
    }
    row = next;
  }
  if (row < end) bundle_rows(p, bundle, row, end, nibble_panel);
}
