/**
 * Notices a worker that hangs: one whose event loop does not turn while it has calls to answer.
 *
 *            it has work                 each tick: ask for a sign of life
 *   asleep ──────────────▶ watching ──┬── heard since the last tick: silence = 0
 *     ▲                       │       ├── not heard: silence + 1
 *     └── nothing left to do ─┘       └── silence = patience ──▶ hung
 *
 * Silence is counted in ticks of the host's own event loop and not in time. When a laptop was
 * suspended, the machine was busy or the browser held back our timers, there were no ticks, so
 * that nothing was missed: an alarm comes later then, and never by mistake. Anything that a worker
 * says counts as a sign of life. Without work there are no timers and no messages, and calls that
 * are answered within the first tick cost none.
 */

import type { Clock } from "./clock.ts";

const TICK_MS = 1000;

export interface WatchdogOptions {
  readonly clock: Clock;
  /** Asks the worker for a sign of life. */
  readonly ping: () => void;
  /** Ticks of silence after which the worker hangs; may change from tick to tick. */
  readonly patience: () => number;
  /** Called once; the watchdog sleeps from then on. */
  readonly onHung: () => void;
}

export class Watchdog {
  readonly #options: WatchdogOptions;
  #silence = 0;
  #heard = false;
  #stop: (() => void) | null = null;

  constructor(options: WatchdogOptions) {
    this.#options = options;
  }

  /** The worker has something to do. */
  wake(): void {
    if (this.#stop !== null) return;
    this.#heard = true; // nothing was asked of it yet
    this.#arm();
  }

  /** The worker has nothing to do. */
  sleep(): void {
    this.#stop?.();
    this.#stop = null;
  }

  heard(): void {
    this.#heard = true;
  }

  #arm(): void {
    this.#stop = this.#options.clock.after(TICK_MS, () => this.#tick());
  }

  #tick(): void {
    this.#silence = this.#heard ? 0 : this.#silence + 1;
    this.#heard = false;
    if (this.#silence >= this.#options.patience()) {
      this.sleep();
      this.#options.onHung();
      return;
    }
    this.#options.ping();
    this.#arm();
  }
}
