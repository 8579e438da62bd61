/** What a model needs of the engine that runs it. A new engine is a new file beside ort_wasm.ts. */

import type { ModelBytes } from "../shards.ts";

/** Engine state of an encoder with a classification head. */
export interface Encoder {
  /** Logits (rows, labels) for rows of token ids of any length; padding is the encoder's matter. */
  logits(rows: readonly (readonly number[])[]): Promise<readonly Float32Array[]>;
  dispose(): Promise<void>;
}

/**
 * Engine state of a decoder with its key-value cache: the tokens given so far, and for each layer
 * keys and values of the shape (1, kv_heads, tokens, head_dim).
 */
export interface Decoder {
  /**
   * Shortens the cache to what it has in common with the beginning of `ids`, and always to less
   * than all of `ids`, so that the last can be appended. Returns the tokens left in the cache.
   */
  rewind(ids: readonly number[]): number;
  /** Appends `ids` (at least one) to the cache. Logits (vocab) after the last of them. */
  append(ids: readonly number[]): Promise<Float32Array>;
  dispose(): Promise<void>;
}

export interface DecoderShape {
  readonly layers: number;
  readonly kv_heads: number;
  readonly head_dim: number;
}

export interface Backend {
  /** For people, e.g. "onnxruntime-web, wasm, 1 thread". */
  readonly name: string;
  encoder(bytes: ModelBytes, padId: number): Promise<Encoder>;
  decoder(bytes: ModelBytes, shape: DecoderShape): Promise<Decoder>;
}
