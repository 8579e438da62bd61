/* What is wrong with the operations. extbuild/compile/program_operations.py refuses the same. */
#include "program_check.h"

#include <stdbool.h>
#include <stddef.h>

#include "engine.h"

/* Word index of a field of an operation. */
#define FIELD(name) (offsetof(Operation, name) / 4)

typedef struct {
  const Program *program;
  const Operation *op;
  uint32_t index; /* of op */
  uint32_t word;  /* of op's first word */
  Finding finding;
} Checker;

static bool fail(Checker *check, uint32_t field) {
  if (check->finding.code == ENGINE_OK) {
    check->finding = (Finding){ENGINE_BAD_OPERATION, check->word + field};
  }
  return false;
}

static bool is_finite_word(uint32_t word) { return (word & 0x7F800000u) != 0x7F800000u; }

/* ---- operands: (slot, column) at word `field` of the operation ---- */

static bool written_before(const Checker *check, uint32_t slot) {
  for (uint32_t i = check->index; i > 0; i -= 1) {
    if (check->program->operations[i - 1].dst.slot == slot) return true;
  }
  return false;
}

static bool in_slot(Checker *check, const Operand *operand, uint32_t field, uint64_t width,
                    uint32_t rows) {
  if (operand->slot >= check->program->header->slots) return fail(check, field);
  const Slot *slot = &check->program->slots[operand->slot];
  if (slot->rows != rows) return fail(check, field);
  if (operand->column + width > slot->width) return fail(check, field + 1);
  return true;
}

static bool input(Checker *check, const Operand *operand, uint32_t field, uint64_t width,
                  uint32_t rows) {
  if (!in_slot(check, operand, field, width, rows)) return false;
  return written_before(check, operand->slot) || fail(check, field);
}

static bool nothing(Checker *check, const Operand *operand, uint32_t field) {
  return (operand->slot == NONE && operand->column == 0) || fail(check, field);
}

static bool overlap(const Operand *a, uint64_t a_width, const Operand *b, uint64_t b_width) {
  return a->slot == b->slot && a->column < b->column + b_width && b->column < a->column + a_width;
}

static bool apart(Checker *check, const Operand *a, uint64_t a_width, uint32_t b_field,
                  const Operand *b, uint64_t b_width) {
  return !overlap(a, a_width, b, b_width) || fail(check, b_field);
}

static bool same_or_apart(Checker *check, const Operand *a, uint32_t b_field, const Operand *b,
                          uint64_t width) {
  if (a->slot == b->slot && a->column == b->column) return true;
  return apart(check, a, width, b_field, b, width);
}

/* Rows of the slot that the operation writes; TOKENS when there is no such slot: refused later. */
static uint32_t dst_rows(const Checker *check) {
  uint32_t slot = check->op->dst.slot;
  return slot < check->program->header->slots ? check->program->slots[slot].rows : ROWS_TOKENS;
}

/* ---- weights and parameters ---- */

static const WeightRecord *weight(Checker *check, uint32_t index, uint32_t field, bool vector) {
  if (index >= check->program->header->weights) {
    fail(check, field);
    return NULL;
  }
  const WeightRecord *record = &check->program->weights[index];
  if ((record->dtype == DTYPE_VECTOR) != vector) {
    fail(check, field);
    return NULL;
  }
  return record;
}

static bool vector_or_none(Checker *check, uint32_t index, uint32_t field, uint32_t cols) {
  if (index == NONE) return true;
  const WeightRecord *record = weight(check, index, field, true);
  if (record == NULL) return false;
  return record->cols == cols || fail(check, field);
}

static bool no_weight(Checker *check, uint32_t index, uint32_t field) {
  return index == NONE || fail(check, field);
}

/* Parameters from `first` on are unused and 0. */
static bool no_parameters(Checker *check, uint32_t first) {
  for (uint32_t i = first; i < 5; i += 1) {
    if (check->op->p[i] != 0) return fail(check, FIELD(p) + i);
  }
  return true;
}

static bool activation(Checker *check) {
  return check->op->p[0] <= ACTIVATION_SIGMOID || fail(check, FIELD(p));
}

static bool width_parameter(Checker *check, uint32_t parameter) {
  uint32_t width = check->op->p[parameter];
  return (width >= 1 && width <= MAX_WIDTH) || fail(check, FIELD(p) + parameter);
}

/* ---- the operations ---- */

static bool check_embed(Checker *check) {
  const Operation *op = check->op;
  const Header *header = check->program->header;
  const WeightRecord *tokens = weight(check, op->w0, FIELD(w0), false);
  if (tokens == NULL) return false;
  if (tokens->rows < header->vocab_size) return fail(check, FIELD(w0));
  if (op->w1 != NONE) {
    const WeightRecord *positions = weight(check, op->w1, FIELD(w1), false);
    if (positions == NULL) return false;
    if (positions->cols != tokens->cols) return fail(check, FIELD(w1));
    if ((uint64_t)header->max_positions + op->p[0] > positions->rows) return fail(check, FIELD(p));
  } else if (op->p[0] != 0) {
    return fail(check, FIELD(p));
  }
  return in_slot(check, &op->dst, FIELD(dst), tokens->cols, ROWS_TOKENS) &&
         nothing(check, &op->a, FIELD(a)) && nothing(check, &op->b, FIELD(b)) &&
         nothing(check, &op->c, FIELD(c)) && no_parameters(check, 1);
}

static bool check_linear(Checker *check) {
  const Operation *op = check->op;
  const WeightRecord *w = weight(check, op->w0, FIELD(w0), false);
  if (w == NULL || !vector_or_none(check, op->w1, FIELD(w1), w->rows)) return false;
  uint32_t rows = dst_rows(check);
  if (!in_slot(check, &op->dst, FIELD(dst), w->rows, rows) ||
      !input(check, &op->a, FIELD(a), w->cols, rows) ||
      !apart(check, &op->dst, w->rows, FIELD(a), &op->a, w->cols)) {
    return false;
  }
  if (op->b.slot == NONE) {
    if (!nothing(check, &op->b, FIELD(b))) return false;
  } else if (!input(check, &op->b, FIELD(b), w->rows, rows) ||
             !same_or_apart(check, &op->dst, FIELD(b), &op->b, w->rows)) {
    return false;
  }
  return nothing(check, &op->c, FIELD(c)) && activation(check) && no_parameters(check, 1);
}

static bool check_norm(Checker *check) {
  const Operation *op = check->op;
  uint32_t cols = op->p[3];
  if (op->p[0] > NORM_L2) return fail(check, FIELD(p));
  if (!is_finite_word(op->p[1]) || word_float(op->p[1]) < 0) return fail(check, FIELD(p) + 1);
  if (op->p[2] == 0 || op->p[2] > MAX_WIDTH) return fail(check, FIELD(p) + 2);
  if (op->p[0] == NORM_L2) {
    if (!width_parameter(check, 3) || !no_weight(check, op->w0, FIELD(w0)) ||
        !no_weight(check, op->w1, FIELD(w1))) {
      return false;
    }
  } else {
    const WeightRecord *w = weight(check, op->w0, FIELD(w0), true);
    if (w == NULL || !vector_or_none(check, op->w1, FIELD(w1), w->cols)) return false;
    if (op->p[3] != 0) return fail(check, FIELD(p) + 3);
    cols = w->cols;
  }
  uint64_t width = (uint64_t)cols * op->p[2];
  uint32_t rows = dst_rows(check);
  return in_slot(check, &op->dst, FIELD(dst), width, rows) &&
         input(check, &op->a, FIELD(a), width, rows) &&
         same_or_apart(check, &op->dst, FIELD(a), &op->a, width) &&
         nothing(check, &op->b, FIELD(b)) && nothing(check, &op->c, FIELD(c)) &&
         no_parameters(check, 4);
}

static bool head_shape(Checker *check, uint32_t heads_parameter, uint32_t dim_parameter) {
  uint32_t heads = check->op->p[heads_parameter];
  uint32_t dim = check->op->p[dim_parameter];
  if (heads < 1 || heads > MAX_HEADS) return fail(check, FIELD(p) + heads_parameter);
  if (dim < 4 || dim > MAX_HEAD_DIM || dim % 4 != 0) return fail(check, FIELD(p) + dim_parameter);
  return true;
}

static bool check_rope(Checker *check) {
  const Operation *op = check->op;
  if (!head_shape(check, 0, 1)) return false;
  uint32_t rotary = op->p[2];
  if (rotary < 2 || rotary % 2 != 0 || rotary > op->p[1]) return fail(check, FIELD(p) + 2);
  if (!is_finite_word(op->p[3])) return fail(check, FIELD(p) + 3);
  const WeightRecord *frequencies = weight(check, op->w0, FIELD(w0), true);
  if (frequencies == NULL) return false;
  if (frequencies->cols != rotary / 2) return fail(check, FIELD(w0));
  if (op->dst.slot != op->a.slot) return fail(check, FIELD(dst));
  if (op->dst.column != op->a.column) return fail(check, FIELD(dst) + 1);
  return input(check, &op->a, FIELD(a), (uint64_t)op->p[0] * op->p[1], ROWS_TOKENS) &&
         nothing(check, &op->b, FIELD(b)) && nothing(check, &op->c, FIELD(c)) &&
         no_weight(check, op->w1, FIELD(w1)) && no_parameters(check, 4);
}

static bool check_attention(Checker *check) {
  const Operation *op = check->op;
  const Header *header = check->program->header;
  if (!head_shape(check, 0, 2)) return false;
  uint32_t heads = op->p[0], kv_heads = op->p[1], head_dim = op->p[2], layer = op->p[4];
  if (kv_heads < 1 || heads % kv_heads != 0) return fail(check, FIELD(p) + 1);
  if (!is_finite_word(op->p[3])) return fail(check, FIELD(p) + 3);
  if (header->kind == KIND_ENCODER) {
    if (layer != 0) return fail(check, FIELD(p) + 4);
  } else {
    if (kv_heads != header->kv_heads) return fail(check, FIELD(p) + 1);
    if (head_dim != header->head_dim) return fail(check, FIELD(p) + 2);
    if (layer >= header->layers) return fail(check, FIELD(p) + 4);
    for (uint32_t i = 0; i < check->index; i += 1) { /* a layer's cache has one writer */
      const Operation *other = &check->program->operations[i];
      if (other->op == OP_ATTENTION && other->p[4] == layer) return fail(check, FIELD(p) + 4);
    }
  }
  uint64_t q = (uint64_t)heads * head_dim, kv = (uint64_t)kv_heads * head_dim;
  return in_slot(check, &op->dst, FIELD(dst), q, ROWS_TOKENS) &&
         input(check, &op->a, FIELD(a), q, ROWS_TOKENS) &&
         input(check, &op->b, FIELD(b), kv, ROWS_TOKENS) &&
         input(check, &op->c, FIELD(c), kv, ROWS_TOKENS) &&
         apart(check, &op->dst, q, FIELD(a), &op->a, q) &&
         apart(check, &op->dst, q, FIELD(b), &op->b, kv) &&
         apart(check, &op->dst, q, FIELD(c), &op->c, kv) && no_weight(check, op->w0, FIELD(w0)) &&
         no_weight(check, op->w1, FIELD(w1));
}

static bool check_pool(Checker *check) {
  const Operation *op = check->op;
  if (op->p[0] > POOL_GATHER) return fail(check, FIELD(p));
  if (!width_parameter(check, 1)) return false;
  uint32_t rows = op->p[0] == POOL_GATHER ? ROWS_OUTPUTS : ROWS_SEQUENCES;
  return in_slot(check, &op->dst, FIELD(dst), op->p[1], rows) &&
         input(check, &op->a, FIELD(a), op->p[1], ROWS_TOKENS) &&
         nothing(check, &op->b, FIELD(b)) && nothing(check, &op->c, FIELD(c)) &&
         no_weight(check, op->w0, FIELD(w0)) && no_weight(check, op->w1, FIELD(w1)) &&
         no_parameters(check, 2);
}

/* GLU and ADD (two inputs), ACTIVATE (one). */
static bool check_elementwise(Checker *check) {
  const Operation *op = check->op;
  uint32_t parameter = op->op == OP_ADD ? 0 : 1;
  if (op->op != OP_ADD && !activation(check)) return false;
  if (!width_parameter(check, parameter)) return false;
  uint32_t width = op->p[parameter], rows = dst_rows(check);
  if (!in_slot(check, &op->dst, FIELD(dst), width, rows) ||
      !input(check, &op->a, FIELD(a), width, rows) ||
      !same_or_apart(check, &op->dst, FIELD(a), &op->a, width)) {
    return false;
  }
  if (op->op == OP_ACTIVATE) {
    if (!nothing(check, &op->b, FIELD(b))) return false;
  } else if (!input(check, &op->b, FIELD(b), width, rows) ||
             !same_or_apart(check, &op->dst, FIELD(b), &op->b, width)) {
    return false;
  }
  return nothing(check, &op->c, FIELD(c)) && no_weight(check, op->w0, FIELD(w0)) &&
         no_weight(check, op->w1, FIELD(w1)) && no_parameters(check, parameter + 1);
}

static void check_operation(Checker *check) {
  switch (check->op->op) {
    case OP_EMBED: check_embed(check); break;
    case OP_LINEAR: check_linear(check); break;
    case OP_NORM: check_norm(check); break;
    case OP_ROPE: check_rope(check); break;
    case OP_ATTENTION: check_attention(check); break;
    case OP_POOL: check_pool(check); break;
    case OP_GLU:
    case OP_ADD:
    case OP_ACTIVATE: check_elementwise(check); break;
    default: fail(check, FIELD(op));
  }
}

Finding check_operations(const Program *program) {
  const Header *header = program->header;
  uint32_t first = 16 + 12 * header->weights + 2 * header->slots;
  Checker check = {.program = program};
  for (uint32_t i = 0; i < header->operations; i += 1) {
    check.op = &program->operations[i];
    check.index = i;
    check.word = first + 16 * i;
    check_operation(&check);
    if (check.finding.code != ENGINE_OK) return check.finding;
  }
  check.index = header->operations;
  if (!written_before(&check, header->output)) return (Finding){ENGINE_BAD_HEADER, 13};
  return (Finding){ENGINE_OK, 0};
}
