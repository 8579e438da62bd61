import assert from "node:assert/strict";
import { test } from "node:test";

import type { ToHost } from "../../../extension_src/src/protocol/messages.ts";
import type { FromWorker } from "../../../extension_src/src/protocol/worker_port.ts";
import type { CompletionModel } from "../../../extension_src/src/worker/completion.ts";
import { Engine } from "../../../extension_src/src/worker/engine.ts";
import { ModelSlot, type Loaded } from "../../../extension_src/src/worker/model_slot.ts";
import type { ModerationModel } from "../../../extension_src/src/worker/moderation.ts";
import { settled } from "../support/ports.ts";

/** Scores each text by its length; suggests what it was given. */
const MODERATION: ModerationModel = {
  prepare: ({ texts }) => ({
    shape: "rows",
    runner: { budgetTokens: 100, run: async (rows) => rows.map((row) => [row.length]) },
    rows: texts.map((text) => Array<number>(text.length).fill(0)),
    assemble: (results) => ({ scores: results }),
  }),
};
const COMPLETION: CompletionModel = {
  prepare: ({ before }) => ({
    shape: "whole",
    run: async () => ({ text: before, confidence: 1, silence: null }),
  }),
};

class Bench {
  readonly emitted: FromWorker[] = [];
  readonly fatal: unknown[] = [];
  readonly due: (() => void)[] = [];
  loads = 0;
  readonly engine: Engine;

  constructor(
    load: (() => Promise<Loaded<ModerationModel>>) | null = async () => ({
      model: MODERATION,
      backend: "fake",
    }),
  ) {
    const now = (): number => 5;
    this.engine = new Engine({
      slots: (changed) => ({
        moderation: new ModelSlot(load === null ? null : () => this.#counted(load), now, changed),
        completion: new ModelSlot<CompletionModel>(
          async (progress) => {
            progress(0, 10);
            progress(10, 10);
            return { model: COMPLETION, backend: "fake" };
          },
          now,
          changed,
        ),
      }),
      emit: (message) => this.emitted.push(message),
      onFatal: (error) => this.fatal.push(error),
      now,
      pause: async () => undefined,
      later: (task) => this.due.push(task),
    });
  }

  #counted(load: () => Promise<Loaded<ModerationModel>>): Promise<Loaded<ModerationModel>> {
    this.loads += 1;
    return load();
  }

  async give(...messages: readonly ToHost[]): Promise<void> {
    for (const message of messages) this.engine.receive({ client: 1, message });
    await settled();
  }

  /** Everything but statuses. */
  get answers(): readonly FromWorker[] {
    return this.emitted.filter((message) => message.kind !== "status");
  }
}

const score = (id: number, ...texts: readonly string[]): ToHost => ({
  kind: "call",
  id,
  name: "moderation.score",
  req: { texts, lane: "visible" },
});
const suggest = (id: number, field: string, before: string): ToHost => ({
  kind: "call",
  id,
  name: "completion.suggest",
  req: { field, before, after: "", minConfidence: 0, maxWords: 1 },
});

test("nothing is loaded before it is needed, and then once", async () => {
  const bench = new Bench();
  await settled();
  assert.equal(bench.loads, 0);
  await bench.give(score(1, "abc"), score(2, "a", "bc"));
  assert.equal(bench.loads, 1);
  assert.deepEqual(bench.answers, [
    { kind: "answer", id: 1, res: { scores: [[3]] } },
    { kind: "answer", id: 2, res: { scores: [[1], [2]] } },
  ]);
});

test("one feature's call does not load the other's model", async () => {
  const bench = new Bench();
  await bench.give(suggest(1, "f", "hello"));
  assert.equal(bench.loads, 0);
  assert.equal(bench.engine.status().models.moderation.phase, "idle");
  assert.equal(bench.engine.status().models.completion.phase, "ready");
});

test("the status tells of each step of loading", async () => {
  const bench = new Bench();
  await bench.give({ kind: "call", id: 1, name: "engine.warm", req: { feature: "completion" } });
  const states = bench.emitted.map((message) =>
    message.kind === "status" ? message.status.models.completion : message.kind,
  );
  assert.deepEqual(states, [
    { phase: "loading", loadedBytes: 0, totalBytes: 10 },
    { phase: "loading", loadedBytes: 10, totalBytes: 10 },
    { phase: "ready", backend: "fake", loadMs: 0 },
    "answer",
  ]);
});

test("a model that cannot be loaded fails its calls with the reason, and is not tried again", async () => {
  const bench = new Bench(() => Promise.reject(new Error("weights-000.bin: SHA-256 must be …")));
  await bench.give(score(1, "a"));
  await bench.give(score(2, "b"));
  const error = { code: "model-failed", message: "weights-000.bin: SHA-256 must be …" } as const;
  assert.deepEqual(bench.answers, [
    { kind: "error", id: 1, error },
    { kind: "error", id: 2, error },
  ]);
  assert.equal(bench.loads, 1);
  assert.deepEqual(bench.engine.status().models.moderation, { phase: "failed", reason: error.message });
  assert.deepEqual(bench.fatal, []);
});

test("warming a model that cannot be loaded is answered with a status that says so", async () => {
  const bench = new Bench(() => Promise.reject(new Error("broken")));
  await bench.give({ kind: "call", id: 1, name: "engine.warm", req: { feature: "moderation" } });
  assert.deepEqual(bench.answers, [{ kind: "answer", id: 1, res: bench.engine.status() }]);
});

test("a model that the package lacks is absent, and its calls fail", async () => {
  const bench = new Bench(null);
  assert.deepEqual(bench.engine.status().models.moderation, { phase: "absent" });
  await bench.give(score(1, "a"));
  const error = { code: "model-failed", message: "this package has no such model" } as const;
  assert.deepEqual(bench.answers, [{ kind: "error", id: 1, error }]);
  assert.deepEqual(bench.engine.status().models.moderation, { phase: "absent" });
});

test("a newer suggestion for the same field replaces the older", async () => {
  const bench = new Bench();
  await bench.give(suggest(1, "f", "old"), suggest(2, "f", "new"), suggest(3, "g", "other"));
  const kinds = bench.answers.map((message) => [message.kind, "id" in message && message.id]);
  assert.deepEqual(kinds, [
    ["error", 1],
    ["answer", 2],
    ["answer", 3],
  ]);
});

test("a cancel reaches the call", async () => {
  const bench = new Bench();
  await bench.give(score(1, "a"), { kind: "cancel", id: 1 });
  assert.deepEqual(bench.answers, [
    { kind: "error", id: 1, error: { code: "cancelled", message: "cancelled by its caller" } },
  ]);
});

test("many answers make one status, a while later", async () => {
  const bench = new Bench();
  await bench.give(score(1, "a"), score(2, "b"), score(3, "c"));
  assert.equal(bench.due.length, 1);
  const before = bench.emitted.length;
  bench.due.shift()?.();
  assert.equal(bench.emitted.length, before + 1);
  await bench.give(score(4, "d"));
  assert.equal(bench.due.length, 1);
});
