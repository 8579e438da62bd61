import assert from "node:assert/strict";
import { test } from "node:test";

import { hex } from "../../../extension_src/src/lib/hex.ts";
import { pause } from "../../../extension_src/src/lib/pause.ts";
import { percentile } from "../../../extension_src/src/lib/percentile.ts";

const PERCENTILES: readonly (readonly [readonly number[], number, number | null])[] = [
  [[], 0.5, null],
  [[7], 0.5, 7],
  [[7], 0.95, 7],
  [[3, 1, 2], 0.5, 2],
  [[4, 3, 2, 1], 0.5, 2],
  [Array.from({ length: 100 }, (_, at) => 100 - at), 0.95, 95],
];

for (const [values, share, expected] of PERCENTILES) {
  test(`percentile ${share} of ${values.length} numbers is ${expected}`, () => {
    assert.equal(percentile(values, share), expected);
  });
}

test("hexadecimal digits keep their leading zeros", () => {
  assert.equal(hex(Uint8Array.of(0, 1, 0xab, 0xff)), "0001abff");
  assert.equal(hex(new Uint8Array()), "");
});

test("a pause lets messages in that were sent before it", async () => {
  const seen: string[] = [];
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    seen.push("message");
    port1.close();
  };
  port2.postMessage(null);
  await pause();
  seen.push("after the pause");
  assert.deepEqual(seen, ["message", "after the pause"]);
});
