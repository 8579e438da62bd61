import assert from "node:assert/strict";
import { test } from "node:test";

import type { ModelFiles } from "../../../extension_src/src/generated/runtime.ts";
import type { Backend, BackendId } from "../../../extension_src/src/worker/backends/backend.ts";
import { candidates } from "../../../extension_src/src/worker/candidates.ts";
import { fakeBackend } from "../support/fake_backend.ts";

const entry = { file: "", bytes: 1, sha256: "" };
const blob = { bytes: 1, shards: [] };
const PROGRAM = { program: entry, weights: blob };
const GRAPH = { graph: entry, graph_f16: null, weights: blob };

const reads = (id: BackendId, key: "engine" | "ort"): Backend => ({
  ...fakeBackend({ id }),
  packed: (files: ModelFiles) => (files[key] === null ? [] : [entry]),
});
const AVAILABLE = {
  engine: ["engine-relaxed", "engine-simd", "engine-threads"].map((id) =>
    reads(id as BackendId, "engine"),
  ),
  ortWasm: [reads("ort-wasm", "ort")],
  ortWebgpu: [reads("ort-webgpu", "ort")],
};
const FASTER = ["engine-relaxed", "engine-threads"];
const PLAIN = ["engine-simd"];
const GPU = ["ort-webgpu"];

const CASES = [
  ["never", true, true, [FASTER, PLAIN, ["ort-wasm"]], []],
  ["never", true, false, [FASTER, PLAIN], []],
  ["never", false, true, [["ort-wasm"]], []],
  ["measure", true, true, [FASTER, PLAIN, ["ort-wasm"], GPU], GPU],
  ["measure", true, false, [FASTER, PLAIN], []],
  ["always", true, true, [FASTER, PLAIN, ["ort-wasm"], GPU], GPU],
  ["always", false, true, [["ort-wasm"], GPU], GPU],
] as const;

for (const [webgpu, hasProgram, hasGraph, expected, later] of CASES) {
  const packed = [hasProgram ? "a Program" : "", hasGraph ? "a graph" : ""].filter(Boolean).join(" and ");
  test(`with WebGPU "${webgpu}", a model of ${packed} has its candidates in this order`, () => {
    const files = {
      engine: hasProgram ? PROGRAM : null,
      ort: hasGraph ? GRAPH : null,
    } as unknown as ModelFiles;
    const { groups, challengers } = candidates({ files, webgpu }, AVAILABLE);
    assert.deepEqual(
      groups.filter((group) => group.length > 0).map((group) => group.map(({ id }) => id)),
      expected,
    );
    assert.deepEqual(challengers.map(({ id }) => id), later);
  });
}
