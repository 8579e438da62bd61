/**
 * ONNX Runtime Web on the GPU. Only logits come back from it; a decoder's cache stays there.
 *
 * A GPU may be lost at any time, by a reset, a new driver, or its process ending. All that runs on
 * it rejects with BackendLost then; so does a run that fails for another reason, since WebAssembly
 * can do the same work.
 */

import type * as Ort from "onnxruntime-web";

import type { OrtModel } from "../../generated/runtime.ts";
import {
  BackendLost,
  type Backend,
  type Decoder,
  type DecoderLimits,
  type Encoder,
  type ModelSource,
} from "./backend.ts";
import type { Gpu, GpuAdapter, GpuDevice } from "./gpu.ts";
import { GpuCache } from "./gpu_cache.ts";
import { floats, logitsOf, type OrtLibrary } from "./ort_library.ts";

/**
 * WGSL promises sin and cos, which rotary embeddings are made of, no better than an absolute error
 * of 2^-11, and exp not much better; this is four times as much.
 */
const TOLERANCE = 2 ** -9;

export interface GpuHost {
  readonly library: OrtLibrary;
  /** Undefined in a browser without WebGPU. */
  readonly gpu: Gpu | undefined;
  /** The one that the library runs on, once it has a session on it. */
  readonly device: () => Promise<GpuDevice>;
}

export function gpuBackend({ library, gpu, device }: GpuHost): Backend {
  let asked: Promise<GpuAdapter | null> | null = null;
  const adapter = (): Promise<GpuAdapter | null> =>
    (asked ??= gpu?.requestAdapter().catch(() => null) ?? Promise.resolve(null));

  async function open(
    source: ModelSource,
    preferredOutputLocation: Record<string, "gpu-buffer">,
  ): Promise<Session> {
    const found = await adapter();
    if (found === null) {
      throw new Error(gpu === undefined ? "this browser has no WebGPU" : "WebGPU has no adapter here");
    }
    const graphOf = ({ graph, graph_f16 }: OrtModel): OrtModel["graph"] =>
      graph_f16 !== null && hasHalf(found) ? graph_f16 : graph;
    const session = await library.open(source, graphOf, {
      executionProviders: ["webgpu"],
      preferredOutputLocation,
    });
    return new Session(library, session, await device());
  }

  return {
    id: "ort-webgpu",
    name: "onnxruntime-web, WebGPU",
    tolerance: TOLERANCE,
    packed: ({ ort }) => (ort === null ? [] : [ort.graph, ort.weights]),
    fingerprint: async () => `${describe(await adapter())}, ${library.version}`,
    encoder: async (source, { pad_id }) => encoder(library, await open(source, {}), pad_id),
    decoder: async (source, limits) =>
      decoder(library, await open(source, GpuCache.outputs(limits)), limits),
  };
}

function hasHalf({ features }: GpuAdapter): boolean {
  return features.has("shader-f16");
}

/** All that a browser tells of its GPU. */
function describe(adapter: GpuAdapter | null): string {
  if (adapter === null) return "no adapter";
  const { vendor, architecture, device, description } = adapter.info;
  return `${[vendor, architecture, device, description].join("/")}, ${hasHalf(adapter) ? "f16" : "f32"}`;
}

/** A session on a GPU that may go away. */
class Session {
  readonly device: GpuDevice;
  readonly #library: OrtLibrary;
  readonly #session: Ort.InferenceSession;
  readonly #lost: Promise<never>;
  #isLost = false;

  constructor(library: OrtLibrary, session: Ort.InferenceSession, device: GpuDevice) {
    this.device = device;
    this.#library = library;
    this.#session = session;
    this.#lost = device.lost.then(({ reason, message }) => {
      this.#isLost = true;
      throw new BackendLost(`the GPU is lost (${reason}): ${message}`, true);
    });
    this.#lost.catch(() => undefined); // told to whoever runs something
  }

  /** Runs the graph; `use` reads its outputs before anything else can run. */
  async run<Result>(
    feeds: () => Record<string, Ort.Tensor>,
    use: (outputs: Ort.InferenceSession.OnnxValueMapType) => Result,
  ): Promise<Result> {
    const run = async (): Promise<Result> => use(await this.#session.run(feeds()));
    try {
      // A run on a GPU that is lost may wait for ever, and all others behind it.
      return await this.#library.next(() => Promise.race([this.#lost, run()]));
    } catch (error) {
      if (error instanceof BackendLost) throw error;
      throw new BackendLost(error instanceof Error ? error.message : String(error), false);
    }
  }

  /** Ends it, after `before`. What was lost needs, and knows, no end. */
  async release(before: () => void = () => undefined): Promise<void> {
    await this.#library.next(async () => {
      if (this.#isLost) return;
      before();
      await this.#session.release();
    });
  }
}

function encoder(library: OrtLibrary, session: Session, padId: number): Encoder {
  return {
    padded: true,
    memoryBytes: null,
    logits: (rows) =>
      session.run(
        () => library.rows(rows, padId),
        (outputs) => logitsOf(outputs, rows.length),
      ),
    dispose: () => session.release(),
  };
}

function decoder(library: OrtLibrary, session: Session, limits: DecoderLimits): Decoder {
  const cache = new GpuCache(limits, session.device, library.ort);
  return {
    capacity: limits.cache_tokens,
    memoryBytes: null,
    rewind: (ids) => cache.rewind(ids),
    append: (ids) =>
      session.run(
        () => ({ ...library.text(ids, cache.tokens), ...cache.feeds() }),
        (outputs) => {
          cache.take(ids, outputs);
          return floats(outputs, "logits"); // (1, 1, vocab)
        },
      ),
    dispose: () => session.release(() => cache.dispose()),
  };
}
