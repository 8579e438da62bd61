import assert from "node:assert/strict";
import { test } from "node:test";

import { Watchdog } from "../../../extension_src/src/router/watchdog.ts";
import { FakeClock } from "../support/clock.ts";

/** A watchdog with a worker that answers as long as `isAlive`. */
function watched(patience = (): number => 20): {
  readonly clock: FakeClock;
  readonly dog: Watchdog;
  readonly counts: { pings: number; alarms: number };
  readonly worker: { isAlive: boolean };
} {
  const clock = new FakeClock();
  const counts = { pings: 0, alarms: 0 };
  const worker = { isAlive: true };
  const dog = new Watchdog({
    clock,
    ping: () => {
      counts.pings += 1;
      if (worker.isAlive) dog.heard();
    },
    patience,
    onHung: () => (counts.alarms += 1),
  });
  return { clock, dog, counts, worker };
}

test("without work there is no timer and no message", () => {
  const { clock, dog, counts } = watched();
  assert.equal(clock.timers, 0);
  dog.wake();
  dog.sleep();
  clock.advance(3_600_000);
  assert.deepEqual([clock.timers, counts.pings], [0, 0]);
});

test("work that is done within a second costs no message", () => {
  const { clock, dog, counts } = watched();
  for (let call = 0; call < 50; call += 1) {
    dog.wake();
    clock.advance(900);
    dog.sleep();
    clock.advance(100);
  }
  assert.equal(counts.pings, 0);
});

test("a worker that answers may work for ever", () => {
  const { clock, dog, counts } = watched();
  dog.wake();
  clock.advance(86_400_000);
  assert.equal(counts.alarms, 0);
});

test("a worker that is silent for twenty ticks hangs, which is told once", () => {
  const { clock, dog, counts, worker } = watched();
  dog.wake();
  worker.isAlive = false;
  clock.advance(20_000);
  assert.equal(counts.alarms, 0);
  clock.advance(1_000);
  assert.equal(counts.alarms, 1);
  clock.advance(3_600_000);
  assert.deepEqual([counts.alarms, clock.timers], [1, 0]);
});

test("one sign of life begins the count anew", () => {
  const { clock, dog, counts, worker } = watched();
  dog.wake();
  worker.isAlive = false;
  clock.advance(20_000);
  dog.heard();
  clock.advance(20_000);
  assert.equal(counts.alarms, 0);
  clock.advance(1_000);
  assert.equal(counts.alarms, 1);
});

test("a laptop that sleeps for hours, again and again, is no worker that hangs", () => {
  const { clock, dog, counts, worker } = watched();
  dog.wake();
  worker.isAlive = false;
  for (let nights = 0; nights < 19; nights += 1) clock.suspend(8 * 3_600_000);
  assert.equal(counts.alarms, 0);
  worker.isAlive = true;
  clock.advance(60_000);
  assert.equal(counts.alarms, 0);
});

test("timers that the browser holds back to one a minute make the alarm late, not wrong", () => {
  const { clock, dog, counts, worker } = watched();
  dog.wake();
  worker.isAlive = false;
  for (let minutes = 0; minutes < 10; minutes += 1) clock.suspend(60_000);
  worker.isAlive = true;
  clock.suspend(60_000);
  clock.suspend(60_000);
  assert.equal(counts.alarms, 0);
});

test("patience may change while it waits", () => {
  const patience = { ticks: 60 };
  const { clock, dog, counts, worker } = watched(() => patience.ticks);
  dog.wake();
  worker.isAlive = false;
  clock.advance(40_000);
  assert.equal(counts.alarms, 0);
  patience.ticks = 20;
  clock.advance(1_000);
  assert.equal(counts.alarms, 1);
});

test("what was silent before it had work is not counted", () => {
  const { clock, dog, counts, worker } = watched();
  worker.isAlive = false;
  for (let round = 0; round < 5; round += 1) {
    dog.wake();
    clock.advance(15_000);
    dog.sleep();
  }
  assert.equal(counts.alarms, 0);
});
