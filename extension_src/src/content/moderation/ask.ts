/**
 * Sends waiting texts to the model in batches, and slows down when it is told to.
 *
 *            add                   answer
 *   resting ─────▶ asking ───────────────────▶ asking … resting (queue empty)
 *      ▲             │ too-many, disconnected, late: texts go back to the queue
 *      │             ▼
 *      │          waiting ──(delay, then the next idle moment)──▶ asking
 *      │             │ GIVE_UP_AFTER failures in a row
 *      │ add         ▼
 *      └────────── given up        model-failed ──▶ broken (until `restart`)
 *
 * Text out of view goes one batch at a time, as large as the host says with each answer that it
 * takes: so a huge page sends no faster than it is served, and less the more pages do the same.
 *
 * What failed is never recorded as harmless: it is unknown, and asked again when it can be.
 */

import type { ErrorCode } from "../../protocol/messages.ts";
import { TextQueue, type Lane } from "./queue.ts";
import type { Scores } from "./scores.ts";
import { together } from "./together.ts";

/** Small batches in view, so that the first veils do not wait for the last text. */
const VISIBLE_TEXTS = 8;
const BATCHES_IN_FLIGHT: { readonly [L in Lane]: number } = { visible: 3, rest: 1 };
/** Failures after which the same texts may be asked again. */
const AGAIN: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["too-many", "disconnected", "late"]);
const MAX_WAITING_REST = 4000;
const FIRST_DELAY_MS = 250;
const MAX_DELAY_MS = 8000;
const GIVE_UP_AFTER = 8;

export interface AskerOptions {
  readonly score: (
    texts: readonly string[],
    lane: Lane,
    signal: AbortSignal,
  ) => Promise<readonly Scores[]>;
  /** Most texts of one `rest` batch, as the host has it at present. */
  readonly restTexts: () => number;
  readonly onScored: (texts: readonly string[], scores: readonly Scores[]) => void;
  /** The code of what `score` rejected with; null for anything else, which is thrown on. */
  readonly codeOf: (error: unknown) => ErrorCode | null;
  readonly delay: (then: () => void, ms: number) => void;
  /** Runs when the page has nothing better to do. */
  readonly idle: (then: () => void) => void;
}

export class Asker {
  readonly #options: AskerOptions;
  readonly #signal: AbortSignal;
  readonly #queue = new TextQueue(MAX_WAITING_REST);
  readonly #asked = new Set<string>();
  readonly #inFlight = { visible: 0, rest: 0 };
  #failures = 0;
  #state: "open" | "waiting" | "broken" = "open";
  #paused = false;
  #idleAsked = false;
  /** What is added in one go is sent in one batch. */
  readonly #wake = together(() => this.#pump());

  constructor(options: AskerOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
  }

  /** Wants a text judged. A text that is being judged already is not asked twice. */
  add(text: string, lane: Lane): void {
    if (this.#asked.has(text) || this.#state === "broken") return;
    this.#queue.add(text, lane);
    // After giving up, something new on the page is worth one more try.
    this.#failures = Math.min(this.#failures, GIVE_UP_AFTER - 1);
    this.#wake();
  }

  drop(text: string): void {
    this.#queue.drop(text);
  }

  /** While paused nothing new is sent; what is in flight is still answered. */
  set paused(paused: boolean) {
    this.#paused = paused;
    this.#pump();
  }

  /** Tries again after the model had failed, because the person asks for something else. */
  restart(): void {
    this.#state = "open";
    this.#failures = 0;
    this.#pump();
  }

  #pump(): void {
    if (this.#signal.aborted || this.#paused || this.#state !== "open") return;
    if (this.#failures >= GIVE_UP_AFTER) return;
    while (this.#queue.has("visible") && this.#inFlight.visible < BATCHES_IN_FLIGHT.visible) {
      void this.#send("visible");
    }
    if (!this.#mayAskRest() || this.#idleAsked) return;
    this.#idleAsked = true;
    this.#options.idle(() => {
      this.#idleAsked = false;
      if (this.#mayAskRest()) void this.#send("rest");
    });
  }

  #mayAskRest(): boolean {
    return (
      !this.#signal.aborted &&
      !this.#paused &&
      this.#state === "open" &&
      this.#queue.has("rest") &&
      this.#inFlight.visible === 0 &&
      this.#inFlight.rest < BATCHES_IN_FLIGHT.rest
    );
  }

  async #send(lane: Lane): Promise<void> {
    const most = lane === "visible" ? VISIBLE_TEXTS : this.#options.restTexts();
    const texts = this.#queue.take(lane, most);
    for (const text of texts) this.#asked.add(text);
    this.#inFlight[lane] += 1;
    try {
      const scores = await this.#options.score(texts, lane, this.#signal);
      this.#failures = 0;
      this.#settle(texts, lane);
      if (!this.#signal.aborted) this.#options.onScored(texts, scores);
    } catch (error) {
      this.#settle(texts, lane);
      const code = this.#options.codeOf(error);
      if (code === null) throw error;
      this.#failed(code, texts, lane);
    }
    this.#pump();
  }

  #settle(texts: readonly string[], lane: Lane): void {
    this.#inFlight[lane] -= 1;
    for (const text of texts) this.#asked.delete(text);
  }

  #failed(code: ErrorCode, texts: readonly string[], lane: Lane): void {
    if (code === "model-failed") this.#state = "broken";
    if (!AGAIN.has(code)) return;
    for (const text of texts) this.#queue.add(text, lane);
    if (this.#state !== "open") return;
    this.#failures += 1;
    if (this.#failures >= GIVE_UP_AFTER) return;
    this.#state = "waiting";
    const ms = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (this.#failures - 1));
    this.#options.delay(() => {
      this.#options.idle(() => {
        if (this.#state !== "waiting") return;
        this.#state = "open";
        this.#pump();
      });
    }, ms);
  }
}
