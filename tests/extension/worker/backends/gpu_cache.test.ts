import assert from "node:assert/strict";
import { test } from "node:test";

import {
  appended,
  emptyCache,
  rewound,
  type Cache,
} from "../../../../extension_src/src/worker/backends/cache.ts";
import { GpuCache, prefixCopies } from "../../../../extension_src/src/worker/backends/gpu_cache.ts";
import { fakeGpu, gpuTensor, type FakeGpu } from "../../support/fake_gpu.ts";

const SHAPE = { layers: 2, kv_heads: 3, head_dim: 2 };

test("the kept tokens of each head are copied, and nothing else", () => {
  assert.deepEqual(prefixCopies(SHAPE, 5, 2), [
    { from: 0, to: 0, bytes: 16 },
    { from: 40, to: 16, bytes: 16 },
    { from: 80, to: 32, bytes: 16 },
  ]);
});

/** Keys and values as a model would give them: a number of its own for each place. */
function layersOf(ids: readonly number[]): Cache["layers"] {
  const values = (layer: number): Float32Array =>
    Float32Array.from({ length: SHAPE.kv_heads * ids.length * SHAPE.head_dim }, (_, at) => {
      const token = Math.floor(at / SHAPE.head_dim) % ids.length;
      return 1000 * layer + 10 * (ids[token] ?? NaN) + at / 100;
    });
  return Array.from({ length: SHAPE.layers }, (_, layer) => ({
    key: values(2 * layer),
    value: values(2 * layer + 1),
  }));
}

/** A run on the GPU that gives these layers. */
function run(cache: GpuCache, gpu: FakeGpu, ids: readonly number[], layers: Cache["layers"]): void {
  const past = cache.tokens;
  const dims = [1, SHAPE.kv_heads, past + ids.length, SHAPE.head_dim];
  const outputs = layers.flatMap(({ key, value }, layer) => [
    [`present.${layer}.key`, gpuTensor(gpu, key, dims)] as const,
    [`present.${layer}.value`, gpuTensor(gpu, value, dims)] as const,
  ]);
  cache.take(ids, Object.fromEntries(outputs));
}

/** What the cache would feed to the next run, read from the GPU. */
function held(cache: GpuCache, gpu: FakeGpu): readonly (readonly number[])[] {
  const feeds = cache.feeds();
  return Array.from({ length: SHAPE.layers }, (_, layer) => ["key", "value"].map((kind) => {
    const tensor = feeds[`past_key_values.${layer}.${kind}`];
    assert.deepEqual(tensor?.dims, [1, SHAPE.kv_heads, cache.tokens, SHAPE.head_dim]);
    return [...(tensor.location === "cpu" ? (tensor.data as Float32Array) : gpu.read(tensor.gpuBuffer))];
  })).flat();
}

const flat = (cache: Cache): readonly (readonly number[])[] =>
  cache.layers.flatMap(({ key, value }) => [[...key], [...value]]);

/** [the text so far, how many of its tokens were in the cache] */
const STEPS = [
  [[1, 2, 3, 4, 5], 0],
  [[1, 2, 3, 4, 5, 6], 5],
  [[1, 2, 3, 9], 3],
  [[1, 2, 3, 9], 3],
  [[7, 8], 0],
  [[7, 8, 1, 2, 3], 2],
  [[7], 0],
] as const;

test("it holds the same numbers as the cache on the CPU, rewound to the same places", () => {
  const gpu = fakeGpu();
  const cache = new GpuCache(SHAPE, gpu.device, gpu.ort);
  let expected = emptyCache(SHAPE);
  for (const [ids, kept] of STEPS) {
    assert.equal(cache.rewind(ids), kept);
    expected = rewound(expected, kept, SHAPE);
    assert.deepEqual(held(cache, gpu), flat(expected), `rewound to ${kept} of ${ids.join(" ")}`);
    const layers = layersOf(ids);
    run(cache, gpu, ids.slice(kept), layers);
    expected = appended(expected, ids.slice(kept), layers);
    assert.deepEqual(held(cache, gpu), flat(expected));
  }
});

test("buffers are given back after the run that replaced them, and all of them at the end", () => {
  const gpu = fakeGpu();
  const cache = new GpuCache(SHAPE, gpu.device, gpu.ort);
  const perRun = 2 * SHAPE.layers;
  run(cache, gpu, [1, 2, 3], layersOf([1, 2, 3]));
  assert.equal(gpu.buffers, perRun);
  cache.rewind([1, 2, 4]);
  assert.equal(gpu.buffers, 2 * perRun, "what is copied from must outlive the copy");
  run(cache, gpu, [4], layersOf([1, 2, 4]));
  assert.equal(gpu.buffers, perRun);
  cache.dispose();
  assert.equal(gpu.buffers, 0);
});

test("an output that the graph does not have is named", () => {
  const gpu = fakeGpu();
  const cache = new GpuCache(SHAPE, gpu.device, gpu.ort);
  assert.throws(() => cache.take([1], {}), { message: "present.0.key: must be an output of the graph" });
});
