/*
 * Elementary functions of four floats at a time, and the activations of the Program.
 *
 * Sources: range reduction of exp after W. J. Cody and W. Waite, Software Manual for the Elementary
 * Functions (1980), ch. 6; the coefficients are our own least-maximum fits (Lawson's iteration in
 * double precision) to the functions named beside them. Bounds are of the relative error against
 * the true function, all roundings included. NaN comes out as NaN everywhere: the order of the operands of
 * pmin and pmax below sees to it (pmin(a, b) = b < a ? b : a).
 */
#ifndef VECTOR_MATH_H
#define VECTOR_MATH_H

#include <stdint.h>
#include <wasm_simd128.h>

/* The values of enum ACTIVATION_… in matmul.h. */
#include "matmul.h"

/* a · b + c; fused where the variant can. */
static inline v128_t multiply_add(v128_t a, v128_t b, v128_t c) {
#if defined(__wasm_relaxed_simd__)
  return wasm_f32x4_relaxed_madd(a, b, c);
#else
  return wasm_f32x4_add(wasm_f32x4_mul(a, b), c);
#endif
}

/* Constants are loaded: V8 makes a known one anew at every use, by three instructions, two of which
 * are shuffles, and keeps none of them in a register. */
extern const float exp_constants[13], tanh_constants[5], erf_constants[2][6];
enum {
  EXP_MOST = 5,
  EXP_LEAST,
  EXP_ROUND,
  EXP_LOG2E,
  EXP_LN2, /* −ln 2 in two parts */
  EXP_ONE = EXP_LN2 + 2,
  EXP_INFINITY,
};

static inline v128_t exp_constant(uint32_t at) { return wasm_v128_load32_splat(exp_constants + at); }

/* c[0] + c[1]·z + … + c[count − 1]·z^(count − 1) */
static inline v128_t polynomial(v128_t z, const float *c, const uint32_t count) {
  v128_t sum = wasm_v128_load32_splat(c + count - 1);
#pragma clang loop unroll(full)
  for (uint32_t i = count - 1; i > 0; i -= 1) {
    sum = multiply_add(sum, z, wasm_v128_load32_splat(c + i - 1));
  }
  return sum;
}

/* e^x within 2e-7; 0 below −87.33 and infinity above 88.37, where 2^n would leave the normal numbers.
 * x = n·ln 2 + r; e^r = 1 + r + r²·q(r), |r| ≤ 0.353; the sum with 1.5·2^23 rounds to n. */
static inline v128_t exp_lanes(v128_t x) {
  const v128_t most = exp_constant(EXP_MOST), least = exp_constant(EXP_LEAST);
  const v128_t round = exp_constant(EXP_ROUND), one = exp_constant(EXP_ONE);
  const v128_t held = wasm_f32x4_pmax(wasm_f32x4_pmin(x, most), least);
  const v128_t shifted = multiply_add(held, exp_constant(EXP_LOG2E), round);
  const v128_t n = wasm_f32x4_sub(shifted, round);
  /* 355/512 times n is exact, the rest of ln 2 follows. */
  v128_t r = multiply_add(n, exp_constant(EXP_LN2), held);
  r = multiply_add(n, exp_constant(EXP_LN2 + 1), r);
  v128_t p = polynomial(r, exp_constants, 5);
  p = wasm_f32x4_add(multiply_add(wasm_f32x4_mul(r, r), p, r), one);
  p = wasm_f32x4_mul(p, wasm_i32x4_add(wasm_i32x4_shl(shifted, 23), one));
  p = wasm_v128_andnot(p, wasm_f32x4_lt(x, least));
  return wasm_v128_bitselect(exp_constant(EXP_INFINITY), p, wasm_f32x4_gt(x, most));
}

/* 1 / (1 + e^−x) within 3e-7. */
static inline v128_t sigmoid_lanes(v128_t x) {
  const v128_t one = exp_constant(EXP_ONE);
  return wasm_f32x4_div(one, wasm_f32x4_add(one, exp_lanes(wasm_f32x4_neg(x))));
}

/* tanh within 3e-7: x + x³·p(x²) up to 0.625, from there 1 − 2 / (e^2|x| + 1) with the sign of x. */
static inline v128_t tanh_lanes(v128_t x) {
  const v128_t one = wasm_f32x4_const_splat(1.0f), sign = wasm_f32x4_const_splat(-0.0f);
  const v128_t size = wasm_f32x4_abs(x), square = wasm_f32x4_mul(x, x);
  const v128_t near = multiply_add(wasm_f32x4_mul(x, square), polynomial(square, tanh_constants, 5), x);
  const v128_t power = wasm_f32x4_add(exp_lanes(wasm_f32x4_add(size, size)), one);
  v128_t far = wasm_f32x4_sub(one, wasm_f32x4_div(wasm_f32x4_const_splat(2.0f), power));
  far = wasm_v128_or(far, wasm_v128_and(x, sign));
  return wasm_v128_bitselect(near, far, wasm_f32x4_lt(size, wasm_f32x4_const_splat(0.625f)));
}

/* erf within 4e-7: x · P(x²) / Q(x²) up to 3.95, where it has become 1. */
static inline v128_t erf_lanes(v128_t x) {
  const v128_t end = wasm_f32x4_const_splat(3.95f), one = wasm_f32x4_const_splat(1.0f);
  const v128_t held = wasm_f32x4_pmax(wasm_f32x4_pmin(x, end), wasm_f32x4_neg(end));
  const v128_t square = wasm_f32x4_mul(held, held);
  const v128_t value = wasm_f32x4_div(wasm_f32x4_mul(held, polynomial(square, erf_constants[0], 6)),
                                      polynomial(square, erf_constants[1], 6));
  return wasm_f32x4_pmax(wasm_f32x4_pmin(value, one), wasm_f32x4_neg(one));
}

/* x/2 · (1 + erf(x / √2)) (Hendrycks and Gimpel, arXiv:1606.08415, eq. 1). */
static inline v128_t gelu_erf_lanes(v128_t x) {
  const v128_t half = wasm_f32x4_mul(x, wasm_f32x4_const_splat(0.5f));
  return multiply_add(half, erf_lanes(wasm_f32x4_mul(x, wasm_f32x4_const_splat(0.70710678f))), half);
}

/* x/2 · (1 + tanh(z)) = x · sigmoid(2z) with z = √(2/π) · (x + 0.044715·x³) (ibidem, sec. 2). */
static inline v128_t gelu_tanh_lanes(v128_t x) {
  const v128_t cubic = wasm_f32x4_mul(wasm_f32x4_mul(x, x), wasm_f32x4_const_splat(0.044715f));
  const v128_t z = multiply_add(x, cubic, x);
  return wasm_f32x4_mul(x, sigmoid_lanes(wasm_f32x4_mul(z, wasm_f32x4_const_splat(1.5957691f))));
}

/* Four values of an ACTIVATION_…. */
static inline v128_t activate_lanes(v128_t x, uint32_t activation) {
  switch (activation) {
    case ACTIVATION_GELU_ERF: return gelu_erf_lanes(x);
    case ACTIVATION_GELU_TANH: return gelu_tanh_lanes(x);
    case ACTIVATION_SILU: return wasm_f32x4_mul(x, sigmoid_lanes(x));
    case ACTIVATION_RELU: return wasm_f32x4_pmax(x, wasm_f32x4_const_splat(0.0f));
    case ACTIVATION_TANH: return tanh_lanes(x);
    case ACTIVATION_SIGMOID: return sigmoid_lanes(x);
    default: return x;
  }
}

/* values [count] = activation(values) */
static inline void activate(float *values, uint32_t count, uint32_t activation) {
  if (activation == ACTIVATION_NONE) return;
  uint32_t i = 0;
  for (; i + 4 <= count; i += 4) {
    wasm_v128_store(values + i, activate_lanes(wasm_v128_load(values + i), activation));
  }
  for (; i < count; i += 1) {
    values[i] = wasm_f32x4_extract_lane(
        activate_lanes(wasm_v128_load32_splat(values + i), activation), 0);
  }
}

#endif
