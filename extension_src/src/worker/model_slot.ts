import type { DemotedBackend, ModelState } from "../protocol/messages.ts";
import type { Progress } from "./shards.ts";

/** What runs a model, and what should have and could not. */
export interface Running {
  readonly backend: string;
  readonly memoryBytes: number | null;
  readonly demoted: readonly DemotedBackend[];
}

export interface Loaded<Model> extends Running {
  readonly model: Model;
  /** Looks for something better to run it; told by `moved` what came of it. */
  readonly improve: () => Promise<void>;
}

/** Told while a model loads, and when it later goes over to another backend. */
export interface Tell {
  readonly progress: Progress;
  readonly moved: (to: Running) => void;
}

type Load<Model> = (tell: Tell) => Promise<Loaded<Model>>;

/**
 * A model that is loaded at its first use, and at most once: idle → loading → ready, or failed for
 * good, since the files of a package do not change while it runs.
 */
export class ModelSlot<Model> {
  readonly #load: Load<Model> | null;
  readonly #changed: () => void;
  readonly #now: () => number;
  #state: ModelState;
  #model: Promise<Model> | null = null;
  #improve: (() => Promise<void>) | null = null;

  /** `load` is null when the package has no such model. */
  constructor(
    load: Load<Model> | null,
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

  /** To be called when nothing is to be done: the first time that the model is there, it improves. */
  async improve(): Promise<void> {
    const improve = this.#improve;
    this.#improve = null;
    await improve?.();
  }

  async #loadOnce(): Promise<Model> {
    if (this.#load === null) throw new Error("this package has no such model");
    const startedMs = this.#now();
    let loadMs: number | null = null;
    const ready = (running: Running): void => {
      loadMs ??= this.#now() - startedMs;
      this.#become({ phase: "ready", ...running, loadMs });
    };
    try {
      const { model, improve, ...running } = await this.#load({
        progress: (loadedBytes, totalBytes) => {
          this.#become({ phase: "loading", loadedBytes, totalBytes });
        },
        moved: ready,
      });
      ready(running);
      this.#improve = improve;
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
