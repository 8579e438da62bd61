/* A Program as it lies in memory: the records of PROGRAM.md, read in place. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <stdint.h>

#include "matmul.h"

#define PROGRAM_MAGIC 0x47504C53u
#define PROGRAM_VERSION 1u
#define NONE 0xFFFFFFFFu

enum { KIND_ENCODER = 0, KIND_DECODER = 1 };
enum { ROWS_TOKENS = 0, ROWS_SEQUENCES = 1, ROWS_OUTPUTS = 2 };
enum { NORM_LAYER = 0, NORM_RMS = 1, NORM_L2 = 2 };
enum { POOL_FIRST = 0, POOL_MEAN = 1, POOL_GATHER = 2 };
enum {
  OP_EMBED = 1,
  OP_LINEAR = 2,
  OP_NORM = 3,
  OP_ROPE = 4,
  OP_ATTENTION = 5,
  OP_GLU = 6,
  OP_POOL = 7,
  OP_ADD = 8,
  OP_ACTIVATE = 9,
};

/* Bounds that keep later arithmetic far from overflow, and buffers on the stack small. */
#define MAX_OPERATIONS 8192u
#define MAX_WIDTH (1u << 24)    /* columns of a slot, vocabulary */
#define MAX_POSITIONS (1u << 20)
#define MAX_LAYERS 4096u
#define MAX_HEADS 4096u
#define MAX_HEAD_DIM 256u

typedef struct {
  uint32_t magic, version, kind, words;
  uint32_t weights_bytes, weights, slots, operations;
  uint32_t layers, kv_heads, head_dim, vocab_size;
  uint32_t max_positions, output, output_width, reserved;
} Header;

typedef struct {
  uint32_t dtype, rows, cols, block, flags;
  uint32_t data_offset, data_bytes, scale_offset, scale_bytes, zero_offset, zero_bytes;
  uint32_t reserved;
} WeightRecord;

typedef struct {
  uint32_t rows, width;
} Slot;

typedef struct {
  uint32_t slot, column;
} Operand;

typedef struct {
  uint32_t op;
  Operand dst, a, b, c;
  uint32_t w0, w1;
  uint32_t p[5];
} Operation;

_Static_assert(sizeof(Header) == 64, "16 words");
_Static_assert(sizeof(WeightRecord) == 48, "12 words");
_Static_assert(sizeof(Slot) == 8, "2 words");
_Static_assert(sizeof(Operation) == 64, "16 words");

typedef struct {
  const Header *header;
  const WeightRecord *weights; /* [header->weights] */
  const Slot *slots;           /* [header->slots] */
  const Operation *operations; /* [header->operations] */
} Program;

/* Checks every word, so that a run can trust them. ENGINE_OK, or a code of engine.h with *error_at =
 * index of the word. `words` must be readable for `bytes`; `program` points into it afterwards. */
int32_t program_check(const uint32_t *words, uint32_t bytes, Program *program, uint32_t *error_at);

/* The descriptor of weight `index` with pointers into the blob at `blob`. */
Matrix program_matrix(const Program *program, uint32_t index, const uint8_t *blob);

static inline float word_float(uint32_t word) {
  union {
    uint32_t word;
    float value;
  } bits = {word};
  return bits.value;
}

#endif
