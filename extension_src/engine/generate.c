/* Continuations of stream 0: greedy, greedy with alternatives, and two beams. */
#include <stdbool.h>

#include "engine.h"
#include "run.h"
#include "scores.h"
#include "state.h"

#define BEAMS 2u

static Generated generated;

uint32_t engine_generated(void) { return (uint32_t)(uintptr_t)&generated; }

static void extend(Path *path, Scored token) {
  path->tokens[path->count++] = token;
  path->log_probability += token.log_probability;
}

/* Whether a stream of `cached` tokens may take one more. */
static bool has_room(uint32_t cached) {
  return cached < state.cache.tokens && cached < state.program.header->max_positions;
}

/* Appends one id to each stream: ids[i] to streams[i]. Rows of output are in the same order. */
static int32_t step(uint32_t count, const uint32_t *streams, const uint32_t *ids) {
  for (uint32_t i = 0; i < count; i += 1) {
    state.streams[i] = streams[i];
    state.ids[i] = ids[i];
    state.lengths[i] = 1;
  }
  return run_batch(count, 0);
}

static int32_t generate_greedy(uint32_t steps, uint32_t end_id, uint32_t k) {
  const uint32_t stream = 0;
  Path *path = &generated.best;
  for (;;) {
    Scored *best = generated.top[path->count];
    best_scores(output_row(0), state.program.header->output_width, k, best);
    uint32_t id = best[0].id;
    extend(path, best[0]);
    if (path->count == steps || id == end_id || !has_room(state.cache.lengths[0])) break;
    int32_t rows = step(1, &stream, &id);
    if (rows < 0) return rows;
  }
  return (int32_t)path->count;
}

/* ---- beam search of width 2 (no length normalisation; a path that has ended keeps its sum) ---- */

typedef struct {
  Path *path;
  bool ended;
  uint32_t stream; /* of a path that has not ended */
  uint32_t row;    /* of its output */
} Beam;

/* A beam and how it goes on; token.id NONE: it has ended, and stays as it is. */
typedef struct {
  uint32_t beam;
  Scored token;
  float sum;
} Candidate;

/* Keeps the two best, the earlier of equals. */
static void offer(Candidate best[BEAMS], uint32_t *count, Candidate candidate) {
  uint32_t at = *count;
  while (at > 0 && candidate.sum > best[at - 1].sum) at -= 1;
  if (at >= BEAMS) return;
  for (uint32_t i = BEAMS - 1; i > at; i -= 1) best[i] = best[i - 1];
  best[at] = candidate;
  if (*count < BEAMS) *count += 1;
}

static uint32_t choose(const Beam *beams, uint32_t count, Candidate best[BEAMS]) {
  uint32_t width = state.program.header->output_width, chosen = 0;
  uint32_t k = width < BEAMS ? width : BEAMS;
  for (uint32_t b = 0; b < count; b += 1) {
    float sum = beams[b].path->log_probability;
    if (beams[b].ended) {
      offer(best, &chosen, (Candidate){b, {NONE, 0}, sum});
      continue;
    }
    Scored top[BEAMS];
    best_scores(output_row(beams[b].row), width, k, top);
    for (uint32_t i = 0; i < k; i += 1) {
      offer(best, &chosen, (Candidate){b, top[i], sum + top[i].log_probability});
    }
  }
  return chosen;
}

/* Replaces the beams by the chosen continuations. The tokens since `prompt` of a stream that goes on
 * twice are copied. */
static void follow(Beam *beams, uint32_t *count, const Candidate *best, uint32_t chosen,
                   uint32_t end_id, uint32_t prompt) {
  static Path copies[BEAMS];
  Beam next[BEAMS];
  for (uint32_t i = 0; i < chosen; i += 1) {
    const Beam *parent = &beams[best[i].beam];
    copies[i] = *parent->path;
    next[i] = *parent;
    if (best[i].token.id == NONE) continue;
    extend(&copies[i], best[i].token);
    next[i].ended = best[i].token.id == end_id;
  }
  if (chosen == BEAMS && !next[0].ended && !next[1].ended && next[0].stream == next[1].stream) {
    uint32_t from = next[0].stream, to = 1 - from, length = state.cache.lengths[from];
    cache_copy(&state.cache, from, to, prompt, length);
    state.cache.lengths[to] = length;
    next[1].stream = to;
  }
  Path *paths[BEAMS] = {&generated.best, &generated.second};
  for (uint32_t i = 0; i < chosen; i += 1) {
    *paths[i] = copies[i];
    next[i].path = paths[i];
    beams[i] = next[i];
  }
  *count = chosen;
}

static int32_t generate_beams(uint32_t steps, uint32_t end_id) {
  uint32_t prompt = state.cache.lengths[0], count = 1;
  Beam beams[BEAMS] = {{.path = &generated.best}};
  cache_copy(&state.cache, 0, 1, 0, prompt);
  for (uint32_t done = 1;; done += 1) {
    Candidate best[BEAMS];
    uint32_t chosen = choose(beams, count, best);
    follow(beams, &count, best, chosen, end_id, prompt);

    uint32_t live = 0, streams[BEAMS], ids[BEAMS];
    for (uint32_t b = 0; b < count; b += 1) {
      if (beams[b].ended) continue;
      streams[live] = beams[b].stream;
      ids[live] = beams[b].path->tokens[beams[b].path->count - 1].id;
      beams[b].row = live++;
    }
    if (live == 0 || done == steps || !has_room(prompt + done - 1)) break;
    int32_t rows = step(live, streams, ids);
    if (rows < 0) return rows;
  }
  return (int32_t)generated.best.count;
}

int32_t engine_generate(uint32_t mode, uint32_t steps, uint32_t end_id) {
  if (!state.open) return ENGINE_NOT_OPEN;
  if (mode > ENGINE_BEAM_2 || steps < 1 || steps > ENGINE_MAX_STEPS || !state.continues) {
    return ENGINE_BAD_ARGUMENT;
  }
  if (mode == ENGINE_BEAM_2 && (state.cache.streams < BEAMS || state.limits.sequences < BEAMS)) {
    return ENGINE_BAD_ARGUMENT;
  }
  uint32_t prompt = state.cache.lengths[0], width = state.program.header->output_width;
  generated.best.count = generated.second.count = 0;
  generated.best.log_probability = generated.second.log_probability = 0;
  uint32_t k = mode == ENGINE_GREEDY ? 1 : width < ENGINE_STEP_TOP ? width : ENGINE_STEP_TOP;
  int32_t result = mode == ENGINE_BEAM_2 ? generate_beams(steps, end_id)
                                         : generate_greedy(steps, end_id, k);
  state.cache.lengths[0] = prompt;
  if (mode == ENGINE_BEAM_2) state.cache.lengths[1] = prompt;
  state.continues = false;
  return result;
}
