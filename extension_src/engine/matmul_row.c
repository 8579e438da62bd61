/* One row of a matrix of any dtype, for embeddings. */
#include <stddef.h>

#include "product.h"

static float half_value(uint16_t half) {
  v128_t low, high;
  widen_halves(wasm_i16x8_splat((int16_t)half), &low, &high);
  return wasm_f32x4_extract_lane(low, 0);
}

static float scale_at(const Matrix *w, uint32_t index) {
  return w->flags & FLAG_SCALES_F16 ? half_value(((const uint16_t *)w->scales)[index])
                                    : ((const float *)w->scales)[index];
}

/* Values of one block of a row; `four` is the first byte of the group's first four columns. */
static void block_values(const Matrix *w, const uint8_t *four, uint32_t lane, int32_t zero,
                         float scale, uint32_t count, float *out) {
  for (uint32_t k = 0; k < count; k += 1) {
    int32_t value;
    if (w->dtype == DTYPE_I4_BLOCK) {
      uint8_t pair = four[k / 4 * 16 + lane % 4 * 4 + k % 4];
      value = lane < 4 ? pair & 15 : pair >> 4;
    } else {
      value = (int8_t)four[k / 4 * 32 + lane * 4 + k % 4];
    }
    out[k] = (float)(value - zero) * scale;
  }
}

static void block_row(const Matrix *w, uint32_t group, uint32_t lane, float *out) {
  const uint32_t blocks = (w->cols + w->block - 1) / w->block;
  const uint32_t block_bytes = w->block * GROUP_ROWS / (w->dtype == DTYPE_I4_BLOCK ? 2 : 1);
  for (uint32_t block = 0; block < blocks; block += 1) {
    const uint32_t index = group * blocks + block, start = block * w->block;
    const uint32_t count = w->cols - start < w->block ? w->cols - start : w->block;
    int32_t zero = w->dtype == DTYPE_I4_BLOCK ? 8 : 0;
    if (w->flags & FLAG_ZEROS) {
      zero = ((const uint8_t *)w->zeros)[index * GROUP_ROWS + lane];
      if (w->dtype == DTYPE_I8_BLOCK) zero -= 128;
    }
    block_values(w, (const uint8_t *)w->data + index * block_bytes, lane, zero,
                 scale_at(w, index * GROUP_ROWS + lane), count, out + start);
  }
}

static void int8_row(const Matrix *w, uint32_t group, uint32_t lane, float *out) {
  const uint32_t padded = (w->cols + 15) / 16 * 16;
  const int8_t *data = (const int8_t *)w->data + group * padded * GROUP_ROWS + lane * 4;
  const float scale = ((const float *)w->scales)[group * GROUP_ROWS + lane];
  const int32_t offset = w->flags & FLAG_SEVEN_BIT ? 64 : 0;
  for (uint32_t k = 0; k < w->cols; k += 1) {
    out[k] = (float)(data[k / 4 * 32 + k % 4] - offset) * scale;
  }
}

void matrix_row(const Matrix *w, uint32_t row, float *out) {
  const uint32_t group = row / GROUP_ROWS, lane = row % GROUP_ROWS;
  const uint32_t first = group * w->cols * GROUP_ROWS + lane;
  switch (w->dtype) {
    case DTYPE_F32:
      for (uint32_t k = 0; k < w->cols; k += 1) {
        out[k] = ((const float *)w->data)[first + k * GROUP_ROWS];
      }
      break;
    case DTYPE_F16:
      for (uint32_t k = 0; k < w->cols; k += 1) {
        out[k] = half_value(((const uint16_t *)w->data)[first + k * GROUP_ROWS]);
      }
      break;
    case DTYPE_I8: int8_row(w, group, lane, out); break;
    default: block_row(w, group, lane, out); break;
  }
}
