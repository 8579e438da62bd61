/**
 * The workers, and which of them works on what.
 *
 *            first call                     much to score for a while (size > 1)
 *   empty ─────────────▶ one worker ──────────────────────────────▶ and extra ones, scoring only
 *     ▲                    │    ▲  ▲                                      │
 *     │ nothing in flight  │    │  └──── an extra one has had nothing to do for a while: ended
 *     │ for idleUnloadMs   │    │
 *     └── all ended ◀──────┘    └─ crashed or hung: ended; its calls are sent once more to a fresh
 *                                  one, those that were lost twice fail
 *
 * Suggestions go to the first worker, whose decoder remembers the text so far. Texts go to the
 * worker with the fewest, many of them in parts to several. An extra worker gets texts once its
 * model is loaded; one that is lost is not started again, since it may be memory that it lacked.
 */

import type {
  CallError,
  CallName,
  Calls,
  EngineStatus,
  Feature,
  LanesStats,
  ModelStates,
} from "../protocol/messages.ts";
import type { FromWorker, WorkerCall } from "../protocol/worker_port.ts";
import { laneOf } from "./admission.ts";
import type { Clock } from "./clock.ts";
import { newLatencies, statsOf, type Latency } from "./latency.ts";
import { mergeModels, unloaded } from "./merge.ts";
import { cut, join, type Answer, type Part, type Work } from "./parts.ts";
import { Seat, type WorkerLink } from "./seat.ts";

/** How often a part is sent to a worker: once, and once more when the worker was lost. */
const SENDS_PER_PART = 2;
/** Unanswered texts per worker above which another one helps, if it stays like that. */
const GROW_TEXTS = 16;
const GROW_AFTER_MS = 1000;
/** How long an extra worker may have nothing to do. */
const EXTRA_IDLE_MS = 10_000;

export interface PoolOptions {
  readonly spawn: () => WorkerLink;
  /** Most workers at a time. */
  readonly size: number;
  readonly idleUnloadMs: number;
  readonly clock: Clock;
  /** What is said of the models before they were used. */
  readonly models: ModelStates;
  readonly onAnswer: (id: number, res: Calls[CallName]["res"]) => void;
  readonly onError: (id: number, error: CallError) => void;
  /** The models or the workers changed; the lanes alone do not count. */
  readonly onChange: () => void;
}

export class Pool {
  readonly #options: PoolOptions;
  readonly #works = new Map<number, Work>();
  readonly #latencies = newLatencies();
  /** In the order in which they were started. */
  #seats: Seat[] = [];
  /** The one for suggestions, and for all while there are no others. */
  #first: Seat | null = null;
  #size: number;
  /** What is said of models that no worker has touched. */
  #resting: ModelStates;
  #nextPart = 1;
  /** Since when there is more to score than the workers are good for; null while there is not. */
  #crowdedSinceMs: number | null = null;
  #stopUnload: (() => void) | null = null;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#size = options.size;
    this.#resting = options.models;
  }

  get status(): EngineStatus {
    const known = this.#seats.flatMap(({ models }) => models ?? []);
    return {
      models: mergeModels(known, this.#resting),
      lanes: this.lanes,
      workers: this.#seats.length,
    };
  }

  get lanes(): LanesStats {
    return statsOf(this.#latencies);
  }

  /** Answers a call by `onAnswer` or `onError` under its id, unless it is cancelled before. */
  submit(client: number, call: WorkerCall): void {
    this.#stopUnload?.();
    this.#stopUnload = null;
    const work: Work = {
      id: call.id,
      client,
      call,
      arrivedMs: this.#options.clock.now(),
      open: new Set(),
      answers: [],
    };
    this.#works.set(work.id, work);
    this.#latency(work)?.arrived();
    const workers = this.#seats.filter((seat) => seat.isReady).length;
    const calls = cut(call, workers, () => this.#nextPart++);
    for (const [at, part] of calls.entries()) this.#send({ work, at, call: part, sends: 0 });
    this.#growIfCrowded();
  }

  cancel(id: number): void {
    const work = this.#works.get(id);
    if (work === undefined) return;
    this.#drop(work);
    this.#latency(work)?.left();
  }

  #latency({ call }: Work): Latency | null {
    const lane = laneOf(call);
    return lane === null ? null : this.#latencies[lane];
  }

  /** Gives a part to the worker that suits it best, with what is left of its time. */
  #send(part: Part): void {
    const { work } = part;
    if (work === null) return;
    const { deadlineMs } = work.call;
    const left = (deadlineMs ?? 0) - (this.#options.clock.now() - work.arrivedMs);
    if (deadlineMs !== undefined && left < 0) {
      return this.#fail(work, { code: "late", message: `not answered within ${deadlineMs} ms` });
    }
    const call = deadlineMs === undefined ? part.call : { ...part.call, deadlineMs: left };
    const sent = { ...part, call, sends: part.sends + 1 };
    work.open.delete(part);
    work.open.add(sent);
    const seat = part.call.name === "moderation.score" ? this.#leastLoaded() : this.#theFirst();
    seat.send(sent, work.client);
  }

  #theFirst(): Seat {
    this.#first ??= this.#spawn();
    return this.#first;
  }

  /** Of those that can score at once; of equals the last, so that the first is free for writing. */
  #leastLoaded(): Seat {
    const ready = this.#seats.filter((seat) => seat.isReady);
    const [first] = ready;
    if (first === undefined) return this.#theFirst();
    return ready.reduce((least, seat) => (seat.texts <= least.texts ? seat : least), first);
  }

  #spawn(): Seat {
    const seat = new Seat({
      link: this.#options.spawn(),
      clock: this.#options.clock,
      onMessage: (from, message) => this.#receive(from, message),
      onIdle: (idle) => this.#idle(idle),
      onLost: (lost, reason) => this.#lost(lost, reason),
    });
    this.#seats.push(seat);
    this.#options.onChange();
    return seat;
  }

  #growIfCrowded(): void {
    const texts = this.#seats.reduce((sum, seat) => sum + seat.texts, 0);
    const isCrowded = texts >= GROW_TEXTS * this.#seats.length;
    const now = this.#options.clock.now();
    if (!isCrowded || this.#seats.length >= this.#size || !this.#seats.every((seat) => seat.isReady)) {
      this.#crowdedSinceMs = null;
      return;
    }
    this.#crowdedSinceMs ??= now;
    if (now - this.#crowdedSinceMs < GROW_AFTER_MS) return;
    this.#crowdedSinceMs = null;
    const feature: Feature = "moderation";
    const call = { kind: "call", id: this.#nextPart++, name: "engine.warm", req: { feature } } as const;
    this.#spawn().send({ work: null, at: 0, call, sends: 1 }, 0);
  }

  #receive(seat: Seat, message: Exclude<FromWorker, { readonly kind: "pong" }>): void {
    switch (message.kind) {
      case "models":
        if (seat !== this.#first && message.models.moderation.phase === "failed") this.#retire(seat);
        this.#options.onChange();
        return;
      case "answer":
        return this.#answered(seat.take(message.id), message.res);
      case "warmed":
        return this.#finish(seat.take(message.id)?.work ?? null, () => this.status);
      case "error": {
        const work = seat.take(message.id)?.work ?? null;
        if (work !== null) this.#fail(work, message.error);
      }
    }
  }

  #answered(part: Part | undefined, answer: Answer): void {
    const work = part?.work ?? null;
    if (part === undefined || work === null) return; // cancelled while the answer was on its way
    work.open.delete(part);
    work.answers[part.at] = answer;
    if (work.open.size > 0) return;
    this.#finish(work, () => join(work.answers.flatMap((one) => one ?? [])));
  }

  #finish(work: Work | null, res: () => Calls[CallName]["res"]): void {
    if (work === null) return;
    this.#drop(work);
    this.#latency(work)?.answered(this.#options.clock.now() - work.arrivedMs);
    this.#options.onAnswer(work.id, res());
  }

  #fail(work: Work, error: CallError): void {
    this.#drop(work);
    this.#latency(work)?.left();
    this.#options.onError(work.id, error);
  }

  /** Forgets a call; whoever still works on a part of it is told to stop. */
  #drop(work: Work): void {
    if (!this.#works.delete(work.id)) return;
    for (const part of work.open) {
      for (const seat of this.#seats) seat.cancel(part, work.client);
    }
    work.open.clear();
    if (this.#works.size === 0) this.#unloadLater();
  }

  #idle(seat: Seat): void {
    if (seat === this.#first) return;
    seat.whenIdleFor(EXTRA_IDLE_MS, () => {
      this.#remove(seat);
      this.#options.onChange();
    });
  }

  /** Ends an extra worker for good: there will not be as many again. */
  #retire(seat: Seat): void {
    this.#remove(seat);
    this.#size = Math.max(1, this.#seats.length);
    for (const part of seat.parts) this.#send(part);
  }

  #remove(seat: Seat): void {
    this.#seats = this.#seats.filter((other) => other !== seat);
    if (seat === this.#first) this.#first = null;
    seat.end();
  }

  #unloadLater(): void {
    this.#stopUnload?.();
    this.#stopUnload = this.#options.clock.after(this.#options.idleUnloadMs, () => this.#unload());
  }

  /** A model that still loads is waited for: its first check of a backend is not to be cut short. */
  #unload(): void {
    if (this.#seats.some((seat) => seat.isLoading)) return this.#unloadLater();
    const { models } = this.status;
    this.#resting = unloaded(models, this.#resting);
    for (const seat of this.#seats) this.#remove(seat);
    this.#options.onChange();
  }

  #lost(seat: Seat, reason: string): void {
    const isExtra = seat !== this.#first;
    this.#remove(seat);
    if (isExtra) this.#size = Math.max(1, this.#seats.length);
    this.#options.onChange();
    const message = `the worker was lost twice: ${reason}`;
    for (const part of seat.parts) {
      if (part.work === null || !part.work.open.has(part)) continue;
      if (part.sends < SENDS_PER_PART) this.#send(part);
      else this.#fail(part.work, { code: "model-failed", message });
    }
  }
}
