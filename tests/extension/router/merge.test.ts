import assert from "node:assert/strict";
import { test } from "node:test";

import type { ModelState, ModelStates } from "../../../extension_src/src/protocol/messages.ts";
import { mergeModels, unloaded } from "../../../extension_src/src/router/merge.ts";
import { IDLE, READY } from "../support/workers.ts";

const LOADING: ModelState = { phase: "loading", loadedBytes: 1, totalBytes: 2 };
const FAILED: ModelState = { phase: "failed", reason: "broken" };
const UNLOADED: ModelState = { phase: "unloaded" };
const ABSENT: ModelState = { phase: "absent" };
const UNKNOWN: ModelState = { ...READY, phase: "ready", backend: "other", loadMs: 9, memoryBytes: null, demoted: [] };
const models = (moderation: ModelState): ModelStates => ({ ...IDLE, moderation });

const CASES: readonly (readonly [string, readonly ModelState[], ModelState, ModelState])[] = [
  ["no worker says what is known without one", [], UNLOADED, UNLOADED],
  ["a worker that has not touched a model does not make it less than unloaded", [{ phase: "idle" }], UNLOADED, UNLOADED],
  ["a worker that loads says how far it is", [LOADING], UNLOADED, LOADING],
  ["one that is ready counts for all", [READY, LOADING], { phase: "idle" }, READY],
  ["an extra one that is ready counts too", [FAILED, READY], { phase: "idle" }, READY],
  ["a failure is told while nobody has the model", [FAILED], { phase: "idle" }, FAILED],
  ["what the package lacks stays so", [ABSENT], ABSENT, ABSENT],
  ["memory is that of all workers", [READY, READY, LOADING], { phase: "idle" }, { ...READY, phase: "ready", backend: "fake", loadMs: 1, demoted: [], memoryBytes: 2000 }],
  ["memory that one of them cannot tell is unknown", [UNKNOWN, READY], { phase: "idle" }, UNKNOWN],
];

for (const [what, states, resting, expected] of CASES) {
  test(what, () => {
    const merged = mergeModels(states.map(models), models(resting));
    assert.deepEqual(merged.moderation, expected);
  });
}

test("only what was ready is unloaded; the rest is as before", () => {
  assert.deepEqual(unloaded({ moderation: READY, completion: FAILED }, IDLE), {
    moderation: UNLOADED,
    completion: { phase: "idle" },
  });
  const resting = { moderation: UNLOADED, completion: ABSENT };
  assert.deepEqual(unloaded({ moderation: UNLOADED, completion: ABSENT }, resting), resting);
});
