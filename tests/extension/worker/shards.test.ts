import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import type { ModelFiles, ShardEntry, WeightsBlob } from "../../../extension_src/src/generated/runtime.ts";
import { PackageBroken, type Destination } from "../../../extension_src/src/worker/backends/backend.ts";
import {
  fetchFrom,
  PackagedModel,
  readFile,
  type OpenFile,
  type Progress,
} from "../../../extension_src/src/worker/shards.ts";
import { settled } from "../support/ports.ts";

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes.slice());

const CONTENT: ReadonlyMap<string, string> = new Map([
  ["m/program.bin", "program"],
  ["m/weights-000.bin", "first"],
  ["m/weights-001.bin", "second"],
  ["m/weights-002.bin", "3"],
]);

function entry(file: string): { file: string; bytes: number; sha256: string } {
  const bytes = bytesOf(CONTENT.get(file) ?? "");
  return { file, bytes: bytes.length, sha256: sha256(bytes) };
}

const PROGRAM = entry("m/program.bin");
const FIRST: ShardEntry = { ...entry("m/weights-000.bin"), offset: 0 };
const SECOND: ShardEntry = { ...entry("m/weights-001.bin"), offset: 5 };
const THIRD: ShardEntry = { ...entry("m/weights-002.bin"), offset: 11 };
const BLOB: WeightsBlob = { bytes: 12, shards: [FIRST, SECOND, THIRD] };
const FILES = { engine: { program: PROGRAM, weights: BLOB } } as unknown as ModelFiles;

type Changes = { readonly [file: string]: string | null };

/** The package with some files changed; null takes a file away. Two bytes at a time. */
function packageWith(changes: Changes = {}): OpenFile {
  return async (file) => {
    const content = file in changes ? changes[file] : CONTENT.get(file);
    if (content === null || content === undefined) throw new Error("HTTP status 404");
    return inPieces(content);
  };
}

async function* inPieces(content: string): AsyncGenerator<Uint8Array> {
  const bytes = bytesOf(content);
  for (let at = 0; at < bytes.length; at += 2) yield bytes.subarray(at, at + 2);
}

function modelOf(open: OpenFile, progress: Progress = () => undefined): PackagedModel {
  return new PackagedModel(FILES, open, 19, progress);
}

/** The blob after streaming it to a memory of its own. */
async function streamed(open: OpenFile, blob = BLOB): Promise<Uint8Array> {
  const memory = new Uint8Array(12);
  await modelOf(open).weights(blob, Promise.resolve(() => memory));
  return memory;
}

test("shards come together, each at its place", async () => {
  assert.equal(textOf(await streamed(packageWith())), "firstsecond3");
});

test("weights go to memory that other threads share", async () => {
  const memory = new Uint8Array(new SharedArrayBuffer(12));
  await modelOf(packageWith()).weights(BLOB, Promise.resolve(() => memory));
  assert.equal(textOf(memory), "firstsecond3");
});

test("memory may grow, and so move, between two pieces of a shard", async () => {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const place: Destination = () => {
    memory.grow(1);
    return new Uint8Array(memory.buffer, 64, 12);
  };
  await modelOf(packageWith()).weights(BLOB, Promise.resolve(place));
  assert.equal(textOf(new Uint8Array(memory.buffer, 64, 12)), "firstsecond3");
  assert.ok(memory.buffer.byteLength > 6 * 65_536);
});

test("reading begins before there is a place to write to", async () => {
  const opened: string[] = [];
  const read = packageWith();
  let decide: (place: Destination) => void = () => undefined;
  const place = new Promise<Destination>((resolve) => {
    decide = resolve;
  });
  const open: OpenFile = (file, signal) => {
    opened.push(file);
    return read(file, signal);
  };
  const writing = modelOf(open).weights(BLOB, place);
  await settled();
  assert.deepEqual(opened, ["m/weights-000.bin", "m/weights-001.bin"]);
  const memory = new Uint8Array(12);
  decide(() => memory);
  await writing;
  assert.equal(textOf(memory), "firstsecond3");
});

const BROKEN: readonly (readonly [string, Changes, string])[] = [
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
    "a shard is empty",
    { "m/weights-002.bin": "" },
    "m/weights-002.bin: must be 1 bytes, got 0; reinstall the extension",
  ],
  [
    "a shard is too long",
    { "m/weights-000.bin": "first and more" },
    "m/weights-000.bin: must be 5 bytes, got more; reinstall the extension",
  ],
  [
    "a shard was changed",
    { "m/weights-002.bin": "4" },
    "m/weights-002.bin: SHA-256 must be 4e07408562be…, got 4b227777d4dd…; reinstall the extension",
  ],
];

for (const [what, changes, message] of BROKEN) {
  test(`${what}: the error names the file, and what was found`, async () => {
    await assert.rejects(streamed(packageWith(changes)), (error: unknown) => {
      assert.ok(error instanceof PackageBroken);
      assert.equal(error.message, message);
      return true;
    });
  });
}

test("a shard that is too long is not written over what lies after it", async () => {
  const memory = new Uint8Array(12);
  const open = packageWith({ "m/weights-000.bin": "first and more" });
  const one = { bytes: 5, shards: [FIRST] };
  await assert.rejects(modelOf(open).weights(one, Promise.resolve(() => memory)));
  assert.deepEqual([...memory.subarray(5)], [0, 0, 0, 0, 0, 0, 0]);
});

test("a stream that breaks off names the file", async () => {
  const open: OpenFile = async () =>
    (async function* (): AsyncGenerator<Uint8Array> {
      yield bytesOf("fi");
      throw new Error("network error");
    })();
  await assert.rejects(streamed(open), {
    message: "m/weights-000.bin: cannot be read, got network error; reinstall the extension",
  });
});

test("a whole file is proven, too", async () => {
  assert.equal(textOf(await readFile(PROGRAM, packageWith())), "program");
  await assert.rejects(readFile(PROGRAM, packageWith({ "m/program.bin": "PROGRAM" })), {
    message: /^m\/program.bin: SHA-256 must be/,
  });
});

const HOSTILE: readonly (readonly [string, WeightsBlob, string])[] = [
  ["a hole", { bytes: 12, shards: [FIRST, THIRD] }, "m/weights-002.bin: must begin at byte 5, got 11"],
  ["an early end", { bytes: 12, shards: [FIRST, SECOND] }, "shards: must hold 12 bytes, got 11"],
  ["more than the blob", { bytes: 6, shards: [FIRST, SECOND] }, "shards: must hold 6 bytes, got 11"],
  [
    "an overlap",
    { bytes: 12, shards: [FIRST, { ...SECOND, offset: 4 }] },
    "m/weights-001.bin: must begin at byte 5, got 4",
  ],
  [
    "a negative size",
    { bytes: 12, shards: [{ ...FIRST, bytes: -5 }] },
    "m/weights-000.bin: its size must be a whole number above 0, got -5",
  ],
  [
    "half a byte",
    { bytes: 12, shards: [{ ...FIRST, bytes: 4.5 }] },
    "m/weights-000.bin: its size must be a whole number above 0, got 4.5",
  ],
  [
    "no number",
    { bytes: NaN, shards: [FIRST] },
    "shards: must hold NaN bytes, got 5",
  ],
];

for (const [what, blob, message] of HOSTILE) {
  test(`a plan with ${what} is refused before anything is read`, async () => {
    const open: OpenFile = () => assert.fail("it was read");
    await assert.rejects(streamed(open, blob), { message });
  });
}

test("progress begins at nothing, only grows, and ends at everything", async () => {
  const seen: number[] = [];
  const model = modelOf(packageWith(), (loaded, total) => {
    assert.equal(total, 19);
    seen.push(loaded);
  });
  const memory = new Uint8Array(12);
  await model.file(PROGRAM);
  await model.weights(BLOB, Promise.resolve(() => memory));
  assert.deepEqual([seen[0], seen.at(-1), seen.length], [0, 19, 5]);
  assert.deepEqual(seen, seen.toSorted((a, b) => a - b));
});

test("no more than two shards are read at a time", async () => {
  let open = 0;
  let most = 0;
  const read = packageWith();
  await streamed(async (file, signal) => {
    open += 1;
    most = Math.max(most, open);
    await settled();
    open -= 1;
    return read(file, signal);
  });
  assert.equal(most, 2);
});

test("after a failure nothing more is read, and no progress is told", async () => {
  const log: string[] = [];
  const read = packageWith({ "m/weights-000.bin": null });
  const slow: OpenFile = async (file, signal) => {
    log.push(file);
    if (file === "m/weights-001.bin") await settled();
    return read(file, signal);
  };
  const model = modelOf(slow, () => log.push("progress"));
  await assert.rejects(model.weights(BLOB, Promise.resolve(() => new Uint8Array(12))));
  const ended = log.length;
  await settled();
  assert.equal(log.length, ended);
  assert.ok(!log.includes("m/weights-002.bin"));
});

test("a place that never comes to be fails the weights with its reason", async () => {
  const failed = Promise.reject<Destination>(new Error("no memory for 12 bytes more"));
  await assert.rejects(modelOf(packageWith()).weights(BLOB, failed), {
    message: "no memory for 12 bytes more",
  });
});

test("what is aborted rejects with the reason and writes no more", async () => {
  const model = modelOf(packageWith());
  const memory = new Uint8Array(12);
  const writing = model.weights(BLOB, Promise.resolve(() => memory));
  model.abort(new Error("given up"));
  await assert.rejects(writing, { message: "given up" });
  assert.equal(memory.every((byte) => byte === 0), true);
});

test("files are fetched from beside the worker, piece by piece", async (context) => {
  const asked: string[] = [];
  context.mock.method(globalThis, "fetch", async (url: URL) => {
    asked.push(url.href);
    return url.href.endsWith("program.bin") ? new Response("program") : new Response("", { status: 404 });
  });
  const open = fetchFrom("chrome-extension://id/worker.js");
  assert.equal(textOf(await readFile(PROGRAM, open)), "program");
  assert.deepEqual(asked, ["chrome-extension://id/m/program.bin"]);
  await assert.rejects(readFile(FIRST, open), { message: /got HTTP status 404; reinstall/ });
});

/** A stream without an end; `cancelled` is told when its reader has given it up. */
function endless(type: "bytes" | undefined, cancelled: () => void): ReadableStream<Uint8Array> {
  const pull = (controller: { enqueue(piece: Uint8Array): void }): void => {
    controller.enqueue(bytesOf("more"));
  };
  return new ReadableStream({ type, pull, cancel: cancelled } as UnderlyingDefaultSource<Uint8Array>);
}

test("what is fetched need not be a stream of bytes", async (context) => {
  const pieces = ["pro", "gram"].map(bytesOf);
  context.mock.method(globalThis, "fetch", async () => {
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        const piece = pieces.shift();
        if (piece === undefined) controller.close();
        else controller.enqueue(piece);
      },
    });
    assert.throws(() => body.getReader({ mode: "byob" }), TypeError);
    return new Response(body);
  });
  const read = await readFile(PROGRAM, fetchFrom("moz-extension://id/worker.js"));
  assert.equal(textOf(read), "program");
});

test("the buffer of one fetched file serves the next", async (context) => {
  const content = [...CONTENT.keys()].map((file) => CONTENT.get(file) ?? "");
  const found: string[] = []; // where a piece is to be written
  context.mock.method(globalThis, "fetch", async () => {
    let rest = content.shift();
    const pull = (controller: ReadableByteStreamController): void => {
      const view = controller.byobRequest?.view;
      assert.ok(view instanceof Uint8Array);
      const piece = bytesOf(rest ?? "");
      if (piece.length === 0) controller.close();
      else found.push(textOf(view.subarray(0, 7)));
      rest = "";
      view.set(piece);
      controller.byobRequest?.respond(piece.length);
    };
    return new Response(new ReadableStream({ type: "bytes", pull }));
  });
  const open = fetchFrom("chrome-extension://id/worker.js");
  for (const file of [PROGRAM, FIRST, SECOND]) await readFile(file, open);
  assert.deepEqual(found, ["\0".repeat(7), "program", "firstam"]);
});

for (const type of ["bytes", undefined] as const) {
  test(`a fetched file that is too long is read no further: a stream of ${type}`, async (context) => {
    let cancelled = 0;
    const body = endless(type, () => (cancelled += 1));
    context.mock.method(globalThis, "fetch", async () => new Response(body));
    const open = fetchFrom("chrome-extension://id/worker.js");
    await assert.rejects(readFile(PROGRAM, open), { message: /must be 7 bytes, got more/ });
    assert.equal(cancelled, 1);
  });
}
