/**
 * What a model needs of what runs it. A new backend is a new file beside engine_wasm.ts, a name
 * in `BackendId`, and a place among the candidates of worker/candidates.ts.
 */

import type {
  CompletionRuntime,
  FileEntry,
  ModelFiles,
  ModerationRuntime,
  Runtime,
  WeightsBlob,
} from "../../generated/runtime.ts";

/** The names by which packages, settings of tests and demotions speak of backends. */
export type BackendId = NonNullable<Runtime["lying_backend"]>;

/** A model that is ready to run. */
export interface Net {
  /** What it holds at the moment, weights and caches included; null if it cannot say. */
  readonly memoryBytes: number | null;
  dispose(): Promise<void>;
}

/** An encoder with a classification head. */
export interface Encoder extends Net {
  /** Whether rows of one run are padded to the longest, so that neighbours in length waste least. */
  readonly padded: boolean;
  /** Logits (rows, labels) for rows of token ids of any length, in any number. The caller's to keep. */
  logits(rows: readonly (readonly number[])[]): Promise<readonly Float32Array[]>;
}

/** A decoder and its key-value cache: the tokens given so far. */
export interface Decoder extends Net {
  /** Most tokens that the cache holds. */
  readonly capacity: number;
  /**
   * Shortens the cache to what it has in common with the beginning of `ids`, and always to less
   * than all of `ids`, so that the last can be appended. Returns the tokens left in the cache.
   */
  rewind(ids: readonly number[]): number;
  /** Appends `ids` (at least one) to the cache. Logits (vocab) after the last, good until the next. */
  append(ids: readonly number[]): Promise<Float32Array>;
}

/** Bytes of a blob's place in memory; asked for anew before each write, since memory may grow. */
export type Destination = () => Uint8Array;

/** The packaged files of one model. What comes out of it is what was packaged, or a rejection. */
export interface ModelSource {
  readonly files: ModelFiles;
  /** All of a small file. */
  file(entry: FileEntry): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * Streams the shards of a blob to their places in `destination`. Reading begins at once, so that
   * it overlaps with making the destination. When it resolves, every byte is written and proven.
   */
  weights(blob: WeightsBlob, destination: Promise<Destination>): Promise<void>;
}

/** `max_tokens` is the longest row, `batch_tokens` the most of one run. */
export type EncoderLimits = Pick<ModerationRuntime, "max_tokens" | "batch_tokens" | "pad_id">;

/** The cache holds (kv_heads, tokens, head_dim) per layer, for up to `cache_tokens` tokens. */
export type DecoderLimits = Pick<CompletionRuntime, "layers" | "kv_heads" | "head_dim"> & {
  readonly cache_tokens: number;
};

export interface Backend {
  readonly id: BackendId;
  /** For people, e.g. "engine, relaxed SIMD". */
  readonly name: string;
  /** The least difference that its self-test must allow, as a share of the spread of all logits. */
  readonly tolerance: number;
  /** The files of a model that it reads; none if it cannot run it. */
  readonly packed: (files: ModelFiles) => readonly (FileEntry | WeightsBlob)[];
  /** What besides browser and model its results depend on: the file of the engine, the GPU. */
  readonly fingerprint: () => Promise<string>;
  encoder(source: ModelSource, limits: EncoderLimits): Promise<Encoder>;
  decoder(source: ModelSource, limits: DecoderLimits): Promise<Decoder>;
}

/**
 * What a backend rejects with when it cannot go on, as on a GPU that was reset: the same work can go
 * on elsewhere. Any other error of a running model is a bug and ends the worker.
 */
export class BackendLost extends Error {
  /** Whether that is bad luck, and the next start may have more; else the same would happen again. */
  readonly passing: boolean;

  constructor(reason: string, passing: boolean) {
    super(reason);
    this.passing = passing;
  }
}

/** A packaged file that is missing or not the one that was built: no backend can help. */
export class PackageBroken extends Error {}
