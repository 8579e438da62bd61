/* What is wrong with a Program's tables. extbuild/compile/program_check.py refuses the same. */
#include "program.h"

#include <stdbool.h>
#include <stddef.h>

#include "engine.h"
#include "memory.h"
#include "program_check.h"

static Finding check_header(const Header *header, uint32_t bytes) {
  if (header->magic != PROGRAM_MAGIC) return (Finding){ENGINE_NOT_A_PROGRAM, 0};
  if (header->version != PROGRAM_VERSION) return (Finding){ENGINE_NOT_A_PROGRAM, 1};
  if (header->kind > KIND_DECODER) return (Finding){ENGINE_NOT_A_PROGRAM, 2};
  uint64_t words = 16 + 12ull * header->weights + 2ull * header->slots + 16ull * header->operations;
  if (header->words != words || bytes % 4 != 0 || bytes / 4 != words) {
    return (Finding){ENGINE_NOT_A_PROGRAM, 3};
  }
  if (header->slots < 1) return (Finding){ENGINE_BAD_HEADER, 6};
  if (header->operations < 1 || header->operations > MAX_OPERATIONS) {
    return (Finding){ENGINE_BAD_HEADER, 7};
  }
  bool decoder = header->kind == KIND_DECODER;
  bool layers = decoder ? header->layers >= 1 && header->layers <= MAX_LAYERS : header->layers == 0;
  bool heads =
      decoder ? header->kv_heads >= 1 && header->kv_heads <= MAX_HEADS : header->kv_heads == 0;
  bool dim = decoder ? header->head_dim >= 4 && header->head_dim <= MAX_HEAD_DIM &&
                           header->head_dim % 4 == 0
                     : header->head_dim == 0;
  if (!layers) return (Finding){ENGINE_BAD_HEADER, 8};
  if (!heads) return (Finding){ENGINE_BAD_HEADER, 9};
  if (!dim) return (Finding){ENGINE_BAD_HEADER, 10};
  if (header->vocab_size < 1 || header->vocab_size > MAX_WIDTH) {
    return (Finding){ENGINE_BAD_HEADER, 11};
  }
  if (header->max_positions < 1 || header->max_positions > MAX_POSITIONS) {
    return (Finding){ENGINE_BAD_HEADER, 12};
  }
  if (header->output >= header->slots) return (Finding){ENGINE_BAD_HEADER, 13};
  if (header->reserved != 0) return (Finding){ENGINE_BAD_HEADER, 15};
  return (Finding){ENGINE_OK, 0};
}

/* Index of the wrong word of a part, or -1; its offset is word `at`, its bytes are the next. */
static int32_t wrong_in_part(int32_t at, uint32_t offset, uint32_t bytes, uint32_t wanted,
                             uint32_t blob_bytes) {
  if (bytes != wanted) return at + 1;
  if (wanted == 0) return offset == 0 ? -1 : at;
  return offset % ALIGNMENT == 0 && (uint64_t)offset + bytes <= blob_bytes ? -1 : at;
}

/* Index of the wrong word of a weight, or -1. */
static int32_t wrong_in_weight(const WeightRecord *weight, uint32_t blob_bytes) {
  uint32_t data = 0, scales = 0, zeros = 0;
  if (weight->dtype > DTYPE_I4_BLOCK) return 0;
  if (weight->rows < 1 || weight->rows > MAX_WIDTH) return 1;
  uint32_t most_cols = weight->dtype == DTYPE_VECTOR ? MAX_WIDTH : MATMUL_MAX_COLS;
  if (weight->cols < 1 || weight->cols > most_cols) return 2;
  if (weight->dtype == DTYPE_VECTOR) {
    if (weight->rows != 1) return 1;
    if (weight->block != 0) return 3;
    if (weight->flags != 0) return 4;
    data = weight->cols * 4;
  } else {
    Matrix matrix = {.dtype = weight->dtype,
                     .rows = weight->rows,
                     .cols = weight->cols,
                     .block = weight->block,
                     .flags = weight->flags};
    if (!matrix_sizes(&matrix, &data, &scales, &zeros)) return 3; /* block or flags */
  }
  const struct {
    uint32_t offset, bytes, wanted;
  } parts[3] = {{weight->data_offset, weight->data_bytes, data},
                {weight->scale_offset, weight->scale_bytes, scales},
                {weight->zero_offset, weight->zero_bytes, zeros}};
  for (int32_t i = 0; i < 3; i += 1) {
    int32_t wrong =
        wrong_in_part(5 + 2 * i, parts[i].offset, parts[i].bytes, parts[i].wanted, blob_bytes);
    if (wrong >= 0) return wrong;
  }
  return weight->reserved == 0 ? -1 : 11;
}

static Finding check_tables(const Program *program) {
  const Header *header = program->header;
  uint32_t at = 16;
  for (uint32_t i = 0; i < header->weights; i += 1, at += 12) {
    int32_t wrong = wrong_in_weight(&program->weights[i], header->weights_bytes);
    if (wrong >= 0) return (Finding){ENGINE_BAD_WEIGHT, at + (uint32_t)wrong};
  }
  uint32_t most = header->kind == KIND_DECODER ? ROWS_OUTPUTS : ROWS_SEQUENCES;
  for (uint32_t i = 0; i < header->slots; i += 1, at += 2) {
    if (program->slots[i].rows > most) return (Finding){ENGINE_BAD_SLOT, at};
    uint32_t width = program->slots[i].width;
    if (width < 1 || width > MAX_WIDTH) return (Finding){ENGINE_BAD_SLOT, at + 1};
  }
  const Slot *output = &program->slots[header->output];
  if ((output->rows == ROWS_OUTPUTS) != (header->kind == KIND_DECODER)) {
    return (Finding){ENGINE_BAD_HEADER, 13};
  }
  if (output->width != header->output_width) return (Finding){ENGINE_BAD_HEADER, 14};
  return (Finding){ENGINE_OK, 0};
}

int32_t program_check(const uint32_t *words, uint32_t bytes, Program *program, uint32_t *error_at) {
  Finding finding = {ENGINE_NOT_A_PROGRAM, 3};
  if (bytes >= sizeof(Header)) finding = check_header((const Header *)words, bytes);
  if (finding.code == ENGINE_OK) {
    const Header *header = (const Header *)words;
    program->header = header;
    program->weights = (const WeightRecord *)(words + 16);
    program->slots = (const Slot *)(program->weights + header->weights);
    program->operations = (const Operation *)(program->slots + header->slots);
    finding = check_tables(program);
  }
  if (finding.code == ENGINE_OK) finding = check_operations(program);
  if (finding.code != ENGINE_OK) *error_at = finding.at;
  return finding.code;
}

Matrix program_matrix(const Program *program, uint32_t index, const uint8_t *blob) {
  const WeightRecord *weight = &program->weights[index];
  return (Matrix){
      .dtype = weight->dtype,
      .rows = weight->rows,
      .cols = weight->cols,
      .block = weight->block,
      .flags = weight->flags,
      .data = blob + weight->data_offset,
      .scales = weight->scale_bytes == 0 ? NULL : blob + weight->scale_offset,
      .zeros = weight->zero_bytes == 0 ? NULL : blob + weight->zero_offset,
  };
}
