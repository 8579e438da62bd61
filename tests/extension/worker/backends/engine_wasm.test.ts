import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test, type TestContext } from "node:test";

import type { Backend, ModelSource } from "../../../../extension_src/src/worker/backends/backend.ts";
import { ENGINE_ERRORS, EngineError } from "../../../../extension_src/src/worker/backends/engine_errors.ts";
import type { EngineExports } from "../../../../extension_src/src/worker/backends/engine_instance.ts";
import { threadsFor } from "../../../../extension_src/src/worker/backends/engine_threads.ts";
import { engineBackends, runsOf } from "../../../../extension_src/src/worker/backends/engine_wasm.ts";

/** WebAssembly with nothing in it. */
const EMPTY_MODULE = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
const VARIANTS = {
  simd: { file: "engine/simd.wasm", bytes: 1, sha256: "a" },
  relaxed: { file: "engine/relaxed.wasm", bytes: 1, sha256: "b" },
  threads: { file: "engine/threads.wasm", bytes: 1, sha256: "c" },
};
const HOST = {
  read: () => Promise.reject(new Error("not read")),
  spawnThread: () => assert.fail("no thread is started"),
  threads: 4,
};

test("errors have the names and numbers of engine.h", () => {
  const header = readFileSync(new URL("../../../../extension_src/engine/engine.h", import.meta.url), "utf-8");
  const declared = [...header.matchAll(/^ {2}ENGINE_([A-Z_]+) = (-\d+),/gm)];
  assert.ok(declared.length > 10);
  assert.deepEqual(ENGINE_ERRORS, Object.fromEntries(declared.map(([, name, code]) => [code, name])));
});

test("an error says which call it was, and keeps its number", () => {
  assert.equal(new EngineError("engine_run", -14).message, "engine_run: CACHE_FULL");
  assert.equal(new EngineError("engine_open", -5, " at word 40").message, "engine_open: BAD_OPERATION at word 40");
  assert.equal(new EngineError("engine_open", -99).message, "engine_open: unknown error -99");
});

const ids = (variants: Parameters<typeof engineBackends>[0], host = HOST): readonly string[] =>
  engineBackends(variants, host).map(({ id, name }) => `${id}: ${name}`);

test("the variants are those that browser and machine have, relaxed SIMD first", (context) => {
  assert.deepEqual(ids(VARIANTS), [
    "engine-relaxed: engine, relaxed SIMD",
    "engine-simd: engine, SIMD",
    "engine-threads: engine, 4 threads",
  ]);
  assert.equal(ids({ ...VARIANTS, threads: null }).length, 2);
  assert.equal(ids(VARIANTS, { ...HOST, threads: 1 }).length, 2);
  assert.deepEqual(ids(null), []);
  context.mock.method(WebAssembly, "validate", () => false);
  assert.deepEqual(ids(VARIANTS), ["engine-simd: engine, SIMD"]);
});

test("the preferred variant, and no other, is read before anybody asks for it", () => {
  const read: string[] = [];
  engineBackends(VARIANTS, {
    ...HOST,
    read: ({ file }) => {
      read.push(file);
      return Promise.reject(new Error("not read"));
    },
  });
  assert.deepEqual(read, ["engine/relaxed.wasm"]);
});

for (const [cores, threads] of [[1, 1], [2, 1], [3, 1], [4, 2], [6, 3], [8, 4], [64, 4]] as const) {
  test(`${cores} cores are good for ${threads} threads`, () => {
    assert.equal(threadsFor(cores), threads);
  });
}

test("the question for relaxed SIMD is a module, and fails if its last bytes are not as they must be", (context) => {
  const asked: Uint8Array<ArrayBuffer>[] = [];
  const validate = WebAssembly.validate.bind(WebAssembly);
  context.mock.method(WebAssembly, "validate", (bytes: Uint8Array<ArrayBuffer>) => {
    asked.push(bytes);
    return validate(bytes);
  });
  ids(VARIANTS);
  const [bytes] = asked;
  assert.ok(bytes !== undefined && validate(bytes));
  const unknown = bytes.slice();
  unknown.set([0xff, 0x7f], bytes.length - 3); // an opcode that no engine has
  assert.equal(validate(unknown), false);
});

test("without shared memory, as in Firefox, there are no threads", (context) => {
  context.mock.method(globalThis, "structuredClone", () => {
    throw new DOMException("cannot be shared", "DataCloneError");
  });
  assert.equal(ids(VARIANTS).length, 2);
});

const RUNS: readonly (readonly [readonly number[], readonly (readonly number[])[]])[] = [
  [[], []],
  [[3, 3, 4], [[3, 3, 4]]],
  [[3, 8, 3], [[3], [8], [3]]],
  [[20, 1], [[20], [1]]],
  [[1, 1, 1, 1, 1], [[1, 1, 1, 1], [1]]],
];

for (const [lengths, runs] of RUNS) {
  test(`rows of ${lengths.join() || "none"} tokens are ${runs.length} runs of at most 10 in 4 rows`, () => {
    const rows = lengths.map((length) => Array<number>(length).fill(0));
    assert.deepEqual(
      runsOf(rows, 10, 4).map((run) => run.map(({ length }) => length)),
      runs,
    );
  });
}

/** The engine's exports: each run gives, for each sequence, how often there was one and a zero. */
function countingEngine(memory: WebAssembly.Memory): EngineExports {
  let runs = 0;
  return {
    engine_version: () => 1,
    engine_alloc: () => 65_536,
    engine_open: () => 0,
    engine_error_at: () => 0,
    engine_arena_bytes: () => 0,
    engine_cache_bytes: () => 0,
    engine_ids: () => 1024,
    engine_lengths: () => 2048,
    engine_streams: () => 3072,
    engine_run(sequences) {
      runs += 1;
      const row = [runs, 0];
      new Float32Array(memory.buffer, 4096, sequences * 2).set(Array.from({ length: sequences }, () => row).flat());
      return sequences;
    },
    engine_output: () => 4096,
    engine_rewind: () => 0,
  };
}

/** A model with two outputs for the preferred variant, whose code `countingEngine` stands for. */
function counting(context: TestContext): { readonly backend: Backend; readonly source: ModelSource } {
  const instantiate = async (_: unknown, { env }: { env: { memory: WebAssembly.Memory } }): Promise<object> => ({
    exports: countingEngine(env.memory),
  });
  context.mock.method(WebAssembly, "instantiate", instantiate as never);
  const [backend] = engineBackends(VARIANTS, { ...HOST, read: async () => EMPTY_MODULE });
  assert.ok(backend !== undefined);
  const program = new Uint8Array(64);
  new Uint32Array(program.buffer).set([2, 128, 0, 2], 11); // vocabulary, positions, slot, width
  const entry = { file: "program.bin", bytes: 64, sha256: "p" };
  const engine = { program: entry, weights: { bytes: 4, shards: [] } };
  const files = { engine } as unknown as ModelSource["files"];
  return { backend, source: { files, file: async () => program, weights: async () => undefined } };
}

test("a decoder answers in one place again and again, an encoder in a new one", async (context) => {
  const { backend, source } = counting(context);
  const limits = { layers: 1, kv_heads: 1, head_dim: 4, cache_tokens: 128 };
  const decoder = await backend.decoder(source, limits);
  const first = await decoder.append([1]);
  assert.deepEqual([...first], [1, 0]);
  const second = await decoder.append(Array<number>(65).fill(1));
  assert.deepEqual([...second], [3, 0]); // of the last of two runs
  assert.equal(second, first);
  assert.equal(second.buffer.byteLength, 8); // and not the engine's memory
  await assert.rejects(decoder.append([]), /at least one token/);

  const encoder = await backend.encoder(source, { max_tokens: 8, batch_tokens: 8, pad_id: 0 });
  const kept = await encoder.logits([[1], [2]]);
  await encoder.logits([[3]]);
  assert.deepEqual(kept.map((row) => [...row]), [[1, 0], [1, 0]]);
});
