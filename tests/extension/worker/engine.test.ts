import assert from "node:assert/strict";
import { test } from "node:test";

import type { ModelStates } from "../../../extension_src/src/protocol/messages.ts";
import type { FromWorker, ToWorker, WorkerCall } from "../../../extension_src/src/protocol/worker_port.ts";
import type { CompletionModel } from "../../../extension_src/src/worker/completion.ts";
import { Engine } from "../../../extension_src/src/worker/engine.ts";
import { ModelSlot, type Loaded } from "../../../extension_src/src/worker/model_slot.ts";
import type { ModerationModel } from "../../../extension_src/src/worker/moderation.ts";
import { settled } from "../support/ports.ts";

const RUNNING = { backend: "fake", memoryBytes: 1000, demoted: [] } as const;
const improve = async (): Promise<void> => undefined;

/** Scores each text by its length; suggests what it was given. */
const MODERATION: ModerationModel = {
  prepare: ({ texts }) => ({
    shape: "rows",
    runner: { budgetTokens: 100, padded: true, run: async (rows) => rows.map((row) => [row.length]) },
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
  loads = 0;
  readonly engine: Engine;

  constructor(
    load: (() => Promise<Loaded<ModerationModel>>) | null = async () => ({
      model: MODERATION,
      improve,
      ...RUNNING,
    }),
  ) {
    const now = (): number => 5;
    this.engine = new Engine({
      slots: (changed) => ({
        moderation: new ModelSlot(load === null ? null : () => this.#counted(load), now, changed),
        completion: new ModelSlot<CompletionModel>(
          async ({ progress }) => {
            progress(0, 10);
            progress(10, 10);
            return { model: COMPLETION, improve, ...RUNNING };
          },
          now,
          changed,
        ),
      }),
      emit: (message) => this.emitted.push(message),
      onFatal: (error) => this.fatal.push(error),
      now,
      pause: async () => undefined,
    });
  }

  #counted(load: () => Promise<Loaded<ModerationModel>>): Promise<Loaded<ModerationModel>> {
    this.loads += 1;
    return load();
  }

  async give(...messages: readonly Exclude<ToWorker, "ping">["message"][]): Promise<void> {
    for (const message of messages) this.engine.receive({ client: 1, message });
    await settled();
  }

  /** Everything but the states of the models. */
  get answers(): readonly FromWorker[] {
    return this.emitted.filter((message) => message.kind !== "models");
  }

  /** What was told of the models last. */
  get models(): ModelStates {
    const told = this.emitted.findLast((message) => message.kind === "models");
    assert.ok(told?.kind === "models", "nothing was told of the models");
    return told.models;
  }
}

const score = (id: number, ...texts: readonly string[]): WorkerCall => ({
  kind: "call",
  id,
  name: "moderation.score",
  req: { texts, lane: "visible" },
});
const suggest = (id: number, field: string, before: string): WorkerCall => ({
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
  assert.equal(bench.models.moderation.phase, "idle");
  assert.equal(bench.models.completion.phase, "ready");
});

test("the status tells of each step of loading", async () => {
  const bench = new Bench();
  await bench.give({ kind: "call", id: 1, name: "engine.warm", req: { feature: "completion" } });
  const states = bench.emitted.map((message) =>
    message.kind === "models" ? message.models.completion : message.kind,
  );
  assert.deepEqual(states, [
    { phase: "loading", loadedBytes: 0, totalBytes: 10 },
    { phase: "loading", loadedBytes: 10, totalBytes: 10 },
    { phase: "ready", ...RUNNING, loadMs: 0 },
    "warmed",
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
  assert.deepEqual(bench.models.moderation, { phase: "failed", reason: error.message });
  assert.deepEqual(bench.fatal, []);
});

test("warming a model that cannot be loaded is answered, and its state says so", async () => {
  const bench = new Bench(() => Promise.reject(new Error("broken")));
  await bench.give({ kind: "call", id: 1, name: "engine.warm", req: { feature: "moderation" } });
  assert.deepEqual(bench.answers, [{ kind: "warmed", id: 1 }]);
  assert.equal(bench.models.moderation.phase, "failed");
});

test("a model that the package lacks is absent, and its calls fail", async () => {
  const bench = new Bench(null);
  await bench.give(score(1, "a"));
  const error = { code: "model-failed", message: "this package has no such model" } as const;
  assert.deepEqual(bench.answers, [{ kind: "error", id: 1, error }]);
  await bench.give(suggest(2, "f", "hello"));
  assert.deepEqual(bench.models.moderation, { phase: "absent" });
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

test("a sign of life is given at once, and costs no model", async () => {
  const bench = new Bench();
  bench.engine.receive("ping");
  assert.deepEqual(bench.emitted, [{ kind: "pong" }]);
  assert.equal(bench.loads, 0);
});

test("a model improves when it has answered and nobody waits, once, one after the other", async () => {
  const log: string[] = [];
  const gates: (() => void)[] = [];
  const improving = (name: string) => (): Promise<void> => {
    log.push(`${name} begins`);
    return new Promise<void>((resolve) => gates.push(resolve)).then(() => void log.push(`${name} ends`));
  };
  const now = (): number => 0;
  const engine = new Engine({
    slots: (changed) => ({
      moderation: new ModelSlot(
        async () => ({ model: MODERATION, ...RUNNING, improve: improving("moderation") }),
        now,
        changed,
      ),
      completion: new ModelSlot(
        async () => ({ model: COMPLETION, ...RUNNING, improve: improving("completion") }),
        now,
        changed,
      ),
    }),
    emit: (message) => void (message.kind === "answer" && log.push(`answer ${message.id}`)),
    onFatal: (error) => assert.fail(String(error)),
    now,
    pause: async () => undefined,
  });
  const give = async (...messages: readonly Exclude<ToWorker, "ping">["message"][]): Promise<void> => {
    for (const message of messages) engine.receive({ client: 1, message });
    await settled();
  };
  await give({ kind: "call", id: 1, name: "engine.warm", req: { feature: "moderation" } });
  assert.equal(log.length, 0, "nobody has asked anything yet");
  await give(score(2, "a"), suggest(3, "f", "b"));
  assert.deepEqual(log.slice(-1), ["moderation begins"]);
  await give(score(4, "a"));
  assert.deepEqual(log.slice(-1), ["answer 4"], "calls go on meanwhile");
  gates[0]?.();
  await settled();
  assert.deepEqual(log.slice(-2), ["moderation ends", "completion begins"]);
  gates[1]?.();
  await give(score(5, "a"), suggest(6, "f", "b"));
  assert.equal(log.filter((entry) => entry.endsWith("begins")).length, 2);
});
