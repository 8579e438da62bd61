/*
 * The operations of a Program but LINEAR (matmul.h). Each reads its operands from `state`, for all rows
 * of the run; program_check has seen that every operand, weight and parameter fits.
 */
#ifndef KERNELS_H
#define KERNELS_H

#include "program.h"

void embed(const Operation *op);
void norm(const Operation *op);
void rope(const Operation *op);
void attention(const Operation *op);
void glu(const Operation *op);
void pool(const Operation *op);
void add(const Operation *op);
void activate_rows(const Operation *op);

#endif
