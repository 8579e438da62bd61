/*
 * Keys and values of a decoder: for each layer, stream and key/value head a matrix (tokens, head_dim),
 * row-major, in float32, or in int8 with one float32 scale per row.
 */
#ifndef CACHE_H
#define CACHE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
  uint32_t layers, streams, heads, tokens, head_dim; /* `tokens`: room of one stream */
  bool int8;
  void *keys, *values; /* [layers][streams][heads][tokens][head_dim] of float or int8_t */
  float *key_scales, *value_scales; /* [layers][streams][heads][tokens], int8 only */
  uint32_t *lengths;                /* [streams] tokens held */
} Cache;

/* Index of token 0 of one head's matrix, in rows. */
static inline uint32_t cache_row(const Cache *cache, uint32_t layer, uint32_t stream,
                                 uint32_t head) {
  return ((layer * cache->streams + stream) * cache->heads + head) * cache->tokens;
}

/* Bytes of keys, values, and (int8) scales; a cache with `bytes` > 2^32 cannot be laid out. */
uint64_t cache_bytes(const Cache *cache);

/* Takes the memory. False: there is not enough. Lengths are 0 afterwards. */
bool cache_lay_out(Cache *cache);

/* Writes the keys and values (rows of heads · head_dim floats, `strides` apart) of `count` tokens to
 * the rows from `at` on. Does not change the length. */
void cache_write(const Cache *cache, uint32_t layer, uint32_t stream, uint32_t at, uint32_t count,
                 const float *keys, uint32_t key_stride, const float *values,
                 uint32_t value_stride);

/* Copies the rows `start` .. `end` of a stream, in all layers. Does not change the length. */
void cache_copy(const Cache *cache, uint32_t from, uint32_t to, uint32_t start, uint32_t end);

/* Rows `start` .. `start + count` of int8 as floats: out (count, head_dim). */
void cache_widen(const int8_t *rows, const float *scales, uint32_t count, uint32_t head_dim,
                 float *out);

#endif
