/*
 * Products of activations with weight matrices, in every dtype of the Program.
 *
 * A matrix is (rows, cols) = (outputs, inputs). Its rows are stored in groups of eight, so that each
 * 32-bit lane of a vector belongs to a row; extbuild/compile/layouts.py has the order of the bytes.
 * Below N8 = rows rounded up to 8, K16 = cols rounded up to 16, B = number of blocks = ceil(cols / block).
 *
 *   dtype     data                          scales             zeros
 *   VECTOR    [cols] float                  –                  –
 *   F32       [N8/8][cols][8] float         –                  –
 *   F16       [N8/8][cols][8] half          –                  –
 *   I8        [N8/8][K16/4][8][4] int8      [N8] float         –
 *   I8_BLOCK  [N8/8][B·block/4][8][4] int8  [N8/8][B][8]       [N8/8][B][8] uint8
 *   I4_BLOCK  [N8/8][B·block/4][4][4] 2×4b  float or half      (with FLAG_ZEROS)
 *
 * Quantised dtypes quantise the activations, too: I8 each row of x, the others each block of a row:
 *   peak = max(max|x|, 1e-30);  x_q = round_half_even(x / peak * 127);  x ≈ x_q · peak / 127
 * Sums over x_q are exact 32-bit integers in every variant of the engine.
 *
 * NaN and infinity: the peak is taken on the bits of |x|, where every NaN is greater than infinity
 * and infinity greater than every number, so none is lost; a peak that is not finite makes x_q zero and its
 * scale NaN. Every output of that row of x is then NaN, and the interpreter refuses the result. In
 * F32 and F16 they spread by the rules of IEEE 754.
 */
#ifndef MATMUL_H
#define MATMUL_H

#include <stdint.h>

enum {
  DTYPE_VECTOR = 0,
  DTYPE_F32 = 1,
  DTYPE_F16 = 2,
  DTYPE_I8 = 3,
  DTYPE_I8_BLOCK = 4,
  DTYPE_I4_BLOCK = 5,
};

enum {
  FLAG_SCALES_F16 = 1, /* I8_BLOCK, I4_BLOCK */
  FLAG_ZEROS = 2,      /* I8_BLOCK (zero point − 128 is what values are relative to), I4_BLOCK */
  FLAG_SEVEN_BIT = 4,  /* I8: values −63 .. 63 stored +64 */
};

enum {
  ACTIVATION_NONE = 0,
  ACTIVATION_GELU_ERF = 1,
  ACTIVATION_GELU_TANH = 2,
  ACTIVATION_SILU = 3,
  ACTIVATION_RELU = 4,
  ACTIVATION_TANH = 5,
  ACTIVATION_SIGMOID = 6,
};

#define MATMUL_MAX_COLS 65536u /* keeps 32-bit sums of products of two bytes exact */

/* A weight. Its parts are 16-byte aligned; scales and zeros are NULL where the dtype has none. */
typedef struct {
  uint32_t dtype, rows, cols, block, flags;
  const void *data, *scales, *zeros;
} Matrix;

/* What happens to each sum: y = activation(sum + bias) + residual. */
typedef struct {
  const float *bias;        /* [rows of the matrix] or NULL */
  uint32_t activation;
  const float *residual;    /* [m] rows, residual_stride floats apart, or NULL; may be y itself */
  uint32_t residual_stride;
} Epilogue;

/* Bytes that each part of a matrix must have. Returns 0 when the descriptor is not valid: unknown
 * dtype or flag, a block other than 32, 64, 128 (0 for dtypes without), rows or cols 0 or too many,
 * or parts beyond 4 GiB. Pointers are not looked at. */
int matrix_sizes(const Matrix *w, uint32_t *data, uint32_t *scales, uint32_t *zeros);

/* Bytes of scratch for a product with m rows: the activations as the kernels read them. A multiple
 * of 64, and never less for more rows. 0xFFFFFFC0 when it would be beyond 4 GiB. */
uint32_t matmul_scratch_bytes(const Matrix *w, uint32_t m);

/* y (m, rows of w) = activation(x (m, cols of w) · wᵀ + bias) + residual. Strides in floats. w is any
 * dtype but VECTOR and passed matrix_sizes; y must not overlap x; scratch is 16-byte aligned. Work
 * is shared out by parallel_for: every tile has its own columns of y. */
void matmul(const Matrix *w, const float *x, uint32_t x_stride, uint32_t m, float *y,
            uint32_t y_stride, const Epilogue *epilogue, void *scratch);

/* out [cols] = row `row` of w, dequantised. */
void matrix_row(const Matrix *w, uint32_t row, float *out);

#endif
