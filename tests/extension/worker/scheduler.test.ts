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
  padded = true;
  nowMs = 0;
  readonly log: string[] = [];
  readonly gates: Gate[] = [];
  readonly fatal: unknown[] = [];
  idle = 0;
  readonly scheduler = new Scheduler<string>({
    onAnswer: (id, res) => this.log.push(`${id}=${res}`),
    onError: (id, error) => this.log.push(`${id}!${error.code}`),
    onFatal: (error) => this.fatal.push(error),
    onIdle: () => void (this.idle += 1),
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

  keystroke(id: number, options: { client?: number; field?: string; deadlineMs?: number } = {}): void {
    const { client = 1, field = `field ${id}`, deadlineMs } = options;
    const prepared: Prepared<string> = {
      shape: "whole",
      run: (interest) =>
        this.#gate(`keystroke ${id}`, () => {
          interest.throwIfAborted();
          return "text";
        }),
    };
    const prepare = async (): Promise<Prepared<string>> => prepared;
    this.scheduler.submit({ id, client, lane: "keystroke", field, deadlineMs, prepare });
  }

  /** A call of rows of these lengths, whose answer lists the lengths of its results. */
  rows(id: number, lane: Lane, ...lengths: readonly number[]): void {
    this.rowsOf(1, id, lane, ...lengths);
  }

  rowsOf(client: number, id: number, lane: Lane, ...lengths: readonly number[]): void {
    this.#submit(id, lane, client, null, {
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

test("clients take turns in a lane, so that a huge page costs a small one a turn, not its place", async () => {
  const bench = new Bench();
  for (let id = 1; id <= 20; id += 1) bench.rowsOf(1, id, "visible", 10);
  await settled();
  bench.rowsOf(2, 101, "visible", 10);
  bench.rowsOf(3, 102, "visible", 10);
  bench.rowsOf(2, 103, "visible", 10);
  await settled();
  await bench.releaseAll();
  assert.deepEqual(bench.log.slice(0, 6).map((line) => line.split("=")[0]), ["1", "101", "102", "2", "103", "3"]);
  assert.equal(bench.log.length, 23);
});

test("a client that asks again and again is not new each time", async () => {
  const bench = new Bench();
  bench.rowsOf(1, 1, "visible", 10, 10, 10);
  await settled();
  for (let id = 2; id < 5; id += 1) {
    bench.rowsOf(2, id, "visible", 10);
    await settled();
    await bench.release();
    await bench.release();
  }
  assert.deepEqual(bench.log, ["2=10", "3=10", "1=10,10,10", "4=10"]);
});

test("in a batch come first the rows of the client whose turn it is, then what there is room for", async () => {
  const bench = new Bench();
  bench.keystroke(9);
  await settled();
  bench.rowsOf(1, 1, "rest", 2, 2, 2, 2, 2, 2);
  bench.rowsOf(2, 2, "rest", 2, 2, 2);
  await settled();
  await bench.release();
  assert.equal(bench.running, "batch of 2+2+2+2+2");
  await bench.release();
  assert.equal(bench.running, "batch of 2+2+2+2");
  await bench.releaseAll();
  assert.deepEqual(bench.log, ["9=text", "1=2,2,2,2,2,2", "2=2,2,2"]);
});

test("a waiting call that is past its deadline is late and never runs", async () => {
  const bench = new Bench();
  bench.rows(1, "visible", 10);
  await settled();
  bench.keystroke(2, { deadlineMs: 100 });
  bench.keystroke(3, { deadlineMs: 101 });
  await settled();
  bench.nowMs = 101;
  assert.deepEqual(await bench.releaseAll(), ["batch of 10", "keystroke 3"]);
  assert.deepEqual(bench.log, ["1=10", "2!late", "3=text"]);
});

test("a running call that is past its deadline stops at its next token", async () => {
  const bench = new Bench();
  bench.keystroke(1, { deadlineMs: 100 });
  bench.keystroke(2);
  await settled();
  bench.nowMs = 101;
  await bench.releaseAll();
  assert.deepEqual(bench.log, ["1!late", "2=text"]);
  assert.deepEqual(bench.fatal, []);
});

test("a late answer that is complete is still given", async () => {
  const bench = new Bench();
  const { scheduler } = bench;
  const prepare = async (): Promise<Prepared<string>> => ({
    shape: "whole",
    run: async () => {
      bench.nowMs = 5000;
      return "text";
    },
  });
  scheduler.submit({ id: 1, client: 1, lane: "keystroke", field: "f", deadlineMs: 100, prepare });
  await settled();
  assert.deepEqual(bench.log, ["1=text"]);
});

test("the time that a model loads does not count", async () => {
  const bench = new Bench();
  let loaded: (prepared: Prepared<string>) => void = () => undefined;
  const prepare = (): Promise<Prepared<string>> => new Promise((resolve) => (loaded = resolve));
  bench.scheduler.submit({ id: 1, client: 1, lane: "keystroke", field: "f", deadlineMs: 100, prepare });
  await settled();
  bench.nowMs = 5000;
  loaded({ shape: "whole", run: async () => "text" });
  await settled();
  assert.deepEqual(bench.log, ["1=text"]);
});

test("rows that are past their deadline are left out of the next batch", async () => {
  const bench = new Bench();
  const prepare = async (): Promise<Prepared<string>> => ({
    shape: "rows",
    runner: bench,
    rows: [[1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6]],
    assemble: () => "scores",
  });
  bench.scheduler.submit({ id: 1, client: 1, lane: "rest", field: null, deadlineMs: 100, prepare });
  await settled();
  bench.nowMs = 101;
  assert.deepEqual(await bench.releaseAll(), ["batch of 6"]);
  assert.deepEqual(bench.log, ["1!late"]);
});

test("it tells when nothing is left to run, and not between two calls", async () => {
  const bench = new Bench();
  bench.keystroke(1);
  bench.rows(2, "rest", 10);
  await settled();
  assert.equal(bench.idle, 0);
  assert.deepEqual(await bench.releaseAll(), ["keystroke 1", "batch of 10"]);
  assert.equal(bench.idle, 1);
  bench.keystroke(3);
  await settled();
  await bench.releaseAll();
  assert.equal(bench.idle, 2);
});
