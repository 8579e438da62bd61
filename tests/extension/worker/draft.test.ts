import assert from "node:assert/strict";
import { test } from "node:test";

import { chooseAny, chooseFitting } from "../../../extension_src/src/worker/choice.ts";
import { countWords, decodeWhole, isWordByte } from "../../../extension_src/src/worker/draft.ts";
import { vocabularyOf } from "../support/scripted_model.ts";

const bytes = (text: string): number[] => [...new TextEncoder().encode(text)];

const COUNTS: readonly (readonly [string, number])[] = [
  ["", 0],
  ["one", 1],
  [" one two", 2],
  ["don't stop", 2],
  ["re-read", 2],
  ["naïve café", 2],
  [" ... ", 0],
];

for (const [text, words] of COUNTS) {
  test(`${JSON.stringify(text)} has ${words} words`, () => assert.equal(countWords(bytes(text)), words));
}

test("word bytes are ASCII letters, digits, the apostrophe and all beyond ASCII", () => {
  const ascii = Array.from({ length: 128 }, (_, byte) => byte).filter(isWordByte);
  assert.equal(
    String.fromCharCode(...ascii),
    "'0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
  );
  assert.ok(isWordByte(0x80) && isWordByte(0xff));
});

const DECODED: readonly (readonly [readonly number[], string])[] = [
  [bytes("naïve 😀"), "naïve 😀"],
  [bytes("naïve 😀").slice(0, -1), "naïve "],
  [[0x61, 0xff, 0x62], "a"],
  [[0xc3], ""],
  [bytes("\ufeffa"), "\ufeffa"],
];

for (const [given, text] of DECODED) {
  test(`bytes ${given.join()} are ${JSON.stringify(text)}`, () => assert.equal(decodeWhole(given), text));
}

test("the probability of the best is its share of all", () => {
  const { id, probability } = chooseAny(Float32Array.of(0, Math.log(3), 0));
  assert.equal(id, 1);
  assert.ok(Math.abs(probability - 0.6) < 1e-6);
});

test("large logits do not overflow", () => {
  assert.deepEqual(chooseAny(Float32Array.of(-1e30, 1e30)), { id: 1, probability: 1 });
});

test("only tokens that fit are chosen from, and share the probability among them", () => {
  const vocabulary = vocabularyOf(["the", "th", "t", "tree", "he"]);
  const need = new TextEncoder().encode("th");
  const choice = chooseFitting(Float32Array.of(9, 0, 0, 0, 9, 9), need, vocabulary);
  assert.equal(choice?.id, 1);
  assert.ok(Math.abs((choice?.probability ?? 0) - 1 / 3) < 1e-6);
});

test("no token fits", () => {
  const need = new TextEncoder().encode("x");
  assert.equal(chooseFitting(Float32Array.of(0, 0), need, vocabularyOf(["the"])), null);
});
