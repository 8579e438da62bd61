/** What is told of the lanes: measured here, where calls of all workers come by. */

import { percentile } from "../lib/percentile.ts";
import type { Lane, LanesStats, LaneStats } from "../protocol/messages.ts";

/** Answers that the percentiles look back on. */
const WINDOW = 256;

/** Times from arrival to answer of one lane; the oldest are forgotten. */
export class Latency {
  #served = 0;
  #waiting = 0;
  readonly #recentMs: number[] = [];

  arrived(): void {
    this.#waiting += 1;
  }

  answered(ms: number): void {
    this.#waiting -= 1;
    this.#recentMs[this.#served % WINDOW] = ms;
    this.#served += 1;
  }

  /** A call left without an answer: cancelled, late, failed. It says nothing about the engine. */
  left(): void {
    this.#waiting -= 1;
  }

  stats(): LaneStats {
    return {
      served: this.#served,
      waiting: this.#waiting,
      p50Ms: percentile(this.#recentMs, 0.5),
      p95Ms: percentile(this.#recentMs, 0.95),
    };
  }
}

export type Latencies = { readonly [L in Lane]: Latency };

export function newLatencies(): Latencies {
  return { keystroke: new Latency(), visible: new Latency(), rest: new Latency() };
}

export function statsOf(latencies: Latencies): LanesStats {
  return {
    keystroke: latencies.keystroke.stats(),
    visible: latencies.visible.stats(),
    rest: latencies.rest.stats(),
  };
}
