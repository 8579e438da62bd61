/* Top-k and log-softmax of a row of logits. */
#include "scores.h"

#include "engine.h"
#include "lanes.h"
#include "state.h"
#include "vector_math.h"

/* Natural logarithm of a normal number > 0: exponent · ln 2 + 2 artanh((m − 1) / (m + 1)) for the
 * mantissa m in [√½, √2); the first left-out term of the series is below 1e-16. */
static double logarithm(double x) {
  union {
    double value;
    uint64_t bits;
  } mantissa = {x};
  int32_t exponent = (int32_t)(mantissa.bits >> 52) - 1023;
  mantissa.bits = (mantissa.bits & 0x000FFFFFFFFFFFFFull) | 0x3FF0000000000000ull;
  if (mantissa.value > 1.4142135623730951) {
    mantissa.value /= 2;
    exponent += 1;
  }
  double s = (mantissa.value - 1) / (mantissa.value + 1), square = s * s, series = 0;
  for (int32_t n = 19; n >= 1; n -= 2) series = series * square + 1.0 / n;
  return exponent * 0.69314718055994530942 + 2 * s * series;
}

static float greatest(const float *x, uint32_t count) {
  v128_t most = wasm_f32x4_const_splat(-__builtin_inff());
  uint32_t i = 0;
  for (; i + 4 <= count; i += 4) most = wasm_f32x4_max(most, wasm_v128_load(x + i));
  float max = lane_max(most);
  for (; i < count; i += 1) max = x[i] > max ? x[i] : max;
  return max;
}

/* Σ e^(x − max): float32 within 64 values, double between. */
static double exponential_sum(const float *x, uint32_t count, float max) {
  v128_t maxima = wasm_f32x4_splat(max);
  double total = 0;
  uint32_t i = 0;
  while (i + 4 <= count) {
    v128_t sum = wasm_f32x4_const_splat(0);
    for (uint32_t n = 0; n < 16 && i + 4 <= count; n += 1, i += 4) {
      v128_t below = wasm_f32x4_sub(wasm_v128_load(x + i), maxima);
      sum = wasm_f32x4_add(sum, exp_lanes(below));
    }
    total += lane_sum(sum);
  }
  for (; i < count; i += 1) {
    total += wasm_f32x4_extract_lane(exp_lanes(wasm_f32x4_splat(x[i] - max)), 0);
  }
  return total;
}

void best_scores(const float *logits, uint32_t count, uint32_t k, Scored *best) {
  uint32_t held = 0;
  for (uint32_t id = 0; id < count; id += 1) {
    if (held == k && id + 16 <= count) { /* skip what holds nothing better, 16 at a time */
      v128_t last = wasm_f32x4_splat(best[k - 1].log_probability);
      v128_t ab = wasm_f32x4_max(wasm_v128_load(logits + id), wasm_v128_load(logits + id + 4));
      v128_t cd = wasm_f32x4_max(wasm_v128_load(logits + id + 8), wasm_v128_load(logits + id + 12));
      if (!wasm_v128_any_true(wasm_f32x4_gt(wasm_f32x4_max(ab, cd), last))) {
        id += 15;
        continue;
      }
    }
    float value = logits[id];
    if (held == k && !(value > best[k - 1].log_probability)) continue;
    uint32_t at = held < k ? held++ : k - 1;
    for (; at > 0 && value > best[at - 1].log_probability; at -= 1) best[at] = best[at - 1];
    best[at] = (Scored){id, value};
  }
  float max = greatest(logits, count);
  double normaliser = max + logarithm(exponential_sum(logits, count, max));
  for (uint32_t i = 0; i < k; i += 1) {
    best[i].log_probability = (float)(best[i].log_probability - normaliser);
  }
}

uint32_t engine_top(uint32_t row, uint32_t k) {
  static Scored top[ENGINE_MAX_TOP];
  if (!state.open || row >= state.result_rows) return 0;
  uint32_t width = state.program.header->output_width;
  if (k < 1 || k > ENGINE_MAX_TOP || k > width) return 0;
  best_scores(output_row(row), width, k, top);
  return (uint32_t)(uintptr_t)top;
}
