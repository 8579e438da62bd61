import { percentile } from "../lib/percentile.ts";
import type { LaneStats } from "../protocol/messages.ts";

/** Answers that the percentiles look back on. */
const WINDOW = 256;

/** Times from arrival to answer of one lane; the oldest are forgotten. */
export class Latency {
  #served = 0;
  readonly #recentMs: number[] = [];

  record(ms: number): void {
    this.#recentMs[this.#served % WINDOW] = ms;
    this.#served += 1;
  }

  stats(waiting: number): LaneStats {
    return {
      served: this.#served,
      waiting,
      p50Ms: percentile(this.#recentMs, 0.5),
      p95Ms: percentile(this.#recentMs, 0.95),
    };
  }
}
