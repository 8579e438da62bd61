/** A pool of fake workers on a clock that stands still, for tests of either side of its life. */

import assert from "node:assert/strict";

import type { CallError } from "../../../extension_src/src/protocol/messages.ts";
import type { WorkerCall } from "../../../extension_src/src/protocol/worker_port.ts";
import { Pool } from "../../../extension_src/src/router/pool.ts";
import { FakeClock } from "./clock.ts";
import { FakeWorker, IDLE, READY } from "./workers.ts";

export const UNLOAD_MS = 300_000;

/** A pool of fake workers, at work on calls that a test names by their numbers. */
export class PoolBench {
  readonly clock = new FakeClock();
  readonly workers: FakeWorker[] = [];
  readonly log: string[] = [];
  readonly answers = new Map<number, unknown>();
  readonly errors = new Map<number, CallError>();
  readonly pool: Pool;

  constructor(size = 1) {
    this.pool = new Pool({
      spawn: () => {
        const worker = new FakeWorker();
        this.workers.push(worker);
        return worker;
      },
      size,
      idleUnloadMs: UNLOAD_MS,
      clock: this.clock,
      models: IDLE,
      onAnswer: (id, res) => {
        this.log.push(`${id}=`);
        this.answers.set(id, res);
      },
      onError: (id, error) => {
        this.log.push(`${id}!${error.code}`);
        this.errors.set(id, error);
      },
      onChange: () => undefined,
    });
  }

  worker(at = 0): FakeWorker {
    const worker = this.workers[at];
    assert.ok(worker !== undefined, `worker ${at} was not started`);
    return worker;
  }

  /** Workers that have not been ended. */
  get running(): number {
    return this.workers.filter(({ isTerminated }) => !isTerminated).length;
  }

  score(id: number, texts: number, deadlineMs?: number): void {
    const req = { texts: Array.from({ length: texts }, (_, at) => `${id} ${"x".repeat(at)}`), lane: "visible" } as const;
    this.#submit({ kind: "call", id, name: "moderation.score", req }, deadlineMs);
  }
  suggest(id: number, deadlineMs?: number): void {
    const req = { field: "f", before: "b", after: "", minConfidence: 0, maxWords: 1 };
    this.#submit({ kind: "call", id, name: "completion.suggest", req }, deadlineMs);
  }
  warm(id: number): void {
    this.#submit({ kind: "call", id, name: "engine.warm", req: { feature: "moderation" } });
  }
  #submit(call: WorkerCall, deadlineMs?: number): void {
    this.pool.submit(1, deadlineMs === undefined ? call : { ...call, deadlineMs });
  }

  /** Answers all that a worker was given since the last time. */
  answerAll(at = 0): void {
    const worker = this.worker(at);
    for (const call of worker.calls) worker.answer(call);
  }

  /** Brings a pool up to `workers` that are ready, by keeping the first ones busy. */
  grow(workers: number): void {
    this.score(900, 1);
    this.worker().tell({ moderation: READY });
    this.answerAll();
    for (let id = 901; this.workers.length < workers; id += 1) {
      const before = this.workers.length;
      this.score(id, 16 * workers);
      this.clock.advance(600);
      if (this.workers.length === before) continue;
      this.worker(before).tell({ moderation: READY });
      this.answerAll(before);
    }
    for (let at = 0; at < workers; at += 1) this.answerAll(at);
    this.log.length = 0;
  }
}
