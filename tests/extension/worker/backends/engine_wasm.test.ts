import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { ENGINE_ERRORS, EngineError } from "../../../../extension_src/src/worker/backends/engine_errors.ts";
import { threadsFor } from "../../../../extension_src/src/worker/backends/engine_threads.ts";
import { engineBackends, runsOf } from "../../../../extension_src/src/worker/backends/engine_wasm.ts";

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
