/* Activations as the kernels read them: quantised, and interleaved in panels (product.h). */
#include "integer_dot.h"

#define CHUNK 16u /* columns that are read at a time */
#define TINY 1e-30f
#define ROUND 12582912.0f /* 1.5 · 2^23: adding it rounds half to even, and leaves the integer */

/* Columns k .. k + 15 of a row, 0 beyond its end. */
INLINE void load_chunk(const float *x, uint32_t k, uint32_t cols, v128_t out[4]) {
  if (k + CHUNK <= cols) {
#pragma clang loop unroll(full)
    for (uint32_t i = 0; i < 4; i += 1) out[i] = wasm_v128_load(x + k + i * 4);
    return;
  }
  float rest[CHUNK] = {0};
  for (uint32_t i = k; i < cols; i += 1) rest[i - k] = x[i];
  for (uint32_t i = 0; i < 4; i += 1) out[i] = wasm_v128_load(rest + i * 4);
}

/* max|x| of columns start .. end − 1, by the bits: NaN above infinity above all numbers. */
static float peak_of(const float *x, uint32_t start, uint32_t end, uint32_t cols) {
  const v128_t magnitude = wasm_i32x4_const_splat(0x7FFFFFFF);
  v128_t most = wasm_i32x4_const_splat(0);
  for (uint32_t k = start; k < end; k += CHUNK) {
    v128_t values[4];
    load_chunk(x, k, cols, values);
#pragma clang loop unroll(full)
    for (uint32_t i = 0; i < 4; i += 1) {
      most = wasm_i32x4_max(most, wasm_v128_and(values[i], magnitude));
    }
  }
  most = wasm_i32x4_max(most, wasm_i32x4_shuffle(most, most, 2, 3, 0, 1));
  most = wasm_i32x4_max(most, wasm_i32x4_shuffle(most, most, 1, 0, 3, 2));
  return wasm_f32x4_extract_lane(most, 0);
}

INLINE int32_t sum_lanes(v128_t sum) {
  sum = wasm_i32x4_add(sum, wasm_i32x4_shuffle(sum, sum, 2, 3, 0, 1));
  return wasm_i32x4_extract_lane(sum, 0) + wasm_i32x4_extract_lane(sum, 1);
}

#if defined(__wasm_relaxed_simd__)
/* Writes the units of four columns; `units` holds four of them, of `unit` bytes each. */
INLINE void store_four(uint8_t *out, uint32_t stride, v128_t units) {
  wasm_v128_store32_lane(out, units, 0);
  wasm_v128_store32_lane(out + stride, units, 1);
  wasm_v128_store32_lane(out + stride * 2, units, 2);
  wasm_v128_store32_lane(out + stride * 3, units, 3);
}
#endif

/* Σ x_q and Σ max(−x_q, 0). */
typedef struct {
  int32_t all, negative;
} Sums;

/* Columns start .. end − 1 of a row, multiples of 16, to units `stride` bytes apart. */
static Sums quantize_span(const float *x, uint32_t start, uint32_t end, uint32_t cols, float peak,
                          uint8_t *out, uint32_t stride, bool is_signed) {
  const v128_t divisor = wasm_f32x4_splat(peak), most = wasm_f32x4_const_splat(127.0f);
  const v128_t round = wasm_f32x4_const_splat(ROUND), zero = wasm_i32x4_const_splat(0);
  v128_t all = zero, negative = zero;
  for (uint32_t k = start; k < end; k += CHUNK) {
    v128_t q[4];
    load_chunk(x, k, cols, q);
#pragma clang loop unroll(full)
    for (uint32_t i = 0; i < 4; i += 1) {
      q[i] = wasm_f32x4_mul(wasm_f32x4_div(q[i], divisor), most);
      q[i] = wasm_i32x4_sub(wasm_f32x4_add(q[i], round), round);
      all = wasm_i32x4_add(all, q[i]);
    }
    const v128_t first = wasm_i16x8_narrow_i32x4(q[0], q[1]);
    const v128_t second = wasm_i16x8_narrow_i32x4(q[2], q[3]);
#if defined(__wasm_relaxed_simd__)
    if (is_signed) {
#pragma clang loop unroll(full)
      for (uint32_t i = 0; i < 4; i += 1) {
        negative = wasm_i32x4_add(negative, wasm_i32x4_max(wasm_i32x4_neg(q[i]), zero));
      }
      const v128_t bytes = wasm_i8x16_narrow_i16x8(first, second);
      store_four(out, stride, wasm_i8x16_max(bytes, zero));
      store_four(out + 4, stride, wasm_i8x16_max(wasm_i8x16_neg(bytes), zero));
    } else {
      store_four(out, stride, wasm_i8x16_narrow_i16x8(first, second));
    }
#else
    (void)is_signed;
    const v128_t a = wasm_i16x8_shuffle(first, first, 0, 2, 1, 3, 4, 6, 5, 7);
    const v128_t b = wasm_i16x8_shuffle(second, second, 0, 2, 1, 3, 4, 6, 5, 7);
    wasm_v128_store64_lane(out, a, 0);
    wasm_v128_store64_lane(out + stride, a, 1);
    wasm_v128_store64_lane(out + stride * 2, b, 0);
    wasm_v128_store64_lane(out + stride * 3, b, 1);
#endif
    out += stride * 4;
  }
  return (Sums){sum_lanes(all), sum_lanes(negative)};
}

/* Columns start .. end − 1 become zeros. */
static void clear_span(uint32_t start, uint32_t end, uint8_t *out, uint32_t stride, uint32_t unit) {
  for (uint32_t k = start; k < end; k += 4, out += stride) {
    for (uint32_t i = 0; i < unit; i += 4) *(uint32_t *)(void *)(out + i) = 0;
  }
}

/* What repays the offset that the weights are stored with. */
static int32_t start_of(const Matrix *w, Sums sums) {
  switch (w->dtype) {
    case DTYPE_I4_BLOCK: return w->flags & FLAG_ZEROS ? 0 : -8 * sums.all;
    case DTYPE_I8: return w->flags & FLAG_SEVEN_BIT ? -64 * sums.all : sums.negative;
    default: return sums.negative;
  }
}

static bool weights_are_signed(const Matrix *w) {
  return w->dtype == DTYPE_I8_BLOCK || (w->dtype == DTYPE_I8 && !(w->flags & FLAG_SEVEN_BIT));
}

uint32_t quantized_unit(const Matrix *w) {
  return weights_are_signed(w) ? SIGNED_UNIT : SEVEN_BIT_UNIT;
}

static void quantize_row(const Product *p, const float *x, uint8_t *out, Quantized *quantized,
                         uint32_t rows) {
  const uint32_t span = p->cols / p->blocks;
  const uint32_t unit = quantized_unit(p->w), stride = rows * unit;
  for (uint32_t block = 0; block < p->blocks; block += 1) {
    const uint32_t start = block * span, end = start + span;
    uint8_t *at = out + start / 4 * stride;
    float peak = peak_of(x, start, end, p->w->cols);
    Quantized *result = quantized + block * rows;
    if (peak - peak != 0.0f) {
      clear_span(start, end, at, stride, unit);
      *result = (Quantized){__builtin_nanf(""), 0, 0};
      continue;
    }
    if (peak < TINY) peak = TINY;
    Sums sums = quantize_span(x, start, end, p->w->cols, peak, at, stride, weights_are_signed(p->w));
    *result = (Quantized){peak / 127.0f, start_of(p->w, sums), sums.all};
  }
}

static void interleave_row(const float *x, uint32_t cols, float *out, uint32_t rows) {
  for (uint32_t k = 0; k < cols; k += 1) out[k * rows] = x[k];
}

void prepare_panel(const Product *p, uint32_t panel) {
  const uint32_t first = panel * PANEL_ROWS;
  const uint32_t rows = p->m - first < PANEL_ROWS ? p->m - first : PANEL_ROWS;
  uint8_t *out = p->prepared + first * p->row_bytes;
  for (uint32_t r = 0; r < rows; r += 1) {
    const float *x = p->x + (first + r) * p->x_stride;
    if (p->blocks == 0) {
      interleave_row(x, p->cols, (float *)(void *)out + r, rows);
    } else {
      quantize_row(p, x, out + r * quantized_unit(p->w), p->quantized + first * p->blocks + r, rows);
    }
  }
}
