/* Storage of the key/value cache; attention.c reads it. */
#include "cache.h"

#include <stddef.h>
#include <wasm_simd128.h>

#include "engine.h"
#include "lanes.h"
#include "memory.h"
#include "state.h"

static uint64_t cache_rows(const Cache *cache) {
  return (uint64_t)cache->layers * cache->streams * cache->heads * cache->tokens;
}

/* False instead of an overflow; every factor but two is bounded by program_check. */
static bool rows_fit(const Cache *cache) {
  uint64_t streams = (uint64_t)cache->layers * cache->heads * cache->streams;
  return streams <= UINT32_MAX && streams * cache->tokens <= UINT32_MAX;
}

uint64_t cache_bytes(const Cache *cache) {
  if (!rows_fit(cache)) return UINT64_MAX;
  uint64_t rows = cache_rows(cache);
  uint64_t row = cache->int8 ? cache->head_dim + sizeof(float) : cache->head_dim * sizeof(float);
  return 2 * rows * row;
}

bool cache_lay_out(Cache *cache) {
  if (cache_bytes(cache) > UINT32_MAX) return false;
  uint64_t rows = cache_rows(cache);
  uint64_t bytes = rows * cache->head_dim * (cache->int8 ? sizeof(int8_t) : sizeof(float));
  cache->keys = memory_take(bytes);
  cache->values = memory_take(bytes);
  cache->lengths = memory_take(cache->streams * (uint64_t)sizeof(uint32_t));
  if (cache->keys == NULL || cache->values == NULL || cache->lengths == NULL) return false;
  for (uint32_t i = 0; i < cache->streams; i += 1) cache->lengths[i] = 0;
  if (!cache->int8) return true;
  cache->key_scales = memory_take(rows * sizeof(float));
  cache->value_scales = memory_take(rows * sizeof(float));
  return cache->key_scales != NULL && cache->value_scales != NULL;
}

/* One row to int8, round to nearest even. The scale: the greatest magnitude is 127 of it; NaN and
 * infinity stay in the scale. */
static float narrow(const float *row, uint32_t head_dim, int8_t *out) {
  v128_t most = wasm_f32x4_const_splat(0);
  for (uint32_t i = 0; i < head_dim; i += 4) {
    most = wasm_f32x4_max(most, wasm_f32x4_abs(wasm_v128_load(row + i)));
  }
  float magnitude = lane_max(most);
  v128_t factor = wasm_f32x4_splat(magnitude > 0 ? 127.0f / magnitude : 0.0f);
  for (uint32_t i = 0; i < head_dim; i += 4) {
    v128_t scaled = wasm_f32x4_nearest(wasm_f32x4_mul(wasm_v128_load(row + i), factor));
    v128_t words = wasm_i32x4_trunc_sat_f32x4(scaled);
    v128_t halves = wasm_i16x8_narrow_i32x4(words, words);
    wasm_v128_store32_lane(out + i, wasm_i8x16_narrow_i16x8(halves, halves), 0);
  }
  return magnitude / 127.0f;
}

static void copy_floats(float *to, const float *from, uint32_t count) {
  for (uint32_t i = 0; i < count; i += 4) wasm_v128_store(to + i, wasm_v128_load(from + i));
}

void cache_write(const Cache *cache, uint32_t layer, uint32_t stream, uint32_t at, uint32_t count,
                 const float *keys, uint32_t key_stride, const float *values,
                 uint32_t value_stride) {
  uint32_t dim = cache->head_dim;
  for (uint32_t head = 0; head < cache->heads; head += 1) {
    uint32_t row = cache_row(cache, layer, stream, head) + at;
    for (uint32_t i = 0; i < count; i += 1, row += 1) {
      const float *key = keys + (uint64_t)i * key_stride + head * dim;
      const float *value = values + (uint64_t)i * value_stride + head * dim;
      if (cache->int8) {
        cache->key_scales[row] = narrow(key, dim, (int8_t *)cache->keys + (uint64_t)row * dim);
        cache->value_scales[row] = narrow(value, dim, (int8_t *)cache->values + (uint64_t)row * dim);
      } else {
        copy_floats((float *)cache->keys + (uint64_t)row * dim, key, dim);
        copy_floats((float *)cache->values + (uint64_t)row * dim, value, dim);
      }
    }
  }
}

void cache_copy(const Cache *cache, uint32_t from, uint32_t to, uint32_t start, uint32_t end) {
  uint64_t row_bytes = cache->head_dim * (cache->int8 ? sizeof(int8_t) : sizeof(float));
  for (uint32_t layer = 0; layer < cache->layers; layer += 1) {
    for (uint32_t head = 0; head < cache->heads; head += 1) {
      uint32_t source = cache_row(cache, layer, from, head) + start;
      uint32_t target = cache_row(cache, layer, to, head) + start;
      uint32_t bytes = (uint32_t)((end - start) * row_bytes);
      __builtin_memcpy((uint8_t *)cache->keys + target * row_bytes,
                       (uint8_t *)cache->keys + source * row_bytes, bytes);
      __builtin_memcpy((uint8_t *)cache->values + target * row_bytes,
                       (uint8_t *)cache->values + source * row_bytes, bytes);
      if (!cache->int8) continue;
      uint32_t scale_bytes = (end - start) * (uint32_t)sizeof(float);
      __builtin_memcpy(cache->key_scales + target, cache->key_scales + source, scale_bytes);
      __builtin_memcpy(cache->value_scales + target, cache->value_scales + source, scale_bytes);
    }
  }
}

void cache_widen(const int8_t *rows, const float *scales, uint32_t count, uint32_t head_dim,
                 float *out) {
  for (uint32_t row = 0; row < count; row += 1) {
    v128_t scale = wasm_f32x4_splat(scales[row]);
    uint32_t i = 0;
    for (; i + 8 <= head_dim; i += 8) {
      v128_t halves = wasm_i16x8_load8x8(rows + i);
      v128_t low = wasm_f32x4_convert_i32x4(wasm_i32x4_extend_low_i16x8(halves));
      v128_t high = wasm_f32x4_convert_i32x4(wasm_i32x4_extend_high_i16x8(halves));
      wasm_v128_store(out + i, wasm_f32x4_mul(low, scale));
      wasm_v128_store(out + i + 4, wasm_f32x4_mul(high, scale));
    }
    if (i < head_dim) { /* a multiple of 4: four are left */
      v128_t halves = wasm_i16x8_extend_low_i8x16(wasm_v128_load32_zero(rows + i));
      v128_t low = wasm_f32x4_convert_i32x4(wasm_i32x4_extend_low_i16x8(halves));
      wasm_v128_store(out + i, wasm_f32x4_mul(low, scale));
    }
    rows += head_dim;
    out += head_dim;
  }
}

uint32_t engine_cached(uint32_t stream) {
  return state.open && stream < state.cache.streams ? state.cache.lengths[stream] : 0;
}

int32_t engine_rewind(uint32_t stream, uint32_t keep) {
  if (!state.open) return ENGINE_NOT_OPEN;
  if (stream >= state.cache.streams) return ENGINE_BAD_STREAM;
  if (keep > state.cache.lengths[stream]) return ENGINE_BAD_ARGUMENT;
  state.cache.lengths[stream] = keep;
  if (stream == 0) state.continues = false;
  return ENGINE_OK;
}

int32_t engine_fork(uint32_t from, uint32_t to) {
  if (!state.open) return ENGINE_NOT_OPEN;
  if (from >= state.cache.streams || to >= state.cache.streams) return ENGINE_BAD_STREAM;
  if (from == to) return ENGINE_OK;
  cache_copy(&state.cache, from, to, 0, state.cache.lengths[from]);
  state.cache.lengths[to] = state.cache.lengths[from];
  if (to == 0) state.continues = false;
  return ENGINE_OK;
}
