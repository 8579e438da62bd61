/**
 * Decides what the worker computes next. One thing runs at a time; between two runs the event loop
 * turns once, so that a keystroke which came in meanwhile goes first.
 *
 *              submit            prepared                lane's turn
 *   (arrived) ───────▶ preparing ────────▶ waiting ─────────────────▶ running ──▶ answered
 *                         │                  │  ▲                       │ │
 *                         │                  │  └── parts left to do ───┘ │
 *                         │                  │      (yields to a lane     │
 *                         │                  │       above its own)       │
 *                         └──────────────────┴───────────┬────────────────┘
 *                             cancel: `cancelled`  ·  newer call of the same field: `superseded`
 *                             prepare failed: `model-failed`
 *
 * Lanes: keystroke before visible before rest. Within a lane the oldest goes first. A call comes in
 * one of two shapes. `whole`: it runs by itself to its end and looks at its signal between tokens.
 * `rows`: independent rows, run in batches in which rows of several calls of the lane may meet.
 *
 * A run that throws is a broken engine, not a failed call: `onFatal` is told, and the call stays
 * unanswered, for the router to send again to a fresh worker.
 */

import { LANES, type CallError, type Lane, type LaneStats } from "../protocol/messages.ts";
import { nextBatch } from "./batch.ts";
import { Latency } from "./latency.ts";

export type TokenIds = readonly number[];

/** Runs rows of token ids together; one result per row, in their order. */
export interface RowRunner {
  /** Most rows × longest row of one run. One row always runs, however long. */
  readonly budgetTokens: number;
  run(rows: readonly TokenIds[]): Promise<readonly (readonly number[])[]>;
}

export type Prepared<Res> =
  | { readonly shape: "whole"; readonly run: (signal: AbortSignal) => Promise<Res> }
  | {
      readonly shape: "rows";
      readonly runner: RowRunner;
      readonly rows: readonly TokenIds[];
      /** The answer, from the results of all rows in their order. */
      readonly assemble: (results: readonly (readonly number[])[]) => Res;
    };

export interface Submission<Res> {
  readonly id: number;
  readonly client: number;
  readonly lane: Lane;
  /** A newer submission of the same client and field replaces an unanswered one; null: never. */
  readonly field: string | null;
  /** Loads what it needs and cuts the request up. A rejection answers with `model-failed`. */
  readonly prepare: () => Promise<Prepared<Res>>;
}

export interface SchedulerOptions<Res> {
  readonly onAnswer: (id: number, res: Res) => void;
  readonly onError: (id: number, error: CallError) => void;
  readonly onFatal: (error: unknown) => void;
  readonly now: () => number;
  readonly pause: () => Promise<void>;
}

interface Row {
  readonly call: Call<unknown>;
  readonly at: number;
  readonly ids: TokenIds;
  readonly length: number;
}

interface Call<Res> {
  readonly submission: Submission<Res>;
  readonly arrivedMs: number;
  readonly abort: AbortController;
  prepared: Prepared<Res> | null;
  /** Rows that have not run yet; empty for a `whole` call. */
  rowsLeft: Row[];
  readonly results: (readonly number[])[];
}

export class Scheduler<Res> {
  readonly #options: SchedulerOptions<Res>;
  /** Unanswered calls, oldest first. */
  readonly #calls = new Map<number, Call<Res>>();
  readonly #latency: { readonly [L in Lane]: Latency } = {
    keystroke: new Latency(),
    visible: new Latency(),
    rest: new Latency(),
  };
  #running = false;

  constructor(options: SchedulerOptions<Res>) {
    this.#options = options;
  }

  submit(submission: Submission<Res>): void {
    this.#supersede(submission);
    const call: Call<Res> = {
      submission,
      arrivedMs: this.#options.now(),
      abort: new AbortController(),
      prepared: null,
      rowsLeft: [],
      results: [],
    };
    this.#calls.set(submission.id, call);
    submission.prepare().then(
      (prepared) => this.#ready(call, prepared),
      (error: unknown) => {
        const message = error instanceof Error ? error.message : String(error);
        this.#fail(call, { code: "model-failed", message });
      },
    );
  }

  cancel(id: number): void {
    const call = this.#calls.get(id);
    if (call !== undefined) this.#fail(call, { code: "cancelled", message: "cancelled by its caller" });
  }

  stats(): { readonly [L in Lane]: LaneStats } {
    const of = (lane: Lane): LaneStats => {
      const waiting = [...this.#calls.values()].filter((call) => call.submission.lane === lane);
      return this.#latency[lane].stats(waiting.length);
    };
    return { keystroke: of("keystroke"), visible: of("visible"), rest: of("rest") };
  }

  #supersede({ client, field }: Submission<Res>): void {
    if (field === null) return;
    for (const call of [...this.#calls.values()]) {
      if (call.submission.client !== client || call.submission.field !== field) continue;
      this.#fail(call, { code: "superseded", message: "a newer call took its place" });
    }
  }

  #ready(call: Call<Res>, prepared: Prepared<Res>): void {
    if (!this.#isOpen(call)) return;
    call.prepared = prepared;
    if (prepared.shape === "rows") {
      call.rowsLeft = prepared.rows.map((ids, at) => ({ call, at, ids, length: ids.length }));
      if (call.rowsLeft.length === 0) return this.#answer(call, prepared.assemble([]));
    }
    void this.#loop();
  }

  #isOpen(call: Call<Res>): boolean {
    return this.#calls.get(call.submission.id) === call;
  }

  #fail(call: Call<Res>, error: CallError): void {
    if (!this.#isOpen(call)) return;
    this.#calls.delete(call.submission.id);
    call.abort.abort();
    this.#options.onError(call.submission.id, error);
  }

  #answer(call: Call<Res>, res: Res): void {
    if (!this.#isOpen(call)) return;
    this.#calls.delete(call.submission.id);
    this.#latency[call.submission.lane].record(this.#options.now() - call.arrivedMs);
    this.#options.onAnswer(call.submission.id, res);
  }

  async #loop(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    try {
      for (let call = this.#next(); call !== null; call = this.#next()) {
        await this.#run(call);
        await this.#options.pause();
      }
    } catch (error) {
      this.#options.onFatal(error);
      return; // stays `running`: nothing more is computed on a broken engine
    }
    this.#running = false;
  }

  /** The oldest call of the highest lane that is ready to run. */
  #next(): Call<Res> | null {
    for (const lane of LANES) {
      for (const call of this.#calls.values()) {
        if (call.submission.lane === lane && call.prepared !== null) return call;
      }
    }
    return null;
  }

  async #run(call: Call<Res>): Promise<void> {
    const { prepared } = call;
    if (prepared === null) return;
    if (prepared.shape === "whole") {
      try {
        this.#answer(call, await prepared.run(call.abort.signal));
      } catch (error) {
        // An aborted run may throw whatever it likes: its call has been answered.
        if (!call.abort.signal.aborted) throw error;
      }
      return;
    }
    await this.#runBatch(prepared.runner, call.submission.lane);
  }

  async #runBatch(runner: RowRunner, lane: Lane): Promise<void> {
    const calls = [...this.#calls.values()].filter(
      ({ submission, prepared }) =>
        submission.lane === lane && prepared?.shape === "rows" && prepared.runner === runner,
    );
    const batch = nextBatch(
      calls.flatMap((call) => call.rowsLeft),
      runner.budgetTokens,
    );
    const results = await runner.run(batch.map((row) => row.ids));
    for (const [at, row] of batch.entries()) {
      const result = results[at];
      if (result === undefined) throw new Error(`a run of ${batch.length} rows gave ${results.length}`);
      row.call.results[row.at] = result;
    }
    const done = new Set(batch);
    for (const call of calls) {
      call.rowsLeft = call.rowsLeft.filter((row) => !done.has(row));
      if (call.rowsLeft.length > 0 || call.prepared?.shape !== "rows") continue;
      this.#answer(call, call.prepared.assemble(call.results));
    }
  }
}
