import assert from "node:assert/strict";
import { test } from "node:test";

import type { FileEntry } from "../../../../extension_src/src/generated/runtime.ts";
import {
  BackendLost,
  type Backend,
  type ModelSource,
} from "../../../../extension_src/src/worker/backends/backend.ts";
import type { Gpu } from "../../../../extension_src/src/worker/backends/gpu.ts";
import { gpuBackend, type GpuHost } from "../../../../extension_src/src/worker/backends/gpu_backend.ts";
import { OrtLibrary, ortWasm } from "../../../../extension_src/src/worker/backends/ort_library.ts";
import { fakeGpu, gpuTensor, type FakeGpu } from "../../support/fake_gpu.ts";

type Ort = ConstructorParameters<typeof OrtLibrary>[0];
type Feeds = Readonly<Record<string, { readonly data: unknown; readonly dims: readonly number[] }>>;
type Run = (feeds: Feeds) => Promise<object>;

const SHAPE = { layers: 1, kv_heads: 1, head_dim: 2, cache_tokens: 8 };
const LIMITS = { max_tokens: 8, batch_tokens: 8, pad_id: 0 };
const INFO = { vendor: "acme", architecture: "", device: "", description: "Acme 9000" };

interface Options {
  readonly run?: (gpu: FakeGpu) => Run;
  /** What the adapter can; null: there is none. */
  readonly features?: readonly string[] | null;
  readonly hasWebgpu?: boolean;
  readonly hasHalf?: boolean;
}

class Bench {
  readonly gpu = fakeGpu();
  readonly log: string[] = [];
  readonly library: OrtLibrary;
  readonly backend: Backend;
  readonly source: ModelSource;

  constructor({ run = counting, features = [], hasWebgpu = true, hasHalf = true }: Options = {}) {
    const session = (graph: Uint8Array, { executionProviders }: { executionProviders: string[] }): object => {
      this.log.push(`${executionProviders[0]} opens ${new TextDecoder().decode(graph)}`);
      return { run: run(this.gpu), release: async () => void this.log.push("released") };
    };
    const ort = {
      env: { wasm: {}, versions: { web: "1.2" } },
      InferenceSession: { create: async (...given: Parameters<typeof session>) => session(...given) },
      Tensor: this.gpu.ort.Tensor,
    };
    this.library = new OrtLibrary(ort as unknown as Ort, "ort/");
    const adapter = features === null ? null : { info: INFO, features: new Set(features) };
    const gpu: Gpu = { requestAdapter: async () => adapter };
    const host: GpuHost = {
      library: this.library,
      gpu: hasWebgpu ? gpu : undefined,
      device: async () => this.gpu.device,
    };
    this.backend = gpuBackend(host);
    const entry = (file: string): FileEntry => ({ file, bytes: 1, sha256: "" });
    this.source = {
      files: {
        ort: {
          graph: entry("single"),
          graph_f16: hasHalf ? entry("half") : null,
          weights: { bytes: 4, shards: [] },
        },
      },
      file: async ({ file }: FileEntry) => new TextEncoder().encode(file),
      weights: async () => undefined,
    } as unknown as ModelSource;
  }
}

/** Logits that say what the run was given; the cache grows by the ids. */
function counting(gpu: FakeGpu): Run {
  return async ({ input_ids, "past_key_values.0.key": past }) => {
    const ids = Array.from(input_ids?.data as BigInt64Array, Number);
    const tokens = (past?.dims[2] ?? 0) + ids.length;
    const cache = (): object => gpuTensor(gpu, new Float32Array(tokens * 2), [1, 1, tokens, 2]);
    return {
      logits: { data: Float32Array.from([tokens, ...ids]) },
      "present.0.key": cache(),
      "present.0.value": cache(),
    };
  };
}

const GRAPHS = [
  [["shader-f16"], true, "half"],
  [["shader-f16"], false, "single"],
  [["subgroups"], true, "single"],
] as const;

for (const [features, hasHalf, graph] of GRAPHS) {
  const packed = hasHalf ? "both graphs" : "one graph";
  test(`an adapter with ${features.join()} and ${packed}: the ${graph} one is loaded`, async () => {
    const bench = new Bench({ features, hasHalf });
    await bench.backend.encoder(bench.source, LIMITS);
    assert.deepEqual(bench.log, [`webgpu opens ${graph}`]);
  });
}

const WITHOUT = [
  [{ features: null }, "WebGPU has no adapter here"],
  [{ hasWebgpu: false }, "this browser has no WebGPU"],
] as const;

for (const [options, reason] of WITHOUT) {
  test(`where ${reason}, it cannot be opened, and nothing is read`, async () => {
    const { backend, source, log } = new Bench(options);
    await assert.rejects(backend.decoder(source, SHAPE), { message: reason });
    assert.equal(await backend.fingerprint(), "no adapter, onnxruntime-web 1.2");
    assert.deepEqual(log, []);
  });
}

test("what is remembered of a GPU holds for this GPU, and what it computes in", async () => {
  const { backend } = new Bench({ features: ["shader-f16"] });
  assert.equal(await backend.fingerprint(), "acme///Acme 9000, f16, onnxruntime-web 1.2");
});

test("a decoder keeps its cache on the GPU and reads back logits alone", async () => {
  const { backend, source, gpu, log } = new Bench();
  const decoder = await backend.decoder(source, SHAPE);
  assert.equal(decoder.rewind([5, 6, 7]), 0);
  assert.deepEqual([...(await decoder.append([5, 6, 7]))], [3, 5, 6, 7]);
  assert.deepEqual([...(await decoder.append([8]))], [4, 8]);
  assert.equal(decoder.rewind([5, 6, 9]), 2);
  assert.deepEqual([...(await decoder.append([9]))], [3, 9]);
  assert.equal(gpu.buffers, 2);
  await decoder.dispose();
  assert.equal(gpu.buffers, 0);
  assert.equal(log.at(-1), "released");
});

test("a GPU that is lost in the middle of a run ends it, though the run never does", async () => {
  const { backend, source, gpu, log, library } = new Bench({ run: () => () => new Promise(() => undefined) });
  const decoder = await backend.decoder(source, SHAPE);
  const running = decoder.append([1]);
  gpu.lose("the driver was reset");
  const lost = { message: "the GPU is lost (unknown): the driver was reset", passing: true };
  await assert.rejects(running, (error) => error instanceof BackendLost);
  await assert.rejects(decoder.append([1]), lost);
  await decoder.dispose();
  assert.ok(!log.includes("released"), "there is nothing left to release");
  assert.equal(await library.next(async () => "next"), "next", "others can use the library");
});

test("a run that fails is for another backend to repeat, and will fail the next time, too", async () => {
  const run = async (): Promise<never> => {
    throw new Error("Gather: needs shader-f16");
  };
  const { backend, source } = new Bench({ run: () => run });
  const encoder = await backend.encoder(source, LIMITS);
  await assert.rejects(encoder.logits([[1]]), { message: "Gather: needs shader-f16", passing: false });
});

test("of one library, one call runs at a time, on CPU and GPU", async () => {
  let running = 0;
  let most = 0;
  const run = (): Run => async () => {
    most = Math.max(most, (running += 1));
    await new Promise(setImmediate);
    running -= 1;
    return { logits: { data: new Float32Array(1) } };
  };
  const { backend, source, library } = new Bench({ run });
  const encoders = await Promise.all([
    backend.encoder(source, LIMITS),
    ortWasm(library).encoder(source, LIMITS),
  ]);
  await Promise.all(encoders.map((encoder) => encoder.logits([[1]])));
  assert.equal(most, 1);
});
