import assert from "node:assert/strict";
import { test } from "node:test";

import { together } from "../../../../extension_src/src/content/moderation/together.ts";

test("calls in one go are one run, and later calls another", async () => {
  let runs = 0;
  const ask = together(() => {
    runs += 1;
  });
  for (let call = 0; call < 3; call += 1) ask();
  assert.equal(runs, 0);
  await Promise.resolve();
  assert.equal(runs, 1);
  ask();
  await Promise.resolve();
  assert.equal(runs, 2);
});
