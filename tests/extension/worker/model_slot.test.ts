import assert from "node:assert/strict";
import { test } from "node:test";

import type { ModelState } from "../../../extension_src/src/protocol/messages.ts";
import { ModelSlot, type Tell } from "../../../extension_src/src/worker/model_slot.ts";
import { settled } from "../support/ports.ts";

const improve = async (): Promise<void> => undefined;
const ENGINE = { backend: "engine", memoryBytes: 5, demoted: [] } as const;
const GPU = { backend: "gpu", memoryBytes: null, demoted: [] } as const;

test("a model that goes over to another backend tells so, with the time of its first loading", async () => {
  const states: ModelState[] = [];
  let nowMs = 0;
  let tell: Tell | undefined;
  const slot: ModelSlot<string> = new ModelSlot(
    async (told) => {
      tell = told;
      told.progress(0, 10);
      nowMs = 30;
      return { model: "model", improve, ...GPU };
    },
    () => nowMs,
    () => states.push(slot.state),
  );
  assert.equal(await slot.get(), "model");
  nowMs = 1000;
  const demoted = [{ backend: "ort-webgpu", cause: "lost", reason: "the GPU was reset" }] as const;
  tell?.progress(5, 10);
  tell?.moved({ ...ENGINE, demoted });
  assert.deepEqual(states, [
    { phase: "loading", loadedBytes: 0, totalBytes: 10 },
    { phase: "ready", ...GPU, loadMs: 30 },
    { phase: "loading", loadedBytes: 5, totalBytes: 10 },
    { phase: "ready", ...ENGINE, demoted, loadMs: 30 },
  ]);
});

test("a model is loaded once, however many wait for it", async () => {
  let loads = 0;
  const slot = new ModelSlot(
    async () => {
      loads += 1;
      await settled();
      return { model: loads, improve, ...ENGINE };
    },
    () => 0,
    () => undefined,
  );
  assert.deepEqual(await Promise.all([slot.get(), slot.get()]), [1, 1]);
});

test("a model looks for something better once, and not before it is there", async () => {
  let looked = 0;
  const slot = new ModelSlot(
    async () => ({
      model: "model",
      ...ENGINE,
      improve: async () => {
        looked += 1;
      },
    }),
    () => 0,
    () => undefined,
  );
  await slot.improve();
  assert.equal(looked, 0);
  await slot.get();
  await slot.improve();
  await slot.improve();
  assert.equal(looked, 1);
});
