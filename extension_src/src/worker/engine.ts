/** The worker's calls: which model serves which, in which lane, and what is told of it. */

import type { Calls, Feature, Lane } from "../protocol/messages.ts";
import type { FromWorker, ToWorker, WorkerCall } from "../protocol/worker_port.ts";
import type { CompletionModel } from "./completion.ts";
import type { ModelSlot } from "./model_slot.ts";
import type { ModerationModel } from "./moderation.ts";
import { Scheduler, type Prepared } from "./scheduler.ts";

type Answer = Calls["moderation.score" | "completion.suggest"]["res"];

export interface EngineOptions {
  /** Makes the slots; `changed` must be called whenever the state of one of them changes. */
  readonly slots: (changed: () => void) => Slots;
  readonly emit: (message: FromWorker) => void;
  readonly onFatal: (error: unknown) => void;
  readonly now: () => number;
  readonly pause: () => Promise<void>;
}

export interface Slots {
  readonly moderation: ModelSlot<ModerationModel>;
  readonly completion: ModelSlot<CompletionModel>;
}

/** What a call needs of the scheduler. */
interface Plan {
  readonly lane: Lane;
  readonly field: string | null;
  readonly deadlineMs: number | undefined;
  readonly prepare: () => Promise<Prepared<Answer>>;
}

export class Engine {
  readonly #options: EngineOptions;
  readonly #slots: Slots;
  readonly #scheduler: Scheduler<Answer>;
  #improving: Promise<void> = Promise.resolve();

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#slots = options.slots(() => this.#emitModels());
    this.#scheduler = new Scheduler<Answer>({
      onAnswer: (id, res) => options.emit({ kind: "answer", id, res }),
      onError: (id, error) => options.emit({ kind: "error", id, error }),
      onFatal: options.onFatal,
      onIdle: () => this.#improve(),
      now: options.now,
      pause: options.pause,
    });
  }

  receive(message: ToWorker): void {
    if (message === "ping") return this.#options.emit({ kind: "pong" });
    if (message.message.kind === "cancel") return this.#scheduler.cancel(message.message.id);
    this.#start(message.client, message.message);
  }

  #start(client: number, call: WorkerCall): void {
    const { id, deadlineMs } = call;
    switch (call.name) {
      case "moderation.score":
        return this.#submit(client, id, {
          lane: call.req.lane,
          field: null,
          deadlineMs,
          prepare: async () => (await this.#slots.moderation.get()).prepare(call.req),
        });
      case "completion.suggest":
        return this.#submit(client, id, {
          lane: "keystroke",
          field: call.req.field,
          deadlineMs,
          prepare: async () => (await this.#slots.completion.get()).prepare(call.req),
        });
      case "engine.warm":
        void this.#warm(id, call.req.feature);
    }
  }

  #submit(client: number, id: number, plan: Plan): void {
    this.#scheduler.submit({ id, client, ...plan });
  }

  /** Answers when the model is loaded or has failed to: the states sent before say which. */
  async #warm(id: number, feature: Feature): Promise<void> {
    await Promise.allSettled([this.#slots[feature].get()]);
    this.#options.emit({ kind: "warmed", id });
  }

  /** After the first answers, when nobody waits: one model after the other. */
  #improve(): void {
    const { moderation, completion } = this.#slots;
    const improving = this.#improving.then(() => moderation.improve()).then(() => completion.improve());
    this.#improving = improving;
  }

  #emitModels(): void {
    const { moderation, completion } = this.#slots;
    const models = { moderation: moderation.state, completion: completion.state };
    this.#options.emit({ kind: "models", models });
  }
}
