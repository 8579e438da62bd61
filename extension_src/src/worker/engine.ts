/** The worker's calls: which model serves which, in which lane, and what is told of it. */

import type { CallName, Calls, EngineStatus, Feature, Lane } from "../protocol/messages.ts";
import type { FromWorker, ToWorker } from "../protocol/worker_port.ts";
import type { CompletionModel } from "./completion.ts";
import type { ModelSlot } from "./model_slot.ts";
import type { ModerationModel } from "./moderation.ts";
import { Scheduler, type Prepared } from "./scheduler.ts";

type Answer = Calls[CallName]["res"];

export interface EngineOptions {
  /** Makes the slots; `changed` must be called whenever the state of one of them changes. */
  readonly slots: (changed: () => void) => Slots;
  readonly emit: (message: FromWorker) => void;
  readonly onFatal: (error: unknown) => void;
  readonly now: () => number;
  readonly pause: () => Promise<void>;
  /** Runs `task` a while later; statuses between two are left out. */
  readonly later: (task: () => void) => void;
}

export interface Slots {
  readonly moderation: ModelSlot<ModerationModel>;
  readonly completion: ModelSlot<CompletionModel>;
}

/** What a call needs of the scheduler. */
interface Plan {
  readonly lane: Lane;
  readonly field: string | null;
  readonly prepare: () => Promise<Prepared<Answer>>;
}

export class Engine {
  readonly #options: EngineOptions;
  readonly #slots: Slots;
  readonly #scheduler: Scheduler<Answer>;
  #statusIsDue = false;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#slots = options.slots(() => this.#emitStatus());
    this.#scheduler = new Scheduler<Answer>({
      onAnswer: (id, res) => {
        options.emit({ kind: "answer", id, res });
        this.#emitStatusLater();
      },
      onError: (id, error) => options.emit({ kind: "error", id, error }),
      onFatal: options.onFatal,
      now: options.now,
      pause: options.pause,
    });
  }

  receive({ client, message }: ToWorker): void {
    if (message.kind === "cancel") return this.#scheduler.cancel(message.id);
    switch (message.name) {
      case "moderation.score":
        return this.#submit(client, message.id, {
          lane: message.req.lane,
          field: null,
          prepare: async () => (await this.#slots.moderation.get()).prepare(message.req),
        });
      case "completion.suggest":
        return this.#submit(client, message.id, {
          lane: "keystroke",
          field: message.req.field,
          prepare: async () => (await this.#slots.completion.get()).prepare(message.req),
        });
      case "engine.watch":
        return this.#options.emit({ kind: "answer", id: message.id, res: this.status() });
      case "engine.warm":
        void this.#warm(message.id, message.req.feature);
    }
  }

  status(): EngineStatus {
    return {
      models: {
        moderation: this.#slots.moderation.state,
        completion: this.#slots.completion.state,
      },
      lanes: this.#scheduler.stats(),
    };
  }

  #submit(client: number, id: number, plan: Plan): void {
    this.#scheduler.submit({ id, client, ...plan });
  }

  /** Answers when the model is loaded or has failed to: the status says which. */
  async #warm(id: number, feature: Feature): Promise<void> {
    await Promise.allSettled([this.#slots[feature].get()]);
    this.#options.emit({ kind: "answer", id, res: this.status() });
  }

  #emitStatus(): void {
    this.#options.emit({ kind: "status", status: this.status() });
  }

  #emitStatusLater(): void {
    if (this.#statusIsDue) return;
    this.#statusIsDue = true;
    this.#options.later(() => {
      this.#statusIsDue = false;
      this.#emitStatus();
    });
  }
}
