import assert from "node:assert/strict";
import { test } from "node:test";

import { greedy, MIN_STEPS } from "../../../extension_src/bench/greedy.ts";
import { best, tokenIds } from "../../../extension_src/bench/tokens.ts";

test("prompts of different seeds differ from their first token on", () => {
  const firsts = Array.from({ length: 50 }, (_, seed) => tokenIds(seed, 4, 49_152)[0]);
  assert.equal(new Set(firsts).size, firsts.length);
});

test("ids are below the vocabulary and above the special tokens", () => {
  for (const id of tokenIds(12_345, 500, 1000)) assert.ok(id >= 300 && id < 1000);
  assert.throws(() => tokenIds(0, 1, 300), /vocab: must be more than 300/);
});

test("they are the ids that the native peers are given", () => {
  assert.deepEqual(tokenIds(3, 3, 49_152), [24_057, 31_082, 38_107]);
});

test("the best token is the first of equals", () => {
  assert.equal(best(Float32Array.of(1, 3, 3, 2)), 1);
});

test("each token is the best after the one before, and every run is timed", async () => {
  const asked: (readonly number[])[] = [];
  const { prefillMs, tokenMs } = await greedy(
    [5, 6],
    { seed: 0, promptTokens: 2, steps: 4, maxMs: 1e6 },
    async (ids) => {
      asked.push(ids);
      const logits = new Float32Array(8);
      logits[asked.length] = 1;
      return logits;
    },
  );
  assert.deepEqual(asked, [[5, 6], [1], [2], [3], [4]]);
  assert.equal(tokenMs.length, 4);
  assert.ok(prefillMs >= 0);
});

test("a slow peer stops when its time is over, but not before a median has sense", async () => {
  const { tokenMs } = await greedy(
    [5],
    { seed: 0, promptTokens: 1, steps: 100, maxMs: 0 },
    async () => new Float32Array(4),
  );
  assert.equal(tokenMs.length, MIN_STEPS);
});
