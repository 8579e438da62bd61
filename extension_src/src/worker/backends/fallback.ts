/**
 * Models that outlive their backend. When it is lost in the middle of a call, as a GPU that was
 * reset, the next best one takes the same work up, and the caller only notices that it took long.
 * When a better one is ready, it takes over between two calls.
 */

import { BackendLost, type Decoder, type Encoder, type Net } from "./backend.ts";
import type { Chooser, Chosen } from "./choose.ts";

/** Told which backend runs the model from now on. */
export type Moved<Any extends Net> = (to: Chosen<Any>) => void;

/** A model, and what runs it now. */
export interface Lasting<Any extends Net> {
  readonly net: Any;
  readonly incumbent: Incumbent<Any>;
}

/** Who runs a model at the moment. */
export class Incumbent<Any extends Net> {
  readonly #chooser: Chooser<Any>;
  readonly #moved: Moved<Any>;
  #chosen: Chosen<Any>;
  #running: Promise<unknown> | null = null;

  private constructor(chooser: Chooser<Any>, moved: Moved<Any>, chosen: Chosen<Any>) {
    this.#chooser = chooser;
    this.#moved = moved;
    this.#chosen = chosen;
  }

  static async choose<Any extends Net>(
    chooser: Chooser<Any>,
    moved: Moved<Any>,
  ): Promise<Incumbent<Any>> {
    return new Incumbent(chooser, moved, await chooser.choose());
  }

  get chosen(): Chosen<Any> {
    return this.#chosen;
  }

  get net(): Any {
    return this.#chosen.net;
  }

  /** Does work of one call, and all of it again elsewhere when the backend is lost meanwhile. */
  async run<Result>(work: (net: Any) => Promise<Result>): Promise<Result> {
    const running = this.#lasting(work);
    this.#running = running;
    try {
      return await running;
    } finally {
      if (this.#running === running) this.#running = null;
    }
  }

  /** Gives the model over to a better one as soon as no call runs. */
  async adopt(better: Chosen<Any>): Promise<void> {
    while (this.#running !== null) await this.#running.catch(() => undefined);
    const { net } = this.#chosen;
    this.#become(better);
    await net.dispose();
  }

  async #lasting<Result>(work: (net: Any) => Promise<Result>): Promise<Result> {
    for (;;) {
      const { backend, net } = this.#chosen;
      try {
        return await work(net);
      } catch (error) {
        if (!(error instanceof BackendLost)) throw error;
        this.#chooser.demote(backend, "lost", error.message);
        await net.dispose().catch(() => undefined); // there may be nothing left of it to dispose of
        this.#become(await this.#chooser.choose());
      }
    }
  }

  #become(chosen: Chosen<Any>): void {
    this.#chosen = chosen;
    this.#moved(chosen);
  }
}

export async function lastingEncoder(
  chooser: Chooser<Encoder>,
  moved: Moved<Encoder>,
): Promise<Lasting<Encoder>> {
  const incumbent = await Incumbent.choose(chooser, moved);
  const net: Encoder = {
    get padded() {
      return incumbent.net.padded;
    },
    get memoryBytes() {
      return incumbent.net.memoryBytes;
    },
    logits: (rows) => incumbent.run((encoder) => encoder.logits(rows)),
    dispose: () => incumbent.net.dispose(),
  };
  return { net, incumbent };
}

export async function lastingDecoder(
  chooser: Chooser<Decoder>,
  moved: Moved<Decoder>,
): Promise<Lasting<Decoder>> {
  const incumbent = await Incumbent.choose(chooser, moved);
  /** The text so far, and whose cache holds it: another one begins from what it has in common. */
  let cached: readonly number[] = [];
  let holder: Decoder | null = null;
  const net: Decoder = {
    get capacity() {
      return incumbent.net.capacity;
    },
    get memoryBytes() {
      return incumbent.net.memoryBytes;
    },
    rewind(ids) {
      holder = incumbent.net;
      const keep = holder.rewind(ids);
      cached = ids.slice(0, keep);
      return keep;
    },
    async append(ids) {
      const all = [...cached, ...ids];
      const logits = await incumbent.run(async (decoder) => {
        const found = await decoder.append(decoder === holder ? ids : all.slice(decoder.rewind(all)));
        holder = decoder;
        return found;
      });
      cached = all;
      return logits;
    },
    dispose: () => incumbent.net.dispose(),
  };
  return { net, incumbent };
}
