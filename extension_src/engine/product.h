/*
 * One product on its way: what matmul.c hands to the kernels (matmul_int8.c, matmul_block.c,
 * matmul_float.c) and how they hand back their sums.
 *
 * The rows of x are prepared (quantize.c) in panels of at most PANEL_ROWS rows. A panel of R rows
 * is interleaved, [cols/step][R][unit bytes], so that a kernel reads it from one pointer; since the
 * panels lie one after the other, the panel that begins at row r begins at r · row_bytes.
 */
#ifndef PRODUCT_H
#define PRODUCT_H

#include <stddef.h>
#include <stdint.h>
#include <wasm_simd128.h>

#include "matmul.h"
#include "vector_math.h"

#define INLINE static inline __attribute__((always_inline))
#define GROUP_ROWS 8u       /* rows of a weight that are stored together */
#define BUNDLE 4u     /* groups that a kernel is given at a time */
#define PANEL_ROWS 4u /* rows of x in a panel */
#define MAX_SETS 4u   /* pairs of sums (rows 0–3, 4–7 of a group): what 16 registers hold */

/* How activations are quantised: one per row of x and block. Of a panel of R rows: [blocks][R]. */
typedef struct {
  float scale;   /* peak / 127; NaN if x is not finite */
  int32_t start; /* what the sum of a block begins with: repays the offset of the stored weights */
  int32_t sum;   /* Σ x_q; only for FLAG_ZEROS */
} Quantized;

typedef struct {
  const Matrix *w;
  const float *x; /* [m] rows, x_stride floats apart */
  uint32_t x_stride, m;
  float *y; /* [m] rows, y_stride floats apart */
  uint32_t y_stride;
  const Epilogue *epilogue;
  uint32_t blocks;     /* Quantized per row of x; 0 for F32 and F16 */
  uint32_t cols;       /* of the prepared activations: padded */
  uint32_t row_bytes;  /* of a row of the prepared activations */
  Quantized *quantized; /* [m · blocks] */
  uint8_t *prepared;    /* [m · row_bytes] */
} Product;

/* Groups group, group + stride, … of a weight. `count` is at most BUNDLE. */
typedef struct {
  uint32_t group, stride, count;
} Bundle;

/* Computes the columns of y that belong to the groups of the bundle, for the rows first .. end − 1;
 * first begins a panel. */
typedef void Kernel(const Product *p, Bundle bundle, uint32_t first, uint32_t end);
Kernel int8_kernel, block8_kernel, block4_kernel, f32_kernel, f16_kernel;

/* Computes `groups` groups from the first of the bundle on, for `rows` rows from `row` on, which
 * are a panel. Both are constants where it is called, and their product is at most MAX_SETS: the
 * sums stay in registers, and enough of them are independent to hide the latency of a step. */
typedef void Panel(const Product *p, Bundle bundle, uint32_t row, uint32_t rows, uint32_t groups);

/* Calls `panel` for each of its groups, or several together. */
INLINE void bundle_panel(const Product *p, Bundle bundle, uint32_t row, const uint32_t rows,
                         const uint32_t groups, Panel *panel) {
  uint32_t done = 0;
  for (; done + groups <= bundle.count; done += groups, bundle.group += groups * bundle.stride) {
    panel(p, bundle, row, rows, groups);
  }
  if (groups == 1) return;
  for (; done < bundle.count; done += 1, bundle.group += bundle.stride) {
    panel(p, bundle, row, rows, 1);
  }
}

/* The body of a Kernel. */
INLINE void bundle_rows(const Product *p, Bundle bundle, uint32_t first, uint32_t end,
                        Panel *panel) {
  for (uint32_t row = first; row < end; row += PANEL_ROWS) {
    switch (end - row < PANEL_ROWS ? end - row : PANEL_ROWS) {
      case 1: bundle_panel(p, bundle, row, 1, 4, panel); break;
      case 2: bundle_panel(p, bundle, row, 2, 2, panel); break;
      case 3: bundle_panel(p, bundle, row, 3, 1, panel); break;
      default: bundle_panel(p, bundle, row, 4, 1, panel); break;
    }
  }
}

/* Prepares the panel number `panel`: quantises it, or (F32, F16) only interleaves it. */
void prepare_panel(const Product *p, uint32_t panel);

/* Bytes that 4 columns of a row of quantised activations take. */
uint32_t quantized_unit(const Matrix *w);

/* Eight floats with bits of IEEE half precision; infinities are not expected. The sign stays at the
 * top, exponent and fraction move to their place, and 2^112 makes up for the other exponent bias;
 * that is exact, subnormal numbers included. */
INLINE void widen_halves(v128_t halves, v128_t *low, v128_t *high) {
  const v128_t mask = wasm_i32x4_const_splat((int32_t)0x8FFFE000u);
  const v128_t bias = wasm_f32x4_const_splat(0x1p112f);
  v128_t a = wasm_i32x4_shl(wasm_i32x4_extend_low_i16x8(halves), 13);
  v128_t b = wasm_i32x4_shl(wasm_i32x4_extend_high_i16x8(halves), 13);
  *low = wasm_f32x4_mul(wasm_v128_and(a, mask), bias);
  *high = wasm_f32x4_mul(wasm_v128_and(b, mask), bias);
}

/* activate_lanes, once for all kernels: it is long. */
v128_t activated(v128_t x, uint32_t activation);

/* Applies the epilogue to sums[rows][2] and stores them, when fewer than eight columns are left. */
void finish_few(const Product *p, uint32_t group, uint32_t row, uint32_t rows,
                const v128_t sums[][2]);

/* Applies the epilogue to sums[rows][2] (columns 0–3 and 4–7 of the group) and stores them. */
INLINE void finish(const Product *p, uint32_t group, uint32_t row, uint32_t rows,
                   const v128_t sums[][2]) {
  const Epilogue *e = p->epilogue;
  const uint32_t column = group * GROUP_ROWS;
  if (column + GROUP_ROWS > p->w->rows) {
    finish_few(p, group, row, rows, sums);
    return;
  }
  v128_t low = wasm_f32x4_const_splat(0), high = low;
  if (e->bias != NULL) {
    low = wasm_v128_load(e->bias + column);
    high = wasm_v128_load(e->bias + column + 4);
  }
  for (uint32_t r = 0; r < rows; r += 1) {
    v128_t a = wasm_f32x4_add(sums[r][0], low), b = wasm_f32x4_add(sums[r][1], high);
    if (e->activation != ACTIVATION_NONE) {
      a = activated(a, e->activation);
      b = activated(b, e->activation);
    }
    if (e->residual != NULL) {
      const float *residual = e->residual + (row + r) * e->residual_stride + column;
      a = wasm_f32x4_add(a, wasm_v128_load(residual));
      b = wasm_f32x4_add(b, wasm_v128_load(residual + 4));
    }
    float *y = p->y + (row + r) * p->y_stride + column;
    wasm_v128_store(y, a);
    wasm_v128_store(y + 4, b);
  }
}

#endif
