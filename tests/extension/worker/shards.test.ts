import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import type { ModelFiles } from "../../../extension_src/src/generated/runtime.ts";
import {
  loadModelBytes,
  PackageBroken,
  type ModelBytes,
  type ReadFile,
} from "../../../extension_src/src/worker/shards.ts";
import { settled } from "../support/ports.ts";

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const bytesOf = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

const CONTENT: ReadonlyMap<string, string> = new Map([
  ["m/graph.onnx", "graph"],
  ["m/tokenizer.json", "{}"],
  ["m/weights-000.bin", "first"],
  ["m/weights-001.bin", "second"],
  ["m/weights-002.bin", "3"],
]);

function entry(file: string): { file: string; bytes: number; sha256: string } {
  const bytes = bytesOf(CONTENT.get(file) ?? "");
  return { file, bytes: bytes.length, sha256: sha256(bytes) };
}

const FILES: ModelFiles = {
  sha256: "0".repeat(64),
  params: 1,
  graph: entry("m/graph.onnx"),
  tokenizer: entry("m/tokenizer.json"),
  weights_bytes: 12,
  shards: [
    { ...entry("m/weights-000.bin"), offset: 0 },
    { ...entry("m/weights-001.bin"), offset: 5 },
    { ...entry("m/weights-002.bin"), offset: 11 },
  ],
};

/** The package with some files changed; null takes a file away. */
function packageWith(changes: { readonly [file: string]: string | null } = {}): ReadFile {
  return async (file) => {
    const content = file in changes ? changes[file] : CONTENT.get(file);
    if (content === null || content === undefined) throw new Error("HTTP status 404");
    return bytesOf(content);
  };
}

const load = (readFile: ReadFile, files = FILES): Promise<ModelBytes> =>
  loadModelBytes(files, readFile, () => undefined);

test("shards come together in one buffer, each at its place", async () => {
  const { graph, tokenizer, weights } = await load(packageWith());
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  assert.deepEqual([graph, tokenizer, weights].map(text), ["graph", "{}", "firstsecond3"]);
});

const BROKEN: readonly (readonly [string, { readonly [file: string]: string | null }, string])[] = [
  [
    "a shard is missing",
    { "m/weights-001.bin": null },
    "m/weights-001.bin: cannot be read, got HTTP status 404; reinstall the extension",
  ],
  [
    "a shard is short",
    { "m/weights-000.bin": "firs" },
    "m/weights-000.bin: must be 5 bytes, got 4; reinstall the extension",
  ],
  [
    "a shard was changed",
    { "m/weights-002.bin": "4" },
    "m/weights-002.bin: SHA-256 must be 4e07408562be…, got 4b227777d4dd…; reinstall the extension",
  ],
  ["the graph was changed", { "m/graph.onnx": "grapf" }, "m/graph.onnx: SHA-256 must be"],
  ["the tokenizer was changed", { "m/tokenizer.json": "[]" }, "m/tokenizer.json: SHA-256 must be"],
];

for (const [what, changes, message] of BROKEN) {
  test(`${what}: the error names the file, and what was found`, async () => {
    await assert.rejects(load(packageWith(changes)), (error: unknown) => {
      assert.ok(error instanceof PackageBroken);
      assert.ok(error.message.startsWith(message), error.message);
      return true;
    });
  });
}

const [first, second, third] = FILES.shards;
assert.ok(first !== undefined && second !== undefined && third !== undefined);

test("shards that leave a hole are refused", async () => {
  await assert.rejects(load(packageWith(), { ...FILES, shards: [first, third] }), {
    message: "m/weights-002.bin: must begin at byte 5, got 11",
  });
});

test("shards that end too early are refused", async () => {
  await assert.rejects(load(packageWith(), { ...FILES, shards: [first, second] }), {
    message: "shards: must hold 12 bytes, got 11",
  });
});

test("progress begins at nothing, only grows, and ends at everything", async () => {
  const seen: number[] = [];
  await loadModelBytes(FILES, packageWith(), (loaded, total) => {
    assert.equal(total, 19);
    seen.push(loaded);
  });
  assert.deepEqual([seen[0], seen.at(-1), seen.length], [0, 19, 6]);
  assert.deepEqual(seen, seen.toSorted((a, b) => a - b));
});

test("no more than two shards are read at a time", async () => {
  let open = 0;
  let most = 0;
  const read = packageWith();
  await load(async (file) => {
    open += 1;
    most = Math.max(most, open);
    await settled();
    open -= 1;
    return read(file);
  });
  assert.equal(most, 2);
});

test("after a failure nothing more is read, and no progress is told", async () => {
  const log: string[] = [];
  const read = packageWith({ "m/weights-000.bin": null });
  const slow: ReadFile = async (file) => {
    log.push(file);
    if (file === "m/weights-001.bin") await settled();
    return read(file);
  };
  await assert.rejects(loadModelBytes(FILES, slow, () => log.push("progress")));
  const ended = log.length;
  await settled();
  assert.equal(log.length, ended);
  assert.ok(!log.includes("m/weights-002.bin"));
});
