import assert from "node:assert/strict";
import { test } from "node:test";

import { luminance, parseColour } from "../../../../extension_src/src/content/moderation/scheme.ts";

for (const [css, expected] of [
  ["rgb(255, 0, 51)", [1, 0, 0.2, 1]],
  ["rgba(0, 0, 0, 0)", [0, 0, 0, 0]],
  ["rgb(0 255 0 / 0.5)", [0, 1, 0, 0.5]],
  ["color(display-p3 1 0 0)", null],
  ["", null],
] as const) {
  test(`${JSON.stringify(css)} is read as ${JSON.stringify(expected)}`, () => {
    assert.deepEqual(parseColour(css), expected);
  });
}

test("luminance runs from black to white", () => {
  assert.equal(luminance(0, 0, 0), 0);
  assert.ok(Math.abs(luminance(1, 1, 1) - 1) < 1e-9);
  assert.ok(luminance(0, 1, 0) > luminance(1, 0, 0));
});
