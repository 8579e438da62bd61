import assert from "node:assert/strict";
import { test } from "node:test";

import { reasons } from "../../../../extension_src/src/content/moderation/policy.ts";
import type { Scores } from "../../../../extension_src/src/content/moderation/scores.ts";

const LABELS = ["toxic", "threat", "insult"];
const THRESHOLDS = { toxic: 0.6, threat: 0.3, insult: 0.5 };

const CASES: readonly (readonly [string, readonly Scores[], readonly string[]])[] = [
  ["nothing judged flags nothing", [], []],
  ["below every threshold flags nothing", [[0.59, 0.29, 0.49]], []],
  ["exactly at the threshold flags", [[0.6, 0, 0]], ["toxic"]],
  ["the most probable label comes first", [[0.7, 0.4, 0.9]], ["insult", "toxic", "threat"]],
  ["the worst piece counts", [[0.1, 0, 0], [0.1, 0.5, 0], [0.8, 0, 0]], ["toxic", "threat"]],
  ["a piece that was abstained from counts for nothing", [null, [0.1, 0, 0]], []],
  ["an abstention does not hide another piece", [null, [0.9, 0, 0]], ["toxic"]],
];

for (const [name, pieces, expected] of CASES) {
  test(name, () => {
    assert.deepEqual(reasons(pieces, LABELS, THRESHOLDS).map(({ label }) => label), expected);
  });
}

test("a reason carries the probability of the worst piece", () => {
  assert.deepEqual(reasons([[0.7, 0, 0], [0.8, 0, 0]], LABELS, THRESHOLDS), [
    { label: "toxic", probability: 0.8 },
  ]);
});

test("a text that was only abstained from is left alone even at threshold zero", () => {
  assert.deepEqual(reasons([null], LABELS, { toxic: 0, threat: 0, insult: 0 }), []);
});

test("a label without a threshold never flags", () => {
  assert.deepEqual(reasons([[0.99, 0.99, 0.99]], LABELS, { toxic: 1 }), []);
});
