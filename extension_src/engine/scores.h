/* Log-probabilities of a row of logits. */
#ifndef SCORES_H
#define SCORES_H

#include <stdint.h>

#include "engine.h"

/* The k best of logits [count], best first, the lower id of equals; k ≤ count, k ≤ ENGINE_MAX_TOP.
 * Log-probabilities are those of the softmax over all of the row. */
void best_scores(const float *logits, uint32_t count, uint32_t k, Scored *best);

#endif
