import assert from "node:assert/strict";
import { test } from "node:test";

import { prefixes } from "../../../../extension_src/src/content/completion/ghost.ts";

for (const [text, expected] of [
  [" you very much", [" you very much", " you very", " you"]],
  ["ness of the day", ["ness of the day", "ness of the", "ness of", "ness"]],
  ["s.", ["s."]],
  ["trailing ", ["trailing"]],
  ["", []],
] as const) {
  test(`what fits of ${JSON.stringify(text)} is tried word by word`, () => {
    assert.deepEqual(prefixes(text), expected);
  });
}
