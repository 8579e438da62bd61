import assert from "node:assert/strict";
import { test } from "node:test";

import { PoolBench, UNLOAD_MS } from "../support/pool_bench.ts";
import { READY } from "../support/workers.ts";

test("a pool of one stays at one, whatever waits", () => {
  const bench = new PoolBench(1);
  bench.score(1, 1);
  bench.worker().tell({ moderation: READY });
  for (let id = 2; id < 100; id += 1) {
    bench.score(id, 32);
    bench.clock.advance(100);
  }
  assert.equal(bench.workers.length, 1);
});

test("an extra worker is started when much waits for a while, not for a short crowd", () => {
  const bench = new PoolBench(2);
  bench.score(1, 1);
  bench.worker().tell({ moderation: READY });
  bench.score(2, 64);
  bench.clock.advance(900);
  bench.answerAll();
  bench.clock.advance(5000);
  bench.score(3, 1);
  assert.equal(bench.workers.length, 1);
  bench.score(4, 16);
  bench.clock.advance(900);
  bench.score(5, 1);
  assert.equal(bench.workers.length, 1);
  bench.clock.advance(100);
  bench.score(6, 1);
  assert.equal(bench.workers.length, 2);
  assert.deepEqual(bench.worker(1).calls.map(({ name }) => name), ["engine.warm"]);
});

test("an extra worker gets texts once it is ready, and never a suggestion", () => {
  const bench = new PoolBench(2);
  bench.grow(2);
  bench.suggest(1);
  assert.equal(bench.worker(1).calls.some(({ name }) => name === "completion.suggest"), false);
  const given = (at: number): number => bench.worker(at).texts.length;
  const before = [given(0), given(1)];
  for (let id = 2; id < 10; id += 1) bench.score(id, 4);
  assert.deepEqual([given(0), given(1)], before.map((count) => count + 4));
});

test("many texts of one call are shared out, and come back in their order", () => {
  const bench = new PoolBench(2);
  bench.grow(2);
  bench.score(1, 32);
  const last = [0, 1].map((at) => bench.worker(at).texts.at(-1) ?? []);
  assert.deepEqual(last.map(({ length }) => length), [16, 16]);
  bench.answerAll(0);
  assert.deepEqual(bench.log, []);
  bench.answerAll(1);
  assert.deepEqual(bench.log, ["1="]);
  const expected = Array.from({ length: 32 }, (_, at) => [2 + at]);
  assert.deepEqual(bench.answers.get(1), { scores: expected });
});

test("a call in parts is cancelled in all of them, and answered once", () => {
  const bench = new PoolBench(2);
  bench.grow(2);
  bench.score(1, 32);
  bench.pool.cancel(1);
  for (const at of [0, 1]) {
    assert.deepEqual(bench.worker(at).cancelled, bench.worker(at).callIds.slice(-1));
    bench.answerAll(at);
  }
  assert.deepEqual(bench.log, []);
});

test("a part that fails fails its call once, and the other part is not worked on", () => {
  const bench = new PoolBench(2);
  bench.grow(2);
  bench.score(1, 32);
  const [one, other] = [0, 1].map((at) => bench.worker(at).callIds.at(-1) ?? 0);
  const error = { code: "model-failed", message: "x" } as const;
  bench.worker(0).emit({ kind: "error", id: one ?? 0, error });
  assert.deepEqual(bench.worker(1).cancelled, [other]);
  bench.answerAll(1);
  assert.deepEqual(bench.log, ["1!model-failed"]);
});

test("an extra worker that has had nothing to do for a while is ended, the first is not", () => {
  const bench = new PoolBench(2);
  bench.grow(2);
  bench.clock.advance(10_000);
  assert.deepEqual(bench.workers.map(({ isTerminated }) => isTerminated), [false, true]);
  assert.equal(bench.pool.status.workers, 1);
  bench.score(1, 4);
  bench.answerAll();
  assert.deepEqual(bench.log, ["1="]);
});

test("an extra worker that got something to do again in time is not ended", () => {
  const bench = new PoolBench(2);
  bench.grow(2);
  bench.clock.advance(9_000);
  bench.score(1, 32);
  bench.clock.advance(5_000);
  assert.equal(bench.running, 2);
  bench.answerAll(0);
  bench.answerAll(1);
  assert.deepEqual(bench.log, ["1="]);
});

test("an extra worker that is lost while it rests leaves no timer behind", () => {
  const bench = new PoolBench(2);
  bench.grow(2);
  bench.worker(1).crash("gone");
  assert.equal(bench.clock.timers, 1);
});

test("a call of which several parts were lost twice fails once", () => {
  const bench = new PoolBench(3);
  bench.grow(3);
  bench.score(1, 32);
  bench.worker(2).crash("gone");
  bench.worker(0).crash("gone");
  bench.worker(1).crash("gone");
  assert.deepEqual(bench.log, ["1!model-failed"]);
  assert.equal(bench.pool.lanes.visible.waiting, 0);
});

test("an extra worker that loses its model gives its texts to the first", () => {
  const bench = new PoolBench(2);
  bench.grow(2);
  bench.score(1, 32);
  bench.worker(1).tell({ moderation: { phase: "failed", reason: "the device was lost" } });
  assert.equal(bench.running, 1);
  bench.answerAll(0);
  assert.deepEqual(bench.log, ["1="]);
});

test("an extra worker that is lost gives its texts to the first and is not started again", () => {
  const bench = new PoolBench(2);
  bench.grow(2);
  bench.score(1, 32);
  bench.worker(1).crash("out of memory");
  bench.answerAll(0);
  assert.deepEqual(bench.log, ["1="]);
  for (let id = 2; id < 20; id += 1) {
    bench.score(id, 64);
    bench.clock.advance(500);
    bench.worker().emit({ kind: "pong" });
  }
  assert.equal(bench.workers.length, 2);
});

test("an extra worker whose model cannot be loaded is ended, and nobody notices", () => {
  const bench = new PoolBench(2);
  bench.score(1, 1);
  bench.worker().tell({ moderation: READY });
  for (let id = 2; bench.workers.length < 2; id += 1) {
    bench.score(id, 16);
    bench.clock.advance(500);
  }
  bench.worker(1).tell({ moderation: { phase: "failed", reason: "no memory" } });
  assert.equal(bench.worker(1).isTerminated, true);
  assert.deepEqual(bench.pool.status.models.moderation, READY);
  bench.answerAll();
  assert.equal([...bench.errors].length, 0);
});

test("the first worker that is lost is replaced; the extra one scores meanwhile", () => {
  const bench = new PoolBench(2);
  bench.grow(2);
  bench.suggest(1);
  bench.score(2, 4);
  bench.worker(0).crash("gone");
  assert.equal(bench.workers.length, 3);
  assert.deepEqual(bench.worker(2).calls.map(({ name }) => name), ["completion.suggest"]);
  bench.answerAll(1);
  bench.answerAll(2);
  assert.deepEqual(bench.log.toSorted(), ["1=", "2="]);
});

test("all workers are ended together when nothing is asked any more", () => {
  const bench = new PoolBench(4);
  bench.grow(3);
  assert.equal(bench.pool.status.workers, 3);
  bench.clock.advance(UNLOAD_MS);
  assert.equal(bench.running, 0);
  assert.equal(bench.clock.timers, 0);
});
