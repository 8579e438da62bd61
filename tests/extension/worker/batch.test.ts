import assert from "node:assert/strict";
import { test } from "node:test";

import { nextBatch } from "../../../extension_src/src/worker/batch.ts";

const rows = (...lengths: readonly number[]): { readonly length: number }[] =>
  lengths.map((length) => ({ length }));

const CASES: readonly (readonly [string, readonly number[], number, readonly number[]])[] = [
  ["nothing waits", [], 100, []],
  ["one row over the budget still runs", [500], 100, [500]],
  ["rows that fit go together", [10, 10, 10], 30, [10, 10, 10]],
  ["padding counts", [30, 10], 59, [30]],
  ["padding that fits", [30, 10], 60, [10, 30]],
  ["the oldest is taken even if others would fit better", [90, 10, 10, 10], 100, [90]],
  ["neighbours in length are taken first", [50, 10, 45, 48], 150, [45, 48, 50]],
  ["a nearer longer row goes before a farther shorter one", [50, 20, 52], 104, [50, 52]],
];

for (const [what, lengths, budget, expected] of CASES) {
  test(`batch: ${what}`, () => {
    const batch = nextBatch(rows(...lengths), [], { budgetTokens: budget, padded: true });
    assert.deepEqual(batch.map((row) => row.length), expected);
  });
}

test("every batch keeps to the budget, holds the oldest, and all rows are taken in the end", () => {
  let seed = 1;
  const random = (below: number): number => (seed = (seed * 48271) % 2147483647) % below;
  for (let round = 0; round < 200; round += 1) {
    let waiting = Array.from({ length: 1 + random(40) }, () => ({ length: 1 + random(200) }));
    const budget = 50 + random(800);
    while (waiting.length > 0) {
      const padded = random(2) === 0;
      const own = waiting.filter((_, at) => at === 0 || at % 3 === 0);
      const others = waiting.filter((row) => !own.includes(row));
      const batch = nextBatch(own, others, { budgetTokens: budget, padded });
      const longest = Math.max(...batch.map((row) => row.length));
      const sum = batch.reduce((all, row) => all + row.length, 0);
      assert.ok(batch.length === 1 || (padded ? batch.length * longest : sum) <= budget);
      assert.ok(waiting[0] !== undefined && batch.includes(waiting[0]));
      assert.equal(new Set(batch).size, batch.length);
      waiting = waiting.filter((row) => !batch.includes(row));
    }
  }
});

test("without padding only the sum counts", () => {
  const batch = nextBatch(rows(30, 10, 20), [], { budgetTokens: 60, padded: false });
  assert.deepEqual(batch.map((row) => row.length), [10, 20, 30]);
});

test("rows of others come in only where one's own leave room", () => {
  const [own, others] = [rows(10, 30), rows(10, 10, 10)];
  const lengths = (budgetTokens: number): readonly number[] =>
    nextBatch(own, others, { budgetTokens, padded: true }).map((row) => row.length);
  assert.deepEqual(lengths(60), [10, 30]);
  assert.deepEqual(lengths(120), [10, 10, 10, 30]);
  assert.deepEqual(lengths(40), [10, 10, 10, 10]);
});
