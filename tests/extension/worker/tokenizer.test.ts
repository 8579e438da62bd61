import assert from "node:assert/strict";
import { test } from "node:test";

import { bertNormalized, bertWords } from "../../../extension_src/src/worker/tokenizer/bert.ts";
import { tokenVocabulary } from "../../../extension_src/src/worker/tokenizer/byte_vocabulary.ts";

const UNCASED = {
  type: "BertNormalizer",
  clean_text: true,
  handle_chinese_chars: true,
  strip_accents: null,
  lowercase: true,
} as const;

const NORMALIZED: readonly (readonly [string, string])[] = [
  ["Café ÀÉÎ", "cafe aei"],
  ["a\u0000b\ufffdc\u200bd\ufeffe", "abcde"],
  ["a\tb\u0085c\u2003d", "a bc d"],
  ["ΟΔΟΣ", "οδοσ"],
  ["İ", "i"],
  ["好𠀀", " 好  𠀀 "],
];

for (const [text, expected] of NORMALIZED) {
  test(`${JSON.stringify(text)} is read as ${JSON.stringify(expected)}`, () => {
    assert.equal(bertNormalized(text, UNCASED), expected);
  });
}

test("a cased tokenizer keeps case and accents", () => {
  assert.equal(bertNormalized("Café", { ...UNCASED, lowercase: false }), "Café");
});

const WORDS: readonly (readonly [string, readonly string[]])[] = [
  ["don't stop.", ["don", "'", "t", "stop", "."]],
  ["a$b ¿c?", ["a", "$", "b", "¿", "c", "?"]],
  ["a€b", ["a€b"]],
  ["  ", []],
  ["a\u2e45b", ["a\u2e45b"]], // punctuation since Unicode 10 only
];

for (const [text, words] of WORDS) {
  test(`${JSON.stringify(text)} is cut into ${words.length} words`, () => {
    assert.deepEqual(bertWords(text), words);
  });
}

test("tokens of the byte-level alphabet stand for their bytes, added tokens for none", () => {
  const { bytes, byFirstByte } = tokenVocabulary({
    model: { vocab: { "<|end|>": 0, Ġthe: 1, ĊĊ: 2, "Ã©": 3, Ġ: 4 } },
    added_tokens: [{ id: 0, content: "<|end|>" }],
    normalizer: null,
  });
  const text = Array.from(bytes, (token) => token && new TextDecoder().decode(token));
  assert.deepEqual(text, [undefined, " the", "\n\n", "é", " "]);
  assert.deepEqual(byFirstByte[0x20], [1, 4]);
});

test("a vocabulary that is not of the byte-level alphabet is refused", () => {
  const json = { model: { vocab: { "##ing": 0, "字": 1 } }, added_tokens: [], normalizer: null };
  assert.throws(() => tokenVocabulary(json), /"字" is not of the byte-level alphabet/);
});
