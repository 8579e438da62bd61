import assert from "node:assert/strict";
import { test } from "node:test";

import type { ModelState } from "../../../extension_src/src/protocol/messages.ts";
import { PoolBench, UNLOAD_MS } from "../support/pool_bench.ts";
import { IDLE, READY } from "../support/workers.ts";

const LOADING: ModelState = { phase: "loading", loadedBytes: 1, totalBytes: 2 };

test("no worker is started before a call, and one serves all that follow", () => {
  const bench = new PoolBench();
  assert.equal(bench.workers.length, 0);
  bench.score(1, 1);
  bench.suggest(2);
  bench.warm(3);
  bench.answerAll();
  assert.deepEqual(bench.log, ["1=", "2=", "3="]);
  assert.equal(bench.workers.length, 1);
});

test("a warmed engine answers with the status of all", () => {
  const bench = new PoolBench();
  bench.warm(1);
  bench.worker().tell({ moderation: READY });
  bench.answerAll();
  assert.deepEqual(bench.answers.get(1), bench.pool.status);
  assert.deepEqual(bench.pool.status.models.moderation, READY);
});

test("what nobody asked for long is unloaded: the worker is ended, and the next call starts another", () => {
  const bench = new PoolBench();
  bench.score(1, 1);
  bench.worker().tell({ moderation: READY });
  bench.answerAll();
  bench.clock.advance(UNLOAD_MS - 1);
  assert.equal(bench.running, 1);
  bench.clock.advance(1);
  assert.equal(bench.running, 0);
  const { models, workers } = bench.pool.status;
  assert.deepEqual([models, workers], [{ ...IDLE, moderation: { phase: "unloaded" } }, 0]);
  assert.equal(bench.clock.timers, 0);

  bench.score(2, 1);
  assert.equal(bench.running, 1);
  bench.worker(1).tell({ moderation: LOADING });
  assert.deepEqual(bench.pool.status.models.moderation, LOADING);
  bench.worker(1).answer(bench.worker(1).calls[0]);
  assert.deepEqual(bench.log, ["1=", "2="]);
});

test("nothing is unloaded while a call is in flight, however long it takes", () => {
  const bench = new PoolBench();
  bench.score(1, 1);
  const worker = bench.worker();
  for (let minute = 0; minute < 60; minute += 1) {
    bench.clock.advance(60_000 / 4);
    worker.emit({ kind: "pong" });
    for (let quarter = 0; quarter < 3; quarter += 1) {
      bench.clock.advance(60_000 / 4);
      worker.emit({ kind: "pong" });
    }
  }
  assert.equal(bench.running, 1);
  bench.answerAll();
  bench.clock.advance(UNLOAD_MS);
  assert.equal(bench.running, 0);
});

test("a call that came shortly before the wait was over is not ended by it", () => {
  const bench = new PoolBench();
  bench.score(1, 1);
  bench.worker().tell({ moderation: READY });
  bench.answerAll();
  bench.clock.advance(UNLOAD_MS - 1);
  bench.score(2, 1);
  bench.clock.advance(10);
  assert.equal(bench.running, 1);
  bench.answerAll();
  assert.deepEqual(bench.log, ["1=", "2="]);
});

test("each call begins the wait anew, also one that is cancelled or fails", () => {
  const bench = new PoolBench();
  bench.score(1, 1);
  bench.answerAll();
  bench.clock.advance(UNLOAD_MS - 1);
  bench.score(2, 1);
  bench.pool.cancel(2);
  bench.worker().emit({ kind: "pong" });
  bench.clock.advance(UNLOAD_MS - 1);
  bench.score(3, 1);
  const [id] = bench.worker().callIds.slice(-1);
  bench.worker().emit({ kind: "error", id: id ?? 0, error: { code: "model-failed", message: "x" } });
  bench.clock.advance(UNLOAD_MS - 1);
  assert.equal(bench.running, 1);
  bench.clock.advance(1);
  assert.equal(bench.running, 0);
});

test("a model that still loads, though nobody waits for it any more, is let finish", () => {
  const bench = new PoolBench();
  bench.score(1, 1);
  bench.worker().tell({ moderation: LOADING });
  bench.pool.cancel(1);
  bench.worker().emit({ kind: "pong" });
  bench.clock.advance(UNLOAD_MS * 2);
  assert.equal(bench.running, 1);
  bench.worker().tell({ moderation: READY });
  bench.clock.advance(UNLOAD_MS);
  assert.equal(bench.running, 0);
});

test("a laptop that slept longer than the wait unloads once, and serves the next call", () => {
  const bench = new PoolBench();
  bench.score(1, 1);
  bench.answerAll();
  bench.clock.suspend(10 * UNLOAD_MS);
  assert.equal(bench.running, 0);
  bench.score(2, 1);
  bench.worker(1).answer(bench.worker(1).calls[0]);
  assert.deepEqual(bench.log, ["1=", "2="]);
});

test("a worker that hangs is ended, and its calls are sent once more to a fresh one", () => {
  const bench = new PoolBench();
  bench.score(1, 1);
  bench.worker().tell({ moderation: READY });
  bench.suggest(2);
  bench.clock.advance(30_000);
  assert.deepEqual(bench.workers.map(({ isTerminated }) => isTerminated), [true, false]);
  assert.equal(bench.worker(1).calls.length, 2);
  bench.answerAll(1);
  assert.deepEqual(bench.log, ["1=", "2="]);
});

test("calls that hang a second worker fail; the engine goes on with others", () => {
  const bench = new PoolBench();
  bench.score(1, 1);
  bench.worker().tell({ moderation: READY });
  bench.clock.advance(30_000);
  bench.worker(1).tell({ moderation: READY });
  bench.clock.advance(30_000);
  assert.deepEqual(bench.errors.get(1), {
    code: "model-failed",
    message: "the worker was lost twice: it does not answer any more",
  });
  assert.equal(bench.running, 0);
  bench.score(2, 1);
  bench.answerAll(2);
  assert.deepEqual(bench.log, ["1!model-failed", "2="]);
});

test("a worker that loads is waited for longer, and as long as it gets on", () => {
  const bench = new PoolBench();
  bench.score(1, 1);
  bench.clock.advance(50_000);
  for (let step = 0; step < 10; step += 1) {
    bench.worker().tell({ moderation: LOADING });
    bench.clock.advance(50_000);
  }
  assert.equal(bench.workers.length, 1);
  bench.clock.advance(20_000);
  assert.equal(bench.workers.length, 2);
});

test("an idle pool has no timers but the one that unloads it", () => {
  const bench = new PoolBench();
  bench.score(1, 1);
  bench.answerAll();
  assert.equal(bench.clock.timers, 1);
  const before = bench.worker().received.length;
  bench.clock.advance(UNLOAD_MS - 1);
  assert.equal(bench.worker().received.length, before);
});

test("a call that is sent again has what is left of its time, and is late if nothing is", () => {
  const bench = new PoolBench();
  bench.suggest(1, 2000);
  assert.equal(bench.worker().calls[0]?.deadlineMs, 2000);
  bench.clock.advance(500);
  bench.worker().crash("gone");
  assert.equal(bench.worker(1).calls[0]?.deadlineMs, 1500);
  bench.suggest(2, 100);
  bench.clock.advance(400);
  bench.worker(1).crash("gone");
  assert.deepEqual(bench.log, ["1!model-failed", "2!late"]);
});

test("the last words of a worker that is gone are ignored", () => {
  const bench = new PoolBench();
  bench.score(1, 1);
  const [call] = bench.worker().calls;
  bench.warm(2);
  bench.worker().crash("gone");
  bench.worker().answer(call);
  bench.worker().emit({ kind: "warmed", id: bench.worker().callIds[1] ?? 0 });
  bench.worker().crash("again");
  assert.deepEqual([bench.log, bench.workers.length], [[], 2]);
});

test("times are measured from question to answer, and what waits is counted", () => {
  const bench = new PoolBench();
  bench.score(1, 1);
  bench.suggest(2);
  bench.suggest(3);
  bench.clock.advance(40);
  bench.worker().answer(bench.worker().calls[0]);
  bench.pool.cancel(2);
  const { visible, keystroke } = bench.pool.lanes;
  assert.deepEqual(visible, { served: 1, waiting: 0, p50Ms: 40, p95Ms: 40 });
  assert.deepEqual(keystroke, { served: 0, waiting: 1, p50Ms: null, p95Ms: null });
});

test("a worker that hangs while a person types on, and takes each question back, is noticed", () => {
  const bench = new PoolBench();
  bench.suggest(0);
  bench.worker().tell({ completion: READY });
  bench.pool.cancel(0);
  for (let key = 1; key <= 60; key += 1) {
    bench.suggest(key);
    bench.clock.advance(400);
    bench.pool.cancel(key);
  }
  assert.equal(bench.worker().isTerminated, true);
});

test("a question that is taken back is followed by no more than one look at its worker", () => {
  const bench = new PoolBench();
  bench.suggest(1);
  bench.pool.cancel(1);
  bench.clock.advance(1000);
  assert.equal(bench.worker().pings, 1);
  bench.worker().emit({ kind: "pong" });
  bench.clock.advance(60_000);
  assert.equal(bench.worker().pings, 1);
  assert.equal(bench.clock.timers, 1); // the one that unloads
});
