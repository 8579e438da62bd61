import type { ModelState } from "../protocol/messages.ts";
import type { Progress } from "./shards.ts";

/** A loaded model and the name of the engine that runs it. */
export interface Loaded<Model> {
  readonly model: Model;
  readonly backend: string;
}

/**
 * A model that is loaded at its first use, and at most once: idle → loading → ready, or failed for
 * good, since the files of a package do not change while it runs.
 */
export class ModelSlot<Model> {
  readonly #load: ((progress: Progress) => Promise<Loaded<Model>>) | null;
  readonly #changed: () => void;
  readonly #now: () => number;
  #state: ModelState;
  #model: Promise<Model> | null = null;

  /** `load` is null when the package has no such model. */
  constructor(
    load: ((progress: Progress) => Promise<Loaded<Model>>) | null,
    now: () => number,
    changed: () => void,
  ) {
    this.#load = load;
    this.#now = now;
    this.#changed = changed;
    this.#state = { phase: load === null ? "absent" : "idle" };
  }

  get state(): ModelState {
    return this.#state;
  }

  /** The model; rejects with the reason when it cannot be loaded. */
  get(): Promise<Model> {
    this.#model ??= this.#loadOnce();
    return this.#model;
  }

  async #loadOnce(): Promise<Model> {
    if (this.#load === null) throw new Error("this package has no such model");
    const startedMs = this.#now();
    try {
      const { model, backend } = await this.#load((loadedBytes, totalBytes) => {
        this.#become({ phase: "loading", loadedBytes, totalBytes });
      });
      this.#become({ phase: "ready", backend, loadMs: this.#now() - startedMs });
      return model;
    } catch (error) {
      this.#become({ phase: "failed", reason: error instanceof Error ? error.message : String(error) });
      throw error;
    }
  }

  #become(state: ModelState): void {
    this.#state = state;
    this.#changed();
  }
}
