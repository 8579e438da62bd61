/* The one open model: what engine_open lays out and a run works on. */
#ifndef STATE_H
#define STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "cache.h"
#include "program.h"

/* Upper bounds of a run, from engine_open. */
typedef struct {
  uint32_t tokens, sequences, outputs;
} Limits;

typedef struct {
  bool open;
  Program program;
  Limits limits;
  const uint8_t *blob;
  Matrix *matrices; /* [header->weights] */
  float **slots;    /* [header->slots], each (rows of its kind at most, width) */
  Cache cache;      /* decoder only */
  uint32_t arena_bytes;

  /* Written by the host before a run. */
  uint32_t *ids;     /* [limits.tokens] */
  uint32_t *lengths; /* [limits.sequences] */
  uint32_t *streams; /* [limits.sequences] */
  uint32_t *wanted;  /* [limits.outputs] */

  /* The run. */
  uint32_t sequences;
  uint32_t rows[3];          /* rows of a slot of each kind */
  uint32_t *starts;          /* [limits.sequences + 1] first token of each sequence; the end */
  uint32_t *positions;       /* [limits.tokens] */
  uint32_t *gathered;        /* [limits.outputs] token rows that POOL_GATHER takes */
  void *matmul_scratch;      /* what matmul_scratch_bytes asks for at most */
  float *row_scratch;        /* [widest matrix of an EMBED] */
  float *rope;               /* [limits.tokens][half][2] cos, sin of the last ROPE's frequencies */
  const Operation *rope_for; /* the operation that filled `rope` in this run, or NULL */

  uint32_t result_rows; /* of the last run; 0 after a failed one */
  bool continues;       /* output row 0 is the next token of stream 0 */
} State;

extern State state;

/* First value of an operand. */
static inline float *operand_data(const Operand *operand) {
  return state.slots[operand->slot] + operand->column;
}

/* Floats from one row of an operand to the next. */
static inline uint32_t operand_stride(const Operand *operand) {
  return state.program.slots[operand->slot].width;
}

/* Rows of an operand in this run. */
static inline uint32_t operand_rows(const Operand *operand) {
  return state.rows[state.program.slots[operand->slot].rows];
}

/* A row of the result of the last run. */
static inline const float *output_row(uint32_t row) {
  const Header *header = state.program.header;
  return state.slots[header->output] + (uint64_t)row * header->output_width;
}

/* A VECTOR weight, or NULL for NONE. */
static inline const float *vector_data(uint32_t weight) {
  return weight == NONE ? 0 : (const float *)state.matrices[weight].data;
}

#endif
