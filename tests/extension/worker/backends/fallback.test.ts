import assert from "node:assert/strict";
import { test } from "node:test";

import {
  BackendLost,
  type Backend,
  type Decoder,
  type Encoder,
  type ModelSource,
  type Net,
} from "../../../../extension_src/src/worker/backends/backend.ts";
import { Chooser } from "../../../../extension_src/src/worker/backends/choose.ts";
import { lastingDecoder, lastingEncoder } from "../../../../extension_src/src/worker/backends/fallback.ts";
import { fakeBackend, verdictsIn, type FakeOptions } from "../../support/fake_backend.ts";

const SOURCE = {} as ModelSource;

function chooserOf<Any extends Net>(
  backends: readonly Backend[],
  open: (backend: Backend) => Promise<Any>,
): Chooser<Any> {
  return new Chooser<Any>({
    groups: backends.map((backend) => [backend]),
    measured: false,
    model: "hash",
    open,
    test: async () => undefined,
    verdicts: verdictsIn(new Map()),
    now: () => 0,
  });
}

const encoders = (backends: readonly Backend[]): Chooser<Encoder> =>
  chooserOf(backends, (backend) => backend.encoder(SOURCE, { max_tokens: 4, batch_tokens: 4, pad_id: 0 }));
const decoders = (backends: readonly Backend[]): Chooser<Decoder> =>
  chooserOf(backends, (backend) =>
    backend.decoder(SOURCE, { layers: 1, kv_heads: 1, head_dim: 4, cache_tokens: 8 }),
  );

/** A GPU that is lost in its `last + 1`st run, and says nothing but its own name. */
function losing(last: number, log: string[]): Backend {
  let runs = 0;
  const logits: NonNullable<FakeOptions["logits"]> = (row) => {
    runs += 1;
    if (runs > last) throw new BackendLost("the GPU was reset", true);
    return [row.length];
  };
  return fakeBackend({ id: "ort-webgpu", logits }, log);
}

/** Gives the text that it has in its cache. */
const engine = (log: string[]): Backend =>
  fakeBackend({ id: "engine-simd", logits: (row) => [...row] }, log);

test("a decoder that is lost goes on elsewhere, with the whole text so far", async () => {
  const log: string[] = [];
  const moved: string[] = [];
  const chooser = decoders([losing(2, log), engine(log)]);
  const { net, incumbent } = await lastingDecoder(chooser, (to) => moved.push(to.backend.id));
  assert.equal(incumbent.chosen.backend.id, "ort-webgpu");
  assert.equal(net.rewind([1, 2, 3]), 0);
  assert.deepEqual([...(await net.append([1, 2]))], [2]);
  assert.deepEqual([...(await net.append([3]))], [3]);
  assert.deepEqual([...(await net.append([4]))], [1, 2, 3, 4]);
  assert.deepEqual([...(await net.append([5]))], [1, 2, 3, 4, 5]);
  assert.equal(net.rewind([1, 2, 9]), 2);
  assert.deepEqual([...(await net.append([9]))], [1, 2, 9]);
  assert.deepEqual(moved, ["engine-simd"]);
  assert.deepEqual(chooser.demoted, [{ backend: "ort-webgpu", cause: "lost", reason: "the GPU was reset" }]);
  assert.deepEqual(log.slice(0, 5), ["+ort-webgpu", "ort-webgpu", "ort-webgpu", "ort-webgpu", "-ort-webgpu"]);
});

test("a decoder that is lost right after a rewind keeps what was left", async () => {
  const { net } = await lastingDecoder(decoders([losing(1, []), engine([])]), () => undefined);
  await net.append([1, 2, 3]);
  assert.equal(net.rewind([1, 2, 7, 8]), 2);
  assert.deepEqual([...(await net.append([7, 8]))], [1, 2, 7, 8]);
});

test("an encoder that is lost runs the same rows elsewhere", async () => {
  const moved: string[] = [];
  const chooser = encoders([losing(0, []), losing(0, []), engine([])]);
  const { net } = await lastingEncoder(chooser, (to) => moved.push(to.backend.id));
  const logits = await net.logits([[1, 2], [3]]);
  assert.deepEqual(logits.map((row) => [...row]), [[1, 2], [3]]);
  assert.deepEqual(moved, ["engine-simd"]);
});

test("when nobody is left to go on, the run fails with all reasons", async () => {
  const { net } = await lastingEncoder(encoders([losing(0, [])]), () => undefined);
  await assert.rejects(net.logits([[1]]), {
    message: "no backend can run this model: ort-webgpu: the GPU was reset",
  });
});

test("any other error is a bug, and no reason to go elsewhere", async () => {
  const log: string[] = [];
  const logits = (): readonly number[] => {
    throw new Error("engine_run: NOT_FINITE");
  };
  const broken = fakeBackend({ id: "engine-relaxed", logits }, log);
  const { net } = await lastingEncoder(encoders([broken, engine(log)]), () => assert.fail("moved"));
  await assert.rejects(net.logits([[1]]), { message: "engine_run: NOT_FINITE" });
  assert.ok(!log.includes("+engine-simd"));
});

test("a better decoder takes over between two calls, and is given the text so far", async () => {
  const log: string[] = [];
  const moved: string[] = [];
  const { net, incumbent } = await lastingDecoder(decoders([engine(log)]), (to) => moved.push(to.backend.id));
  await net.append([1, 2, 3]);
  const gpu = fakeBackend({ id: "ort-webgpu", logits: (row) => [row.length, ...row] }, log);
  const better = await gpu.decoder(SOURCE, { layers: 1, kv_heads: 1, head_dim: 4, cache_tokens: 8 });
  await better.append([1, 2, 9, 9]); // its self-test
  const running = net.append([4]);
  await incumbent.adopt({ backend: gpu, net: better, ms: null });
  assert.deepEqual([...(await running)], [1, 2, 3, 4], "what runs is not disturbed");
  assert.deepEqual([...(await net.append([5]))], [5, 1, 2, 3, 4, 5]);
  assert.deepEqual([...(await net.append([6]))], [6, 1, 2, 3, 4, 5, 6]);
  assert.deepEqual(moved, ["ort-webgpu"]);
  assert.equal(log.filter((entry) => entry === "-engine-simd").length, 1, "the one before is ended");
});

test("a successor that was just tested forgets the test's text", async () => {
  const chooser = new Chooser<Decoder>({
    groups: [[losing(2, [])], [engine([])]],
    measured: false,
    model: "hash",
    open: (backend) => backend.decoder(SOURCE, { layers: 1, kv_heads: 1, head_dim: 4, cache_tokens: 8 }),
    test: async (decoder) => void (await decoder.append([7, 7])),
    verdicts: verdictsIn(new Map()),
    now: () => 0,
  });
  const { net } = await lastingDecoder(chooser, () => undefined);
  net.rewind([1, 2]);
  await net.append([1, 2]);
  assert.deepEqual([...(await net.append([3]))], [1, 2, 3]);
});
