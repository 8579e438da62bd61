/** A clock that stands still until a test moves it. */

import type { Clock } from "../../../extension_src/src/router/clock.ts";

interface Timer {
  readonly dueMs: number;
  readonly task: () => void;
}

export class FakeClock implements Clock {
  #nowMs = 1000;
  readonly #timers = new Set<Timer>();

  now(): number {
    return this.#nowMs;
  }

  after(ms: number, task: () => void): () => void {
    const timer = { dueMs: this.#nowMs + ms, task };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Timers that wait: what an idle host costs. */
  get timers(): number {
    return this.#timers.size;
  }

  /** Time goes by, and each task runs when it is due. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (let next = this.#next(endMs); next !== undefined; next = this.#next(endMs)) {
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      this.#run(next);
    }
    this.#nowMs = endMs;
  }

  /** The machine was suspended: all that became due meanwhile runs once, at the end. */
  suspend(ms: number): void {
    this.#nowMs += ms;
    for (const timer of [...this.#timers]) if (timer.dueMs <= this.#nowMs) this.#run(timer);
  }

  #next(endMs: number): Timer | undefined {
    return [...this.#timers]
      .filter(({ dueMs }) => dueMs <= endMs)
      .toSorted((a, b) => a.dueMs - b.dueMs)[0];
  }

  #run(timer: Timer): void {
    if (this.#timers.delete(timer)) timer.task();
  }
}
