/*
 * Multi-head and grouped-query attention. A tile is a block of queries of one sequence that share a
 * key/value head. It walks over the keys in chunks and keeps a running maximum and sum of the softmax
 * (Milakov and Gimelshein 2018, arXiv 1805.02867), so no buffer grows with the length.
 */
#include <stddef.h>

#include "kernels.h"
#include "parallel.h"
#include "lanes.h"
#include "state.h"
#include "vector_math.h"

#define TILE_QUERIES 16u
#define CHUNK_KEYS 128u      /* at most, multiple of 4 */
#define WIDENED_FLOATS 8192u /* int8 keys or values of a chunk as floats */

typedef struct {
  const Operation *op;
  uint32_t group; /* query heads per key/value head */
  bool causal;
} Job;

/* Keys and values of one sequence and head. */
typedef struct {
  const float *keys, *values; /* rows of head_dim floats; or: */
  uint32_t key_stride, value_stride;
  const int8_t *narrow_keys, *narrow_values; /* rows of head_dim, with a scale each */
  const float *key_scales, *value_scales;
} Source;

typedef struct {
  uint32_t count, head_dim;
  float scale;
  const float *queries[TILE_QUERIES]; /* [head_dim] each */
  float *out[TILE_QUERIES];           /* [head_dim] each: Σ e^(score − max) · value, so far */
  uint32_t visible[TILE_QUERIES];     /* keys that the query may see */
  float max[TILE_QUERIES], sum[TILE_QUERIES];
  float rescale[TILE_QUERIES]; /* of `out`, since the maximum grew with this chunk */
  float scores[TILE_QUERIES][CHUNK_KEYS]; /* then their exponentials */
} Block;

/* ---- scores: N queries × 4 keys at a time ---- */

/* The lane sums of four vectors. */
static inline v128_t sum_each(v128_t a, v128_t b, v128_t c, v128_t d) {
  v128_t ab = wasm_f32x4_add(wasm_i32x4_shuffle(a, b, 0, 4, 1, 5),
                             wasm_i32x4_shuffle(a, b, 2, 6, 3, 7));
  v128_t cd = wasm_f32x4_add(wasm_i32x4_shuffle(c, d, 0, 4, 1, 5),
                             wasm_i32x4_shuffle(c, d, 2, 6, 3, 7));
  return wasm_f32x4_add(wasm_i32x4_shuffle(ab, cd, 0, 1, 4, 5),
                        wasm_i32x4_shuffle(ab, cd, 2, 3, 6, 7));
}

__attribute__((always_inline)) static inline void score_keys(Block *block, uint32_t query,
                                                             const uint32_t n,
                                                             const float *const keys[4],
                                                             uint32_t at) {
  v128_t sums[3][4];
  for (uint32_t q = 0; q < n; q += 1) {
    for (uint32_t k = 0; k < 4; k += 1) sums[q][k] = wasm_f32x4_const_splat(0);
  }
  for (uint32_t i = 0; i < block->head_dim; i += 4) {
    v128_t parts[3];
    for (uint32_t q = 0; q < n; q += 1) parts[q] = wasm_v128_load(block->queries[query + q] + i);
    for (uint32_t k = 0; k < 4; k += 1) {
      v128_t key = wasm_v128_load(keys[k] + i);
      for (uint32_t q = 0; q < n; q += 1) sums[q][k] = multiply_add(parts[q], key, sums[q][k]);
    }
  }
  v128_t scale = wasm_f32x4_splat(block->scale);
  for (uint32_t q = 0; q < n; q += 1) {
    v128_t scores = sum_each(sums[q][0], sums[q][1], sums[q][2], sums[q][3]);
    wasm_v128_store(&block->scores[query + q][at], wasm_f32x4_mul(scores, scale));
  }
}

/* Queries that share loads with the next: 3 where that ends the block, else 2. */
static inline uint32_t together(uint32_t left) { return left == 3 ? 3 : left >= 2 ? 2 : 1; }

/* Scores of `count` keys; up to the next multiple of 4 the last key is repeated. */
static void score_chunk(Block *block, const float *keys, uint32_t stride, uint32_t count) {
  for (uint32_t at = 0; at < count; at += 4) {
    const float *four[4];
    for (uint32_t k = 0; k < 4; k += 1) {
      four[k] = keys + (uint64_t)(at + k < count ? at + k : count - 1) * stride;
    }
    for (uint32_t q = 0; q < block->count; q += together(block->count - q)) {
      switch (together(block->count - q)) {
        case 3: score_keys(block, q, 3, four, at); break;
        case 2: score_keys(block, q, 2, four, at); break;
        default: score_keys(block, q, 1, four, at);
      }
    }
  }
}

/* ---- softmax ---- */

/* Turns the scores of `count` keys from key `start` on into exponentials; 0 for keys out of sight. */
static void exponentials(Block *block, uint32_t q, uint32_t start, uint32_t count) {
  float *scores = block->scores[q];
  uint32_t visible = block->visible[q] > start ? block->visible[q] - start : 0;
  if (visible > count) visible = count;
  uint32_t end = (count + 3) / 4 * 4;
  for (uint32_t i = visible; i < end; i += 1) scores[i] = -__builtin_inff();

  v128_t greatest = wasm_f32x4_splat(block->max[q]);
  for (uint32_t i = 0; i < end; i += 4) {
    greatest = wasm_f32x4_pmax(greatest, wasm_v128_load(scores + i)); /* NaN: met again below */
  }
  float max = lane_max(greatest);
  v128_t maxima = wasm_f32x4_splat(max), sum = wasm_f32x4_const_splat(0);
  for (uint32_t i = 0; i < end; i += 4) {
    v128_t value = exp_lanes(wasm_f32x4_sub(wasm_v128_load(scores + i), maxima));
    wasm_v128_store(scores + i, value);
    sum = wasm_f32x4_add(sum, value);
  }
  v128_t shrunk = exp_lanes(wasm_f32x4_splat(block->max[q] - max));
  block->rescale[q] = start == 0 ? 0 : wasm_f32x4_extract_lane(shrunk, 0);
  block->sum[q] = block->sum[q] * block->rescale[q] + lane_sum(sum);
  block->max[q] = max;
}

/* ---- weighted sums: N queries × V vectors of the head at a time ---- */

__attribute__((always_inline)) static inline void weigh(Block *block, uint32_t query,
                                                        const uint32_t n, uint32_t column,
                                                        const uint32_t vectors, bool first,
                                                        const float *values, uint32_t stride,
                                                        uint32_t count) {
  v128_t sums[3][4];
  for (uint32_t q = 0; q < n; q += 1) {
    v128_t rescale = wasm_f32x4_splat(block->rescale[query + q]);
    for (uint32_t v = 0; v < vectors; v += 1) {
      v128_t before = wasm_v128_load(block->out[query + q] + column + 4 * v);
      sums[q][v] = first ? wasm_f32x4_const_splat(0) : wasm_f32x4_mul(before, rescale);
    }
  }
  const float *row = values + column;
  for (uint32_t key = 0; key < count; key += 1, row += stride) {
    v128_t weights[3];
    for (uint32_t q = 0; q < n; q += 1) {
      weights[q] = wasm_v128_load32_splat(&block->scores[query + q][key]);
    }
    for (uint32_t v = 0; v < vectors; v += 1) {
      v128_t value = wasm_v128_load(row + 4 * v);
      for (uint32_t q = 0; q < n; q += 1) sums[q][v] = multiply_add(weights[q], value, sums[q][v]);
    }
  }
  for (uint32_t q = 0; q < n; q += 1) {
    for (uint32_t v = 0; v < vectors; v += 1) {
      wasm_v128_store(block->out[query + q] + column + 4 * v, sums[q][v]);
    }
  }
}

__attribute__((always_inline)) static inline void weigh_head(Block *block, uint32_t query,
                                                             const uint32_t n, bool first,
                                                             const float *values, uint32_t stride,
                                                             uint32_t count) {
  uint32_t column = 0;
  for (; column + 16 <= block->head_dim; column += 16) {
    weigh(block, query, n, column, 4, first, values, stride, count);
  }
  for (; column < block->head_dim; column += 4) {
    weigh(block, query, n, column, 1, first, values, stride, count);
  }
}

static void weigh_chunk(Block *block, bool first, const float *values, uint32_t stride,
                        uint32_t count) {
  for (uint32_t q = 0; q < block->count; q += together(block->count - q)) {
    switch (together(block->count - q)) {
      case 3: weigh_head(block, q, 3, first, values, stride, count); break;
      case 2: weigh_head(block, q, 2, first, values, stride, count); break;
      default: weigh_head(block, q, 1, first, values, stride, count);
    }
  }
}

/* ---- one block of queries over all keys ---- */

static void attend(Block *block, const Source *source, uint32_t keys) {
  float widened[WIDENED_FLOATS];
  uint32_t dim = block->head_dim, chunk = WIDENED_FLOATS / dim / 4 * 4;
  if (chunk > CHUNK_KEYS) chunk = CHUNK_KEYS;
  for (uint32_t start = 0; start < keys; start += chunk) {
    uint32_t count = keys - start < chunk ? keys - start : chunk;
    uint64_t narrow_at = (uint64_t)start * dim;
    if (source->keys != NULL) {
      const float *rows = source->keys + (uint64_t)start * source->key_stride;
      score_chunk(block, rows, source->key_stride, count);
    } else {
      cache_widen(source->narrow_keys + narrow_at, source->key_scales + start, count, dim, widened);
      score_chunk(block, widened, dim, count);
    }
    for (uint32_t q = 0; q < block->count; q += 1) exponentials(block, q, start, count);
    if (source->values != NULL) {
      const float *rows = source->values + (uint64_t)start * source->value_stride;
      weigh_chunk(block, start == 0, rows, source->value_stride, count);
    } else {
      cache_widen(source->narrow_values + narrow_at, source->value_scales + start, count, dim,
                  widened);
      weigh_chunk(block, start == 0, widened, dim, count);
    }
  }
  for (uint32_t q = 0; q < block->count; q += 1) {
    v128_t share = wasm_f32x4_splat(1 / block->sum[q]);
    for (uint32_t i = 0; i < dim; i += 4) {
      float *out = block->out[q] + i;
      wasm_v128_store(out, wasm_f32x4_mul(wasm_v128_load(out), share));
    }
  }
}

/* Where the keys and values of sequence s are: in the cache (all tokens so far), or in the run. */
static Source source_of(const Job *job, uint32_t s, uint32_t kv_head) {
  const Operation *op = job->op;
  const Cache *cache = &state.cache;
  uint32_t dim = op->p[2];
  if (!job->causal) {
    uint32_t key_stride = operand_stride(&op->b), value_stride = operand_stride(&op->c);
    uint64_t first = state.starts[s];
    return (Source){.keys = operand_data(&op->b) + first * key_stride + kv_head * dim,
                    .values = operand_data(&op->c) + first * value_stride + kv_head * dim,
                    .key_stride = key_stride,
                    .value_stride = value_stride};
  }
  uint64_t row = cache_row(cache, op->p[4], state.streams[s], kv_head);
  if (cache->int8) {
    return (Source){.narrow_keys = (const int8_t *)cache->keys + row * dim,
                    .narrow_values = (const int8_t *)cache->values + row * dim,
                    .key_scales = cache->key_scales + row,
                    .value_scales = cache->value_scales + row};
  }
  return (Source){.keys = (const float *)cache->keys + row * dim,
                  .values = (const float *)cache->values + row * dim,
                  .key_stride = dim,
                  .value_stride = dim};
}

/* Blocks of queries of sequence s for one key/value head. */
static uint32_t blocks_of(const Job *job, uint32_t s) {
  return (state.lengths[s] * job->group + TILE_QUERIES - 1) / TILE_QUERIES;
}

static void attend_tile(void *context, uint32_t tile) {
  const Job *job = context;
  const Operation *op = job->op;
  uint32_t s = 0, kv_heads = op->p[1];
  while (tile >= blocks_of(job, s) * kv_heads) {
    tile -= blocks_of(job, s) * kv_heads;
    s += 1;
  }
  uint32_t kv_head = tile % kv_heads, first = tile / kv_heads * TILE_QUERIES;
  uint32_t queries = state.lengths[s] * job->group;

  Block block; /* not zeroed: the scores are written before they are read */
  block.head_dim = op->p[2];
  block.scale = word_float(op->p[3]);
  block.count = queries - first < TILE_QUERIES ? queries - first : TILE_QUERIES;
  uint32_t keys = state.lengths[s];
  for (uint32_t q = 0; q < block.count; q += 1) {
    uint32_t token = state.starts[s] + (first + q) / job->group;
    uint32_t column = (kv_head * job->group + (first + q) % job->group) * block.head_dim;
    block.queries[q] = operand_data(&op->a) + (uint64_t)token * operand_stride(&op->a) + column;
    block.out[q] = operand_data(&op->dst) + (uint64_t)token * operand_stride(&op->dst) + column;
    block.max[q] = -__builtin_inff();
    block.sum[q] = 0;
    if (job->causal) keys = state.positions[token] + 1; /* the last query of the block sees most */
    block.visible[q] = keys;
  }
  Source source = source_of(job, s, kv_head);
  attend(&block, &source, keys);
}

void attention(const Operation *op) {
  Job job = {op, op->p[0] / op->p[1], state.program.header->kind == KIND_DECODER};
  uint32_t tiles = 0;
  for (uint32_t s = 0; s < state.sequences; s += 1) {
    tiles += blocks_of(&job, s) * op->p[1];
    if (!job.causal) continue;
    uint64_t first = state.starts[s];
    uint32_t key_stride = operand_stride(&op->b), value_stride = operand_stride(&op->c);
    cache_write(&state.cache, op->p[4], state.streams[s], state.cache.lengths[state.streams[s]],
                state.lengths[s], operand_data(&op->b) + first * key_stride, key_stride,
                operand_data(&op->c) + first * value_stride, value_stride);
  }
  parallel_for(tiles, attend_tile, &job);
}
