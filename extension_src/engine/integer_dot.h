/*
 * The innermost step of the integer kernels: four columns of eight rows of a weight times the same
 * columns of up to PANEL_ROWS rows of x, added to 32-bit sums. Exact in both variants.
 *
 * RELAXED: one relaxed_dot takes 16 products, of a signed and a 7-bit operand.
 *   Seven-bit weights (0..127): x is the signed operand. A unit of x is its 4 bytes.
 *   Signed weights w (−128..127): x is split into p = max(x, 0) and n = max(−x, 0), both 0..127, and
 *   w is the signed operand: w·x = w·p − w·n = w·p + ~w·n + n, as ~w = −1 − w. Σn is in
 *   Quantized.start. A unit of x is 4 bytes of p, 4 bytes of n.
 * PLAIN: i32x4.dot_i16x8_s on even and odd bytes of the weights widened to 16 bits. A unit of x is
 *   4 × int16, in the order x0 x2 x1 x3.
 */
#ifndef INTEGER_DOT_H
#define INTEGER_DOT_H

#include <stdbool.h>

#include "product.h"

#if defined(__wasm_relaxed_simd__)
#define SEVEN_BIT_UNIT 4u
#else
#define SEVEN_BIT_UNIT 8u
#endif
#define SIGNED_UNIT 8u

/* sums[r][0] += rows 0–3 (`low`) times row r of x, sums[r][1] += rows 4–7 (`high`). */
INLINE void add_dots(v128_t sums[][2], uint32_t rows, v128_t low, v128_t high, const uint8_t *x,
                     bool is_signed) {
#if defined(__wasm_relaxed_simd__)
  if (is_signed) {
    const v128_t not_low = wasm_v128_not(low), not_high = wasm_v128_not(high);
#pragma clang loop unroll(full)
    for (uint32_t r = 0; r < rows; r += 1) {
      v128_t p = wasm_v128_load32_splat(x + r * 8), n = wasm_v128_load32_splat(x + r * 8 + 4);
      sums[r][0] = wasm_i32x4_relaxed_dot_i8x16_i7x16_add(low, p, sums[r][0]);
      sums[r][1] = wasm_i32x4_relaxed_dot_i8x16_i7x16_add(high, p, sums[r][1]);
      sums[r][0] = wasm_i32x4_relaxed_dot_i8x16_i7x16_add(not_low, n, sums[r][0]);
      sums[r][1] = wasm_i32x4_relaxed_dot_i8x16_i7x16_add(not_high, n, sums[r][1]);
    }
    return;
  }
#pragma clang loop unroll(full)
  for (uint32_t r = 0; r < rows; r += 1) {
    v128_t values = wasm_v128_load32_splat(x + r * 4);
    sums[r][0] = wasm_i32x4_relaxed_dot_i8x16_i7x16_add(values, low, sums[r][0]);
    sums[r][1] = wasm_i32x4_relaxed_dot_i8x16_i7x16_add(values, high, sums[r][1]);
  }
#else
  v128_t low_even, low_odd, high_even, high_odd;
  if (is_signed) {
    low_even = wasm_i16x8_shr(wasm_i16x8_shl(low, 8), 8);
    low_odd = wasm_i16x8_shr(low, 8);
    high_even = wasm_i16x8_shr(wasm_i16x8_shl(high, 8), 8);
    high_odd = wasm_i16x8_shr(high, 8);
  } else {
    const v128_t byte = wasm_i16x8_const_splat(0xFF);
    low_even = wasm_v128_and(low, byte);
    low_odd = wasm_u16x8_shr(low, 8);
    high_even = wasm_v128_and(high, byte);
    high_odd = wasm_u16x8_shr(high, 8);
  }
#pragma clang loop unroll(full)
  for (uint32_t r = 0; r < rows; r += 1) {
    v128_t even = wasm_v128_load32_splat(x + r * 8), odd = wasm_v128_load32_splat(x + r * 8 + 4);
    sums[r][0] = wasm_i32x4_add(sums[r][0], wasm_i32x4_dot_i16x8(low_even, even));
    sums[r][1] = wasm_i32x4_add(sums[r][1], wasm_i32x4_dot_i16x8(high_even, even));
    sums[r][0] = wasm_i32x4_add(sums[r][0], wasm_i32x4_dot_i16x8(low_odd, odd));
    sums[r][1] = wasm_i32x4_add(sums[r][1], wasm_i32x4_dot_i16x8(high_odd, odd));
  }
#endif
}

#endif
