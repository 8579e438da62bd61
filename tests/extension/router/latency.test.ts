import assert from "node:assert/strict";
import { test } from "node:test";

import { Latency } from "../../../extension_src/src/router/latency.ts";

test("only the last 256 answers count for the times", () => {
  const latency = new Latency();
  for (let answer = 0; answer < 512 + 3; answer += 1) latency.arrived();
  for (let answer = 0; answer < 256; answer += 1) latency.answered(1000);
  for (let answer = 0; answer < 256; answer += 1) latency.answered(2);
  assert.deepEqual(latency.stats(), { served: 512, waiting: 3, p50Ms: 2, p95Ms: 2 });
});

test("what leaves without an answer is not part of the times", () => {
  const latency = new Latency();
  latency.arrived();
  latency.left();
  assert.deepEqual(latency.stats(), { served: 0, waiting: 0, p50Ms: null, p95Ms: null });
});
