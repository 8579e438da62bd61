/** What both flavours of ONNX Runtime Web have in common: sessions, feeds, and models on the CPU. */

import type * as Ort from "onnxruntime-web";

import type { FileEntry, OrtModel } from "../../generated/runtime.ts";
import type { Backend, Decoder, DecoderLimits, Encoder, ModelSource } from "./backend.ts";
import {
  appended,
  commonPrefix,
  emptyCache,
  rewound,
  type Cache,
} from "./cache.ts";

/** Where a graph says that its weights are. */
const WEIGHTS_LOCATION = "weights.bin";

type SessionOptions = Ort.InferenceSession.SessionOptions;
export type Feeds = Record<string, Ort.Tensor>;
export type Outputs = Ort.InferenceSession.OnnxValueMapType;

export class OrtLibrary {
  readonly ort: typeof Ort;
  #last: Promise<unknown> = Promise.resolve();

  /**
   * `folder`: address of the folder with onnxruntime's own .mjs and .wasm, with its last slash.
   *
   * One thread: Firefox has no SharedArrayBuffer in extensions, and in Chrome more threads made the
   * median twice as bad on two contended cores.
   */
  constructor(ort: typeof Ort, folder: string) {
    this.ort = ort;
    ort.env.wasm.wasmPaths = folder;
    ort.env.wasm.numThreads = 1;
    ort.env.logLevel = "error";
  }

  get version(): string {
    return `onnxruntime-web ${this.ort.env.versions.web}`;
  }

  /**
   * Makes a call when those before it are done. The runtime can wait for one GPU at one place only;
   * and it mounts external data in one table by path, which it clears when a session is made: of
   * two that are made at once, one would lose its weights, or get those of the other.
   */
  next<Result>(call: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(call);
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** A session of one of the graphs of a model, with the weights that all of them share. */
  async open(
    source: ModelSource,
    graphOf: (model: OrtModel) => FileEntry,
    options: SessionOptions,
  ): Promise<Ort.InferenceSession> {
    const model = ortModel(source);
    const data = new Uint8Array(model.weights.bytes);
    const [graph] = await Promise.all([
      source.file(graphOf(model)),
      source.weights(model.weights, Promise.resolve(() => data)),
    ]);
    const externalData = [{ path: WEIGHTS_LOCATION, data }];
    return this.next(() => this.ort.InferenceSession.create(graph, { ...options, externalData }));
  }

  /** Feeds of an encoder: rows padded to the longest, and the mask that says where they end. */
  rows(rows: readonly (readonly number[])[], padId: number): Feeds {
    const width = Math.max(...rows.map((row) => row.length));
    const dims = [rows.length, width];
    const padding = (row: readonly number[]): number[] => Array(width - row.length).fill(padId);
    return {
      input_ids: this.#ids(rows.flatMap((row) => [...row, ...padding(row)]), dims),
      attention_mask: this.#ids(
        rows.flatMap((row) => Array.from({ length: width }, (_, at) => Number(at < row.length))),
        dims,
      ),
    };
  }

  /** Feeds of a decoder, but for its cache of `past` tokens: logits after the last of `ids`. */
  text(ids: readonly number[], past: number): Feeds {
    return {
      input_ids: this.#ids(ids, [1, ids.length]),
      position_ids: this.#ids(Array.from(ids, (_, at) => past + at), [1, ids.length]),
      logits_index: this.#ids([ids.length - 1], [1]),
    };
  }

  #ids(ids: readonly number[], dims: readonly number[]): Ort.Tensor {
    return new this.ort.Tensor("int64", BigInt64Array.from(ids, BigInt), dims);
  }
}

function ortModel({ files }: ModelSource): OrtModel {
  if (files.ort === null) throw new Error("the package has no graph for this model");
  return files.ort;
}

/** A float32 output that is in memory. */
export function floats(outputs: Outputs, name: string): Float32Array {
  const data = outputs[name]?.data;
  if (!(data instanceof Float32Array)) throw new Error(`${name}: must be a float32 output of the graph`);
  return data;
}

/** The logits of each row, of an encoder's output (rows, labels). */
export function logitsOf(outputs: Outputs, rows: number): readonly Float32Array[] {
  const flat = floats(outputs, "logits");
  const labels = flat.length / rows;
  return Array.from({ length: rows }, (_, at) => flat.slice(at * labels, (at + 1) * labels));
}

/** ONNX Runtime Web on WebAssembly, for graphs that our engine does not know. A run blocks the worker. */
export function ortWasm(library: OrtLibrary): Backend {
  const opened = (source: ModelSource): Promise<Ort.InferenceSession> =>
    library.open(source, ({ graph }) => graph, { executionProviders: ["wasm"] });
  return {
    id: "ort-wasm",
    name: "onnxruntime-web, wasm, 1 thread",
    tolerance: 0,
    packed: ({ ort }) => (ort === null ? [] : [ort.graph, ort.weights]),
    fingerprint: async () => library.version,
    encoder: async (source, { pad_id }) => encoder(library, await opened(source), pad_id),
    decoder: async (source, limits) => decoder(library, await opened(source), limits),
  };
}

function encoder(library: OrtLibrary, session: Ort.InferenceSession, padId: number): Encoder {
  return {
    padded: true,
    memoryBytes: null,
    logits: async (rows) =>
      logitsOf(await library.next(() => session.run(library.rows(rows, padId))), rows.length),
    dispose: () => library.next(() => session.release()),
  };
}

function decoder(
  library: OrtLibrary,
  session: Ort.InferenceSession,
  shape: DecoderLimits,
): Decoder {
  let cache: Cache = emptyCache(shape);
  return {
    capacity: shape.cache_tokens,
    memoryBytes: null,
    rewind(ids) {
      const keep = Math.min(commonPrefix(cache.ids, ids), ids.length - 1);
      cache = rewound(cache, keep, shape);
      return keep;
    },
    async append(ids) {
      const past = cache.ids.length;
      const feeds = library.text(ids, past);
      const dims = [1, shape.kv_heads, past, shape.head_dim];
      for (const [layer, { key, value }] of cache.layers.entries()) {
        feeds[`past_key_values.${layer}.key`] = new library.ort.Tensor("float32", key, dims);
        feeds[`past_key_values.${layer}.value`] = new library.ort.Tensor("float32", value, dims);
      }
      const outputs = await library.next(() => session.run(feeds));
      const layers = cache.layers.map((_, layer) => ({
        key: floats(outputs, `present.${layer}.key`),
        value: floats(outputs, `present.${layer}.value`),
      }));
      cache = appended(cache, ids, layers);
      return floats(outputs, "logits"); // (1, 1, vocab)
    },
    dispose: () => library.next(() => session.release()),
  };
}
