/** A decoder's key-value cache as plain arrays: cut back to a prefix, never changed in place. */

import type { DecoderLimits } from "./backend.ts";

export type DecoderShape = Pick<DecoderLimits, "layers" | "kv_heads" | "head_dim">;

/** Keys and values of one layer, each (1, kv_heads, tokens, head_dim), row-major. */
export interface LayerCache {
  readonly key: Float32Array;
  readonly value: Float32Array;
}

export interface Cache {
  /** The tokens whose keys and values are held. */
  readonly ids: readonly number[];
  readonly layers: readonly LayerCache[];
}

export function emptyCache({ layers }: DecoderShape): Cache {
  const layer = { key: new Float32Array(0), value: new Float32Array(0) };
  return { ids: [], layers: Array.from({ length: layers }, () => layer) };
}

/** How many items two lists have in common at their beginning. */
export function commonPrefix(a: readonly number[], b: readonly number[]): number {
  const most = Math.min(a.length, b.length);
  let at = 0;
  while (at < most && a[at] === b[at]) at += 1;
  return at;
}

/** The cache of the first `keep` tokens. */
export function rewound(cache: Cache, keep: number, shape: DecoderShape): Cache {
  if (keep === cache.ids.length) return cache;
  const cut = (values: Float32Array): Float32Array =>
    firstTokens(values, shape.kv_heads, cache.ids.length * shape.head_dim, keep * shape.head_dim);
  return {
    ids: cache.ids.slice(0, keep),
    layers: cache.layers.map(({ key, value }) => ({ key: cut(key), value: cut(value) })),
  };
}

/** The first `keep` of every `stride` values, for each head. */
function firstTokens(
  values: Float32Array,
  heads: number,
  stride: number,
  keep: number,
): Float32Array {
  const kept = new Float32Array(heads * keep);
  for (let head = 0; head < heads; head += 1) {
    kept.set(values.subarray(head * stride, head * stride + keep), head * keep);
  }
  return kept;
}

export function appended(cache: Cache, ids: readonly number[], layers: readonly LayerCache[]): Cache {
  return { ids: [...cache.ids, ...ids], layers };
}
