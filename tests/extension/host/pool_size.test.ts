import assert from "node:assert/strict";
import { test } from "node:test";

import { poolSize } from "../../../extension_src/src/host/pool_size.ts";

test("one worker up to three cores, then one more each time that the cores double, at most four", () => {
  const cores = [0, 1, 2, 3, 4, 6, 8, 12, 16, 32, 128];
  assert.deepEqual(cores.map(poolSize), [1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 4]);
});
