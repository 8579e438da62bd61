/* Descriptors, scratch and the shape of a product; the kernels are in matmul_int8.c and its like. */
#include "matmul.h"

#include <stdbool.h>
#include <stddef.h>

#include "parallel.h"
#include "product.h"

#define MAX_ROWS (1u << 24)
#define CHUNK_BYTES (256u * 1024u) /* of prepared activations, so that they stay in the L2 cache */
#define TILE_WORK (128u * 1024u)   /* least products of a tile: some microseconds */
#define TILE_GROUPS 16u            /* most groups of a tile, if there are enough for all threads */
#define MANY_TILES 16u
#define SPREAD_ROWS 2u /* at most, of x: the groups of a bundle lie apart */

static uint32_t rounded(uint32_t value, uint32_t unit) { return (value + unit - 1) / unit * unit; }

static int is_blocked(const Matrix *w) {
  return w->dtype == DTYPE_I8_BLOCK || w->dtype == DTYPE_I4_BLOCK;
}

/* Columns as stored, and as prepared activations have them. */
static uint32_t padded_cols(const Matrix *w) {
  if (is_blocked(w)) return rounded(w->cols, w->block);
  return w->dtype == DTYPE_I8 ? rounded(w->cols, 16) : w->cols;
}

int matrix_sizes(const Matrix *w, uint32_t *data, uint32_t *scales, uint32_t *zeros) {
  if (w->rows < 1 || w->rows > MAX_ROWS || w->cols < 1 || w->cols > MAX_ROWS) return 0;
  if (w->dtype != DTYPE_VECTOR && w->cols > MATMUL_MAX_COLS) return 0;
  uint32_t allowed = is_blocked(w) ? FLAG_SCALES_F16 | FLAG_ZEROS : 0;
  if (w->dtype == DTYPE_I8) allowed = FLAG_SEVEN_BIT;
  if (w->flags & ~allowed) return 0;
  if (is_blocked(w) ? w->block != 32 && w->block != 64 && w->block != 128 : w->block != 0) return 0;
  const uint64_t rows = rounded(w->rows, GROUP_ROWS);
  const uint64_t values = rows * padded_cols(w);
  const uint64_t blocks = is_blocked(w) ? values / w->block : 0;
  uint64_t bytes[3] = {0, 0, 0};
  switch (w->dtype) {
    case DTYPE_VECTOR:
      if (w->rows != 1) return 0;
      bytes[0] = (uint64_t)w->cols * 4;
      break;
    case DTYPE_F32: bytes[0] = values * 4; break;
    case DTYPE_F16: bytes[0] = values * 2; break;
    case DTYPE_I8:
      bytes[0] = values;
      bytes[1] = rows * 4;
      break;
    case DTYPE_I8_BLOCK:
    case DTYPE_I4_BLOCK:
      bytes[0] = w->dtype == DTYPE_I8_BLOCK ? values : values / 2;
      bytes[1] = blocks * (w->flags & FLAG_SCALES_F16 ? 2 : 4);
      bytes[2] = w->flags & FLAG_ZEROS ? blocks : 0;
      break;
    default: return 0;
  }
  if (bytes[0] > UINT32_MAX || bytes[1] > UINT32_MAX || bytes[2] > UINT32_MAX) return 0;
  *data = (uint32_t)bytes[0];
  *scales = (uint32_t)bytes[1];
  *zeros = (uint32_t)bytes[2];
  return 1;
}

/* Fills in how x will be prepared. */
static void plan(Product *p) {
  const Matrix *w = p->w;
  const int is_float = w->dtype == DTYPE_F32 || w->dtype == DTYPE_F16;
  p->cols = padded_cols(w);
  p->blocks = is_float ? 0 : is_blocked(w) ? p->cols / w->block : 1;
  p->row_bytes = is_float ? p->cols * 4 : p->cols / 4 * quantized_unit(w);
}

/* Bytes of Product.quantized; Product.prepared follows. */
static uint64_t quantized_bytes(const Product *p) {
  return ((uint64_t)p->m * p->blocks * sizeof(Quantized) + 63) / 64 * 64;
}

uint32_t matmul_scratch_bytes(const Matrix *w, uint32_t m) {
  Product p = {.w = w, .m = m};
  plan(&p);
  uint64_t bytes = quantized_bytes(&p) + ((uint64_t)m * p.row_bytes + 63) / 64 * 64;
  return bytes > 0xFFFFFFC0u ? 0xFFFFFFC0u : (uint32_t)bytes;
}

/* A product in tiles of `groups` groups of rows of the weight. */
typedef struct {
  Product product;
  Kernel *kernel;
  uint32_t groups, chunk_rows;
} Tiles;

static void prepare_tile(void *context, uint32_t tile) {
  prepare_panel(&((const Tiles *)context)->product, tile);
}

/* Groups start .. end − 1. Few rows read each weight once, as fast as memory gives it: four streams
 * are faster than one. Many rows write whole cache lines of y when the groups are neighbours. */
static void multiply_groups(const Tiles *tiles, uint32_t start, uint32_t end, uint32_t first,
                            uint32_t last) {
  const Product *p = &tiles->product;
  const uint32_t bundles = (end - start) / BUNDLE;
  const bool is_spread = p->m <= SPREAD_ROWS;
  for (uint32_t i = 0; i < bundles; i += 1) {
    const uint32_t group = start + i * (is_spread ? 1 : BUNDLE);
    tiles->kernel(p, (Bundle){group, is_spread ? bundles : 1, BUNDLE}, first, last);
  }
  const uint32_t group = start + bundles * BUNDLE;
  if (group < end) tiles->kernel(p, (Bundle){group, 1, end - group}, first, last);
}

static void multiply_tile(void *context, uint32_t tile) {
  const Tiles *tiles = context;
  const Product *p = &tiles->product;
  const uint32_t all = (p->w->rows + GROUP_ROWS - 1) / GROUP_ROWS;
  const uint32_t start = tile * tiles->groups;
  const uint32_t end = start + tiles->groups < all ? start + tiles->groups : all;
  for (uint32_t row = 0; row < p->m; row += tiles->chunk_rows) {
    const uint32_t last = row + tiles->chunk_rows < p->m ? row + tiles->chunk_rows : p->m;
    multiply_groups(tiles, start, end, row, last);
  }
}

static Kernel *kernel_of(const Matrix *w) {
  switch (w->dtype) {
    case DTYPE_F32: return f32_kernel;
    case DTYPE_F16: return f16_kernel;
    case DTYPE_I8: return int8_kernel;
    case DTYPE_I8_BLOCK: return block8_kernel;
    default: return block4_kernel;
  }
}

/* Groups of a tile: enough work, few enough that all threads get some. */
static uint32_t groups_of_tile(const Product *p, uint32_t all) {
  const uint64_t work = (uint64_t)p->m * p->cols * GROUP_ROWS;
  const uint32_t least = (uint32_t)((TILE_WORK + work - 1) / work);
  const uint32_t even = all / MANY_TILES < TILE_GROUPS ? all / MANY_TILES : TILE_GROUPS;
  return rounded(least > even ? least : even > 0 ? even : 1, BUNDLE);
}

void matmul(const Matrix *w, const float *x, uint32_t x_stride, uint32_t m, float *y,
            uint32_t y_stride, const Epilogue *epilogue, void *scratch) {
  if (m == 0) return;
  Tiles tiles = {.product = {.w = w,
                             .x = x,
                             .x_stride = x_stride,
                             .m = m,
                             .y = y,
                             .y_stride = y_stride,
                             .epilogue = epilogue},
                 .kernel = kernel_of(w)};
  Product *p = &tiles.product;
  plan(p);
  p->quantized = scratch;
  p->prepared = (uint8_t *)scratch + quantized_bytes(p);
  const uint32_t all = (w->rows + GROUP_ROWS - 1) / GROUP_ROWS;
  const uint32_t chunk = CHUNK_BYTES / p->row_bytes / PANEL_ROWS * PANEL_ROWS;
  tiles.chunk_rows = chunk > 0 ? chunk : PANEL_ROWS;
  tiles.groups = groups_of_tile(p, all);
  parallel_for((m + PANEL_ROWS - 1) / PANEL_ROWS, prepare_tile, &tiles);
  parallel_for((all + tiles.groups - 1) / tiles.groups, multiply_tile, &tiles);
}

v128_t activated(v128_t x, uint32_t activation) { return activate_lanes(x, activation); }

void finish_few(const Product *p, uint32_t group, uint32_t row, uint32_t rows,
                const v128_t sums[][2]) {
  const Epilogue *e = p->epilogue;
  const uint32_t column = group * GROUP_ROWS, columns = p->w->rows - column;
  for (uint32_t r = 0; r < rows; r += 1) {
    float values[GROUP_ROWS];
    wasm_v128_store(values, sums[r][0]);
    wasm_v128_store(values + 4, sums[r][1]);
    for (uint32_t i = 0; e->bias != NULL && i < columns; i += 1) values[i] += e->bias[column + i];
    activate(values, GROUP_ROWS, e->activation);
    float *y = p->y + (row + r) * p->y_stride + column;
    for (uint32_t i = 0; i < columns; i += 1) {
      float rest = e->residual ? e->residual[(row + r) * e->residual_stride + column + i] : 0.0f;
      y[i] = values[i] + rest;
    }
  }
}
