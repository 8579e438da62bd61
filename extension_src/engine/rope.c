/* Rotary position embedding, rotate-half (Su et al. 2021, arXiv 2104.09864; the halves as in GPT-NeoX). */
#include <stddef.h>

#include "kernels.h"
#include "state.h"
#include "vector_math.h"

typedef struct {
  double cos, sin;
} Turn;

/* sin and cos: the angle less a multiple of π/2 (in two parts, exact for multiples below 2^20), then
 * Taylor series on [−π/4, π/4], whose first left-out term is below 1e-14. */
static Turn turn(double angle) {
  const double half_pi_high = 1.57079632673412561417; /* 33 bits */
  const double half_pi_low = 6.07710050650619224932e-11;
  double quarters = __builtin_rint(angle * 0.63661977236758134308);
  double x = angle - quarters * half_pi_high - quarters * half_pi_low, y = x * x;
  double sin = 1 / 6227020800.0, cos = 1 / 479001600.0;
  sin = sin * y - 1 / 39916800.0;
  sin = sin * y + 1 / 362880.0;
  sin = sin * y - 1 / 5040.0;
  sin = sin * y + 1 / 120.0;
  sin = sin * y - 1 / 6.0;
  sin = x + x * y * sin;
  cos = cos * y - 1 / 3628800.0;
  cos = cos * y + 1 / 40320.0;
  cos = cos * y - 1 / 720.0;
  cos = cos * y + 1 / 24.0;
  cos = cos * y - 0.5;
  cos = 1 + y * cos;
  switch ((int64_t)quarters & 3) {
    case 0: return (Turn){cos, sin};
    case 1: return (Turn){-sin, cos};
    case 2: return (Turn){-cos, -sin};
    default: return (Turn){sin, -cos};
  }
}

/* Greater angles, of frequencies above 1, would not be reduced exactly: they give NaN. */
#define GREATEST_ANGLE ((float)MAX_POSITIONS)

/* Fills state.rope (tokens, 2, half): the cosines of a token, then its sines. The angle is rounded to
 * float32 as in the models' own code. */
static void fill_table(const Operation *op) {
  uint32_t half = op->p[2] / 2;
  float factor = word_float(op->p[3]);
  const float *frequencies = vector_data(op->w0);
  float *out = state.rope;
  for (uint32_t token = 0; token < state.rows[ROWS_TOKENS]; token += 1, out += 2 * half) {
    for (uint32_t i = 0; i < half; i += 1) {
      float angle = (float)state.positions[token] * frequencies[i];
      bool reducible = angle < GREATEST_ANGLE && angle > -GREATEST_ANGLE;
      Turn at = reducible ? turn(angle) : (Turn){__builtin_nan(""), __builtin_nan("")};
      out[i] = (float)at.cos * factor;
      out[half + i] = (float)at.sin * factor;
    }
  }
}

static bool same_table(const Operation *a, const Operation *b) {
  return a != NULL && a->w0 == b->w0 && a->p[2] == b->p[2] && a->p[3] == b->p[3];
}

/* x (2 · half): (first, second) → (first·cos − second·sin, second·cos + first·sin). */
static void rotate(float *x, const float *cos, const float *sin, uint32_t half) {
  uint32_t i = 0;
  for (; i + 4 <= half; i += 4) {
    v128_t first = wasm_v128_load(x + i), second = wasm_v128_load(x + half + i);
    v128_t c = wasm_v128_load(cos + i), s = wasm_v128_load(sin + i);
    wasm_v128_store(x + i, wasm_f32x4_sub(wasm_f32x4_mul(first, c), wasm_f32x4_mul(second, s)));
    wasm_v128_store(x + half + i, multiply_add(second, c, wasm_f32x4_mul(first, s)));
  }
  for (; i < half; i += 1) {
    float first = x[i], second = x[half + i];
    x[i] = first * cos[i] - second * sin[i];
    x[half + i] = second * cos[i] + first * sin[i];
  }
}

void rope(const Operation *op) {
  uint32_t heads = op->p[0], head_dim = op->p[1], half = op->p[2] / 2;
  if (!same_table(state.rope_for, op)) fill_table(op);
  state.rope_for = op;
  float *row = operand_data(&op->dst);
  const float *table = state.rope;
  for (uint32_t token = 0; token < state.rows[ROWS_TOKENS]; token += 1) {
    for (uint32_t head = 0; head < heads; head += 1) {
      rotate(row + head * head_dim, table, table + half, half);
    }
    row += operand_stride(&op->dst);
    table += 2 * half;
  }
}
