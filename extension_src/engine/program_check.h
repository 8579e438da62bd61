/* Between the two files that check a Program. */
#ifndef PROGRAM_CHECK_H
#define PROGRAM_CHECK_H

#include "program.h"

/* A code of engine.h; at: index of the word that is wrong. */
typedef struct {
  int32_t code;
  uint32_t at;
} Finding;

/* Header, weights and slots must be right already. */
Finding check_operations(const Program *program);

#endif
