import assert from "node:assert/strict";
import { test } from "node:test";

import type { WorkerCall } from "../../../extension_src/src/protocol/worker_port.ts";
import { cut, join } from "../../../extension_src/src/router/parts.ts";

const textsOf = (count: number): readonly string[] => Array.from({ length: count }, (_, at) => `text ${at}`);
const score = (count: number): WorkerCall => ({
  kind: "call",
  id: 7,
  name: "moderation.score",
  req: { texts: textsOf(count), lane: "rest" },
});

for (const [texts, workers, sizes] of [
  [32, 0, [32]],
  [32, 1, [32]],
  [32, 2, [16, 16]],
  [32, 3, [11, 10, 11]],
  [15, 4, [15]],
  [16, 4, [8, 8]],
  [64, 4, [16, 16, 16, 16]],
] as const) {
  test(`${texts} texts for ${workers} workers are cut into ${sizes.join(" + ")}`, () => {
    let id = 100;
    const parts = cut(score(texts), workers, () => id++);
    const given = parts.map((part) => (part.name === "moderation.score" ? part.req.texts : []));
    assert.deepEqual(given.map(({ length }) => length), sizes);
    assert.deepEqual(given.flat(), textsOf(texts));
    assert.deepEqual(parts.map((part) => part.id), sizes.map((_, at) => 100 + at));
    const answers = given.map((some) => ({ scores: some.map((text) => [text.length]) }));
    assert.deepEqual(join(answers), { scores: textsOf(texts).map((text) => [text.length]) });
  });
}

test("a suggestion is never cut", () => {
  const req = { field: "f", before: "b", after: "", minConfidence: 0, maxWords: 1 };
  const call: WorkerCall = { kind: "call", id: 7, name: "completion.suggest", req, deadlineMs: 9 };
  assert.deepEqual(cut(call, 4, () => 1), [{ ...call, id: 1 }]);
});
