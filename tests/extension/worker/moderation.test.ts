import assert from "node:assert/strict";
import { test } from "node:test";

import type { Encoder } from "../../../extension_src/src/worker/backends/backend.ts";
import {
  isReadable,
  moderationModel,
  windows,
} from "../../../extension_src/src/worker/moderation.ts";
import type { TextTokenizer } from "../../../extension_src/src/worker/tokenizer/tokenizer.ts";

const READABLE: readonly (readonly [string, boolean])[] = [
  ["You are kind", true],
  ["Ça va très bien, señor", true],
  ["", false],
  ["123 456 … 😀", false],
  ["привет", false],
  ["你好世界", false],
  ["ok привет", false],
  ["okok при", true],
  ["abпр", true],
  ["abпри", false],
  ["ok 你好", true],
  ["Ω", false],
  ["ﬁne", true],
  ["a\ud800", true],
];

for (const [text, readable] of READABLE) {
  test(`${JSON.stringify(text)} can ${readable ? "" : "not "}be judged`, () => {
    assert.equal(isReadable(text), readable);
  });
}

test("a long text is read in equal parts, each between the special tokens", () => {
  assert.deepEqual(windows([2, 10, 11, 12, 3], 4), [[2, 10, 11, 3], [2, 12, 3]]);
  assert.deepEqual(windows([2, 10, 11, 12, 13, 14, 15, 16, 3], 5), [
    [2, 10, 11, 12, 3],
    [2, 13, 14, 15, 3],
    [2, 16, 3],
  ]);
  assert.deepEqual(windows([2, 10, 3], 3), [[2, 10, 3]]);
  assert.deepEqual(windows([], 3), [[]]);
});

test("a long text gets the highest probability of its parts", async () => {
  const prepared = model.prepare({ texts: ["abcdefghijkl", "ab"], lane: "rest" });
  assert.ok(prepared.shape === "rows");
  assert.deepEqual(prepared.rows.map((row) => row.length), [7, 7, 2]);
  const { scores } = prepared.assemble([[0.1, 0.8], [0.4, 0.2], [0.3, 0.3]]);
  assert.deepEqual(scores, [[0.4, 0.8], [0.3, 0.3]]);
});

/** An encoder whose first logit is the number of tokens, its second the negative of it. */
const encoder: Encoder = {
  padded: false,
  memoryBytes: null,
  logits: async (rows) => rows.map((row) => Float32Array.of(row.length, -row.length)),
  dispose: async () => undefined,
};
const letters = { encode: (text: string) => [...text].map(() => 1) } as unknown as TextTokenizer;
const model = moderationModel({ batch_tokens: 64, max_tokens: 8 }, letters, encoder);

test("scores come back in the order of the texts, null where the model abstains", async () => {
  const prepared = model.prepare({ texts: ["abc", "привет", "a", "12"], lane: "rest" });
  assert.ok(prepared.shape === "rows");
  assert.deepEqual(prepared.rows.map((row) => row.length), [3, 1]);
  const { scores } = prepared.assemble(await prepared.runner.run(prepared.rows));
  assert.deepEqual(scores.map((score) => score?.map((p) => p.toFixed(3)) ?? null), [
    ["0.953", "0.047"],
    null,
    ["0.731", "0.269"],
    null,
  ]);
});

test("rows are cut to the model's longest input", () => {
  const prepared = model.prepare({ texts: ["a".repeat(50)], lane: "rest" });
  assert.equal(prepared.shape === "rows" && prepared.rows[0]?.length, 8);
});
