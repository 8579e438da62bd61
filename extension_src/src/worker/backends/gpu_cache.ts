/**
 * A decoder's key-value cache that stays on the GPU: what a run gives for a layer is what the next
 * run takes. Cutting it back to a prefix is a copy per head from buffer to buffer.
 */

import type * as Ort from "onnxruntime-web";

import { commonPrefix, type DecoderShape } from "./cache.ts";
import { BUFFER_USAGE, type GpuBuffer, type GpuDevice } from "./gpu.ts";
import type { Feeds, Outputs } from "./ort_library.ts";

const FLOAT_BYTES = 4;

/** What is needed of ONNX Runtime Web to make tensors. */
export type Tensors = Pick<typeof Ort, "Tensor">;

export interface Copy {
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
}

/** Byte ranges that make (heads, keep, head_dim) of (heads, tokens, head_dim), row-major float32. */
export function prefixCopies(shape: DecoderShape, tokens: number, keep: number): readonly Copy[] {
  const token = shape.head_dim * FLOAT_BYTES;
  return Array.from({ length: shape.kv_heads }, (_, head) => ({
    from: head * tokens * token,
    to: head * keep * token,
    bytes: keep * token,
  }));
}

export class GpuCache {
  readonly #shape: DecoderShape;
  readonly #device: GpuDevice;
  readonly #ort: Tensors;
  #ids: readonly number[] = [];
  /** Each (1, kv_heads, tokens, head_dim): key and value of each layer, in this order. */
  #tensors: readonly Ort.Tensor[];
  /** Not needed any more, but only to be given back while nothing runs. */
  #garbage: Ort.Tensor[] = [];

  constructor(shape: DecoderShape, device: GpuDevice, ort: Tensors) {
    this.#shape = shape;
    this.#device = device;
    this.#ort = ort;
    this.#tensors = this.#empty();
  }

  /** How many tokens are held. */
  get tokens(): number {
    return this.#ids.length;
  }

  /** The graph's outputs that it wants to have left on the GPU. */
  static outputs({ layers }: DecoderShape): Record<string, "gpu-buffer"> {
    return Object.fromEntries(namesOf("present", layers).map((name) => [name, "gpu-buffer"]));
  }

  /** As Decoder.rewind. */
  rewind(ids: readonly number[]): number {
    const keep = Math.min(commonPrefix(this.#ids, ids), ids.length - 1);
    if (keep < this.tokens) {
      const before = this.#tensors;
      this.#tensors = keep === 0 ? this.#empty() : this.#prefixes(keep);
      this.#garbage.push(...before);
      this.#ids = this.#ids.slice(0, keep);
    }
    return keep;
  }

  /** Its part of the feeds of a run. */
  feeds(): Feeds {
    const names = namesOf("past_key_values", this.#shape.layers);
    return Object.fromEntries(this.#tensors.map((tensor, at) => [names[at], tensor]));
  }

  /** Takes what a run with `ids` made of it. Nothing else may run meanwhile. */
  take(ids: readonly number[], outputs: Outputs): void {
    const made = namesOf("present", this.#shape.layers).map((name) => {
      const tensor = outputs[name];
      if (tensor === undefined) throw new Error(`${name}: must be an output of the graph`);
      return tensor;
    });
    this.#garbage.push(...this.#tensors);
    this.#tensors = made;
    this.#ids = [...this.#ids, ...ids];
    this.#sweep();
  }

  /** Gives everything back. Nothing may run meanwhile. */
  dispose(): void {
    this.#garbage.push(...this.#tensors);
    this.#tensors = [];
    this.#sweep();
  }

  #sweep(): void {
    for (const tensor of this.#garbage) if (tensor.location === "gpu-buffer") tensor.dispose();
    this.#garbage = [];
  }

  #empty(): readonly Ort.Tensor[] {
    const { layers, kv_heads, head_dim } = this.#shape;
    const dims = [1, kv_heads, 0, head_dim];
    const tensor = (): Ort.Tensor => new this.#ort.Tensor("float32", new Float32Array(0), dims);
    return namesOf("", layers).map(tensor);
  }

  #prefixes(keep: number): readonly Ort.Tensor[] {
    const { kv_heads, head_dim } = this.#shape;
    const dims = [1, kv_heads, keep, head_dim];
    const size = kv_heads * keep * head_dim * FLOAT_BYTES;
    const copies = prefixCopies(this.#shape, this.tokens, keep);
    const encoder = this.#device.createCommandEncoder();
    const prefixes = this.#tensors.map((tensor) => {
      const buffer = this.#device.createBuffer({ size, usage: BUFFER_USAGE });
      const whole = tensor.gpuBuffer as GpuBuffer;
      for (const { from, to, bytes } of copies) {
        encoder.copyBufferToBuffer(whole, from, buffer, to, bytes);
      }
      const dispose = (): void => buffer.destroy();
      return this.#ort.Tensor.fromGpuBuffer(buffer, { dataType: "float32", dims, dispose });
    });
    this.#device.queue.submit([encoder.finish()]);
    return prefixes;
  }
}

/** Of key and value of each layer. */
function namesOf(prefix: string, layers: number): readonly string[] {
  return Array.from({ length: layers }, (_, layer) => [
    `${prefix}.${layer}.key`,
    `${prefix}.${layer}.value`,
  ]).flat();
}
