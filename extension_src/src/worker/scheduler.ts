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
 *                             prepare failed: `model-failed`  ·  past its deadline: `late`
 *
 * Lanes: keystroke before visible before rest. Within a lane clients take turns, so that one huge
 * page does not starve another; of one client the oldest goes first. A call comes in one of two
 * shapes. `whole`: it runs by itself to its end and looks between tokens whether it is still
 * wanted. `rows`: independent rows, run in batches in which rows of several calls of the lane may
 * meet: those of the client whose turn it is, then others for which there is room.
 *
 * A deadline counts from where a call could run. Loading is left out: a person who pauses while a
 * model loads is still glad of its answer, and one who goes on has cancelled the call.
 *
 * How much can wait here is limited by the router (router/admission.ts), for all clients together.
 *
 * A run that throws is a broken engine, not a failed call: `onFatal` is told, and the call stays
 * unanswered, for the router to send again to a fresh worker.
 */

import { LANES, type CallError, type Lane } from "../protocol/messages.ts";
import { nextBatch, type Budget } from "./batch.ts";
import { Turns } from "./turns.ts";

export type TokenIds = readonly number[];

/** Runs rows of token ids together; one result per row, in their order. */
export interface RowRunner extends Budget {
  run(rows: readonly TokenIds[]): Promise<readonly (readonly number[])[]>;
}

/** Whether an answer is still wanted; an AbortSignal is one. */
export interface Interest {
  /** Throws when the call was cancelled, superseded, or is late. To be asked between tokens. */
  throwIfAborted(): void;
}

export type Prepared<Res> =
  | { readonly shape: "whole"; readonly run: (interest: Interest) => Promise<Res> }
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
  /** How long its answer is wanted from when it can run, ms; undefined: for ever. */
  readonly deadlineMs?: number | undefined;
  /** Loads what it needs and cuts the request up. A rejection answers with `model-failed`. */
  readonly prepare: () => Promise<Prepared<Res>>;
}

export interface SchedulerOptions<Res> {
  readonly onAnswer: (id: number, res: Res) => void;
  readonly onError: (id: number, error: CallError) => void;
  readonly onFatal: (error: unknown) => void;
  /** Told each time when everything that could run has run. */
  readonly onIdle: () => void;
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
  readonly abort: AbortController;
  prepared: Prepared<Res> | null;
  /** When its answer is of no use any more; known once it can run. */
  dueMs: number;
  /** Rows that have not run yet; empty for a `whole` call. */
  rowsLeft: Row[];
  readonly results: (readonly number[])[];
}

export class Scheduler<Res> {
  readonly #options: SchedulerOptions<Res>;
  /** Unanswered calls, oldest first. */
  readonly #calls = new Map<number, Call<Res>>();
  readonly #turns: { readonly [L in Lane]: Turns } = {
    keystroke: new Turns(),
    visible: new Turns(),
    rest: new Turns(),
  };
  #running = false;

  constructor(options: SchedulerOptions<Res>) {
    this.#options = options;
  }

  submit(submission: Submission<Res>): void {
    this.#supersede(submission);
    const call: Call<Res> = {
      submission,
      abort: new AbortController(),
      prepared: null,
      dueMs: Infinity,
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
    call.dueMs = this.#options.now() + (call.submission.deadlineMs ?? Infinity);
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
    this.#options.onIdle();
  }

  /** The call that runs next: of the highest lane, of the client whose turn it is, the oldest. */
  #next(): Call<Res> | null {
    for (const call of [...this.#calls.values()]) this.#dropIfLate(call);
    for (const lane of LANES) {
      if (this.#calls.size === 0) this.#turns[lane].reset();
      const ready = [...this.#calls.values()].filter(
        ({ submission, prepared }) => submission.lane === lane && prepared !== null,
      );
      if (ready.length === 0) continue;
      return this.#turns[lane].take(ready, ({ submission }) => submission.client) ?? null;
    }
    return null;
  }

  #dropIfLate(call: Call<Res>): void {
    if (this.#options.now() <= call.dueMs) return;
    const message = `not answered within ${call.submission.deadlineMs} ms`;
    this.#fail(call, { code: "late", message });
  }

  async #run(call: Call<Res>): Promise<void> {
    const { prepared } = call;
    if (prepared === null) return;
    if (prepared.shape === "rows") return this.#runBatch(prepared.runner, call.submission);
    const interest: Interest = {
      throwIfAborted: () => {
        this.#dropIfLate(call);
        call.abort.signal.throwIfAborted();
      },
    };
    try {
      this.#answer(call, await prepared.run(interest));
    } catch (error) {
      // An aborted run may throw whatever it likes: its call has been answered.
      if (!call.abort.signal.aborted) throw error;
    }
  }

  async #runBatch(runner: RowRunner, { lane, client }: Submission<Res>): Promise<void> {
    const calls = [...this.#calls.values()].filter(
      ({ submission, prepared }) =>
        submission.lane === lane && prepared?.shape === "rows" && prepared.runner === runner,
    );
    const rowsOf = (isOwn: boolean): readonly Row[] =>
      calls
        .filter(({ submission }) => (submission.client === client) === isOwn)
        .flatMap((call) => call.rowsLeft);
    const batch = nextBatch(rowsOf(true), rowsOf(false), runner);
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
