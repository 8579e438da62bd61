import assert from "node:assert/strict";
import { test } from "node:test";

import { Latency } from "../../../extension_src/src/worker/latency.ts";

test("only the last 256 answers count for the times", () => {
  const latency = new Latency();
  for (let answer = 0; answer < 256; answer += 1) latency.record(1000);
  for (let answer = 0; answer < 256; answer += 1) latency.record(2);
  assert.deepEqual(latency.stats(3), { served: 512, waiting: 3, p50Ms: 2, p95Ms: 2 });
});
