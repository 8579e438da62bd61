/** One worker: the parts of calls that it works on, the models it has, and whether it still lives. */

import type { ModelStates } from "../protocol/messages.ts";
import type { FromWorker, ToWorker } from "../protocol/worker_port.ts";
import type { Clock } from "./clock.ts";
import { sizeOfPart, type Part } from "./parts.ts";
import { Watchdog } from "./watchdog.ts";

/** A running worker. `onCrash` is called at most once, with what is known of the reason. */
export interface WorkerLink {
  post(message: ToWorker): void;
  onMessage(listener: (message: FromWorker) => void): void;
  onCrash(listener: (reason: string) => void): void;
  terminate(): void;
}

/** Ticks of silence after which a worker hangs: several times the longest run of a slow machine. */
const PATIENCE = 20;
/** Compiling and checking a model may keep the event loop from turning for longer. */
const PATIENCE_WHILE_LOADING = 60;

export interface SeatOptions {
  readonly link: WorkerLink;
  readonly clock: Clock;
  readonly onMessage: (seat: Seat, message: Exclude<FromWorker, { readonly kind: "pong" }>) => void;
  /** It has nothing to do any more. */
  readonly onIdle: (seat: Seat) => void;
  /** The worker crashed or hangs. The seat is to be ended. */
  readonly onLost: (seat: Seat, reason: string) => void;
}

export class Seat {
  readonly #options: SeatOptions;
  readonly #watchdog: Watchdog;
  readonly #parts = new Map<number, Part>();
  #texts = 0;
  #models: ModelStates | null = null;
  #ended = false;
  #stopRest: (() => void) | null = null;

  constructor(options: SeatOptions) {
    this.#options = options;
    const { link, clock } = options;
    const lost = (reason: string): void => {
      if (!this.#ended) options.onLost(this, reason);
    };
    this.#watchdog = new Watchdog({
      clock,
      ping: () => link.post("ping"),
      patience: () => (this.#models === null || this.isLoading ? PATIENCE_WHILE_LOADING : PATIENCE),
      onHung: () => lost("it does not answer any more"),
    });
    link.onMessage((message) => this.#receive(message));
    link.onCrash(lost);
  }

  /** States of its models; null before it has told of any. */
  get models(): ModelStates | null {
    return this.#models;
  }

  /** Whether it can score texts at once. */
  get isReady(): boolean {
    return this.#models?.moderation.phase === "ready";
  }

  get isLoading(): boolean {
    return Object.values(this.#models ?? {}).some(({ phase }) => phase === "loading");
  }

  /** Texts that it was given and has not answered. */
  get texts(): number {
    return this.#texts;
  }

  get parts(): readonly Part[] {
    return [...this.#parts.values()];
  }

  send(part: Part, client: number): void {
    this.#stopRest?.();
    this.#stopRest = null;
    this.#parts.set(part.call.id, part);
    this.#texts += sizeOfPart(part);
    this.#watchdog.wake();
    this.#options.link.post({ client, message: part.call });
  }

  /**
   * Takes a part back. It counts as work until the worker has said something: else one that hangs
   * would never be noticed while a person types, since each key takes back the question before.
   */
  cancel(part: Part, client: number): void {
    if (this.take(part.call.id) === undefined) return;
    this.#options.link.post({ client, message: { kind: "cancel", id: part.call.id } });
  }

  /** Takes a part off it; undefined for one that it does not have any more. */
  take(id: number): Part | undefined {
    const part = this.#parts.get(id);
    if (part === undefined) return undefined;
    this.#parts.delete(id);
    this.#texts -= sizeOfPart(part);
    if (this.#parts.size === 0) this.#options.onIdle(this);
    return part;
  }

  /** Runs `task` after `ms` without work. */
  whenIdleFor(ms: number, task: () => void): void {
    this.#stopRest?.();
    this.#stopRest = this.#options.clock.after(ms, task);
  }

  /** Ends the worker, and with it everything it has in memory. */
  end(): void {
    this.#ended = true;
    this.#stopRest?.();
    this.#watchdog.sleep();
    this.#options.link.terminate();
  }

  #receive(message: FromWorker): void {
    if (this.#ended) return; // a last word of one that is gone
    this.#watchdog.heard();
    if (message.kind === "models") this.#models = message.models;
    if (message.kind !== "pong") this.#options.onMessage(this, message);
    if (this.#parts.size === 0) this.#watchdog.sleep();
  }
}
