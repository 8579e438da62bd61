import assert from "node:assert/strict";
import { test } from "node:test";

import { PIECE_CHARACTERS, split } from "../../../../extension_src/src/content/moderation/split.ts";

const CASES: readonly (readonly [string, string, number, readonly string[]])[] = [
  ["nothing has no pieces", "", 20, []],
  ["what fits is one piece", "One. Two.", 20, ["One. Two."]],
  ["sentences stay whole", "One one one. Two two two. Three.", 14, ["One one one.", "Two two two.", "Three."]],
  ["as many sentences as fit go together", "A b. C d. E f. G h.", 10, ["A b. C d.", "E f. G h."]],
  ["a line break ends a sentence", "no dot here\nnor there", 14, ["no dot here", "nor there"]],
  ["a closing quote belongs to its sentence", 'He said "no!" Then left.', 15, ['He said "no!"', "Then left."]],
  ["a dot in a number does not end a sentence", "about 3.14 times more. Yes.", 23, ["about 3.14 times more.", "Yes."]],
  ["a long sentence is cut between words", "one two three four five", 10, ["one two", "three four", "five"]],
  ["a word without an end is cut anywhere", "aaaaaaaaaa", 4, ["aaaa", "aaaa", "aa"]],
  ["no surrogate pair is cut", "😀😀😀", 3, ["😀", "😀", "😀"]],
];

for (const [name, text, limit, expected] of CASES) {
  test(name, () => assert.deepEqual(split(text, limit), expected));
}

test("pieces of a long text are within the limit and lose no word", () => {
  const words = Array.from({ length: 3000 }, (_, index) => `word${index}${index % 17 === 0 ? "." : ""}`);
  const pieces = split(words.join(" "));
  assert.ok(pieces.length > 10);
  assert.ok(pieces.every((piece) => piece.length <= PIECE_CHARACTERS));
  assert.deepEqual(pieces.join(" ").split(" "), words);
});
