import assert from "node:assert/strict";
import { test } from "node:test";

import type { Lane } from "../../../extension_src/src/protocol/messages.ts";
import {
  Scheduler,
  type Prepared,
  type RowRunner,
  type TokenIds,
} from "../../../extension_src/src/worker/scheduler.ts";
import { settled } from "../support/ports.ts";

interface Gate {
  readonly what: string;
  readonly open: () => void;
  readonly fail: (error: Error) => void;
}

/** A scheduler whose every run waits until the test lets it go on. */
class Bench implements RowRunner {
  budgetTokens = 10;
  nowMs = 0;
  readonly log: string[] = [];
  readonly gates: Gate[] = [];
  readonly fatal: unknown[] = [];
  readonly scheduler = new Scheduler<string>({
    onAnswer: (id, res) => this.log.push(`${id}=${res}`),
    onError: (id, error) => this.log.push(`${id}!${error.code}`),
    onFatal: (error) => this.fatal.push(error),
    now: () => this.nowMs,
    pause: async () => undefined,
  });

  run(rows: readonly TokenIds[]): Promise<readonly (readonly number[])[]> {
    return this.#gate(`batch of ${rows.map((row) => row.length).join("+")}`, () => rows);
  }

  #gate<T>(what: string, result: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.gates.push({ what, open: () => resolve(Promise.resolve().then(result)), fail: reject });
    });
  }

  /** What runs at the moment. */
  get running(): string | undefined {
    return this.gates[0]?.what;
  }

  async release(): Promise<void> {
    this.gates.shift()?.open();
    await settled();
  }

  async releaseAll(): Promise<readonly string[]> {
    const ran: string[] = [];
    for (let gate = this.gates.shift(); gate !== undefined; gate = this.gates.shift()) {
      ran.push(gate.what);
      gate.open();
      await settled();
    }
    return ran;
  }

  keystroke(id: number, options: { client?: number; field?: string } = {}): void {
    this.#submit(id, "keystroke", options.client ?? 1, options.field ?? `field ${id}`, {
      shape: "whole",
      run: (signal) =>
        this.#gate(`keystroke ${id}`, () => {
          signal.throwIfAborted();
          return "text";
        }),
    });
  }

  /** A call of rows of these lengths, whose answer lists the lengths of its results. */
  rows(id: number, lane: Lane, ...lengths: readonly number[]): void {
    this.#submit(id, lane, 1, null, {
      shape: "rows",
      runner: this,
      rows: lengths.map((length) => Array<number>(length).fill(id)),
      assemble: (results) => results.map((result) => result.length).join(),
    });
  }

  #submit(
    id: number,
    lane: Lane,
    client: number,
    field: string | null,
    prepared: Prepared<string>,
  ): void {
    this.scheduler.submit({ id, client, lane, field, prepare: async () => prepared });
  }
}

test("lanes go in their order, whatever the order of arrival", async () => {
  const bench = new Bench();
  bench.rows(1, "rest", 10);
  await settled();
  bench.rows(2, "rest", 10);
  bench.rows(3, "visible", 10);
  bench.keystroke(4);
  await settled();
  await bench.releaseAll();
  assert.deepEqual(bench.log, ["1=10", "4=text", "3=10", "2=10"]);
});

test("within a lane the oldest goes first", async () => {
  const bench = new Bench();
  for (const id of [1, 2, 3]) bench.keystroke(id);
  await settled();
  await bench.releaseAll();
  assert.deepEqual(bench.log, ["1=text", "2=text", "3=text"]);
});

test("one thing runs at a time", async () => {
  const bench = new Bench();
  bench.keystroke(1);
  bench.rows(2, "visible", 5);
  await settled();
  assert.equal(bench.gates.length, 1);
});

test("a keystroke goes between two batches of one long call", async () => {
  const bench = new Bench();
  bench.rows(1, "rest", 10, 10, 10);
  await settled();
  bench.keystroke(2);
  await settled();
  assert.deepEqual(await bench.releaseAll(), [
    "batch of 10",
    "keystroke 2",
    "batch of 10",
    "batch of 10",
  ]);
  assert.deepEqual(bench.log, ["2=text", "1=10,10,10"]);
});

test("rows of several calls of a lane share a batch, and each call gets its own back", async () => {
  const bench = new Bench();
  bench.keystroke(9);
  await settled();
  bench.rows(1, "visible", 2, 1);
  bench.rows(2, "visible", 3);
  bench.rows(3, "rest", 1);
  await settled();
  assert.deepEqual(await bench.releaseAll(), ["keystroke 9", "batch of 1+2+3", "batch of 1"]);
  assert.deepEqual(bench.log, ["9=text", "1=2,1", "2=3", "3=1"]);
});

test("a newer call of the same field replaces a waiting one, which never runs", async () => {
  const bench = new Bench();
  bench.rows(1, "visible", 10);
  await settled();
  bench.keystroke(2, { field: "f" });
  bench.keystroke(3, { field: "f" });
  await settled();
  assert.deepEqual(await bench.releaseAll(), ["batch of 10", "keystroke 3"]);
  assert.deepEqual(bench.log, ["2!superseded", "1=10", "3=text"]);
});

test("a newer call of the same field aborts a running one, which is answered at once", async () => {
  const bench = new Bench();
  bench.keystroke(1, { field: "f" });
  await settled();
  bench.keystroke(2, { field: "f" });
  assert.deepEqual(bench.log, ["1!superseded"]);
  await settled();
  await bench.releaseAll();
  assert.deepEqual(bench.log, ["1!superseded", "2=text"]);
  assert.deepEqual(bench.fatal, []);
});

test("the same field of another client is another field", async () => {
  const bench = new Bench();
  bench.keystroke(1, { client: 1, field: "f" });
  bench.keystroke(2, { client: 2, field: "f" });
  await settled();
  await bench.releaseAll();
  assert.deepEqual(bench.log, ["1=text", "2=text"]);
});

test("a cancelled call is answered at once and its rows are not run", async () => {
  const bench = new Bench();
  bench.rows(1, "visible", 10);
  bench.rows(2, "visible", 10);
  await settled();
  bench.scheduler.cancel(2);
  assert.deepEqual(bench.log, ["2!cancelled"]);
  assert.deepEqual(await bench.releaseAll(), ["batch of 10"]);
  assert.deepEqual(bench.log, ["2!cancelled", "1=10"]);
});

test("a call that is cancelled while its batch runs is answered once", async () => {
  const bench = new Bench();
  bench.rows(1, "visible", 5);
  bench.rows(2, "visible", 5);
  await settled();
  bench.scheduler.cancel(1);
  bench.scheduler.cancel(1);
  await bench.releaseAll();
  assert.deepEqual(bench.log, ["1!cancelled", "2=5"]);
});

test("cancelling an unknown call does nothing", () => {
  const bench = new Bench();
  bench.scheduler.cancel(77);
  assert.deepEqual(bench.log, []);
});

test("a call without rows is answered without a run", async () => {
  const bench = new Bench();
  bench.rows(1, "visible");
  await settled();
  assert.deepEqual(bench.log, ["1="]);
  assert.equal(bench.gates.length, 0);
});

test("a call that waits for its model holds up nobody", async () => {
  const bench = new Bench();
  const { scheduler } = bench;
  scheduler.submit({ id: 1, client: 1, lane: "keystroke", field: "f", prepare: () => new Promise(() => undefined) });
  bench.rows(2, "rest", 3);
  await settled();
  await bench.releaseAll();
  assert.deepEqual(bench.log, ["2=3"]);
  assert.equal(scheduler.stats().keystroke.waiting, 1);
});

test("a call that cannot be prepared fails with the reason; the rest goes on", async () => {
  const bench = new Bench();
  const prepare = (): Promise<never> => Promise.reject(new Error("weights-000.bin: cannot be read"));
  bench.scheduler.submit({ id: 1, client: 1, lane: "visible", field: null, prepare });
  bench.rows(2, "visible", 3);
  await settled();
  await bench.releaseAll();
  assert.deepEqual(bench.log, ["1!model-failed", "2=3"]);
});

test("a call that is cancelled while it is prepared never runs", async () => {
  const bench = new Bench();
  bench.keystroke(1);
  bench.scheduler.cancel(1);
  await settled();
  assert.equal(bench.gates.length, 0);
  assert.deepEqual(bench.log, ["1!cancelled"]);
});

test("a run that throws is fatal: the call stays unanswered and nothing more runs", async () => {
  const bench = new Bench();
  bench.rows(1, "visible", 3);
  bench.rows(2, "rest", 3);
  await settled();
  bench.gates.shift()?.fail(new Error("memory access out of bounds"));
  await settled();
  assert.equal(String(bench.fatal), "Error: memory access out of bounds");
  assert.deepEqual([bench.log, bench.gates], [[], []]);
});

test("a runner that loses a row is fatal", async () => {
  const bench = new Bench();
  bench.run = async () => [];
  bench.rows(1, "visible", 3);
  await settled();
  assert.equal(String(bench.fatal), "Error: a run of 1 rows gave 0");
});

test("statistics count what was served, what waits, and how long it took", async () => {
  const bench = new Bench();
  bench.keystroke(1);
  bench.keystroke(2);
  bench.rows(3, "visible", 3);
  await settled();
  bench.nowMs = 40;
  await bench.release();
  bench.nowMs = 100;
  await bench.release();
  const { keystroke, visible, rest } = bench.scheduler.stats();
  assert.deepEqual(keystroke, { served: 2, waiting: 0, p50Ms: 40, p95Ms: 100 });
  assert.deepEqual(visible, { served: 0, waiting: 1, p50Ms: null, p95Ms: null });
  assert.deepEqual(rest, { served: 0, waiting: 0, p50Ms: null, p95Ms: null });
});

test("cancelled calls are not part of the times", async () => {
  const bench = new Bench();
  bench.keystroke(1);
  await settled();
  bench.scheduler.cancel(1);
  assert.equal(bench.scheduler.stats().keystroke.served, 0);
});
