/** What the worker has of a browser, in Node: files of a folder, threads, and engine backends. */

import { open, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { Worker } from "node:worker_threads";

import type { EngineVariants } from "../../extension_src/src/generated/runtime.ts";
import type { Backend } from "../../extension_src/src/worker/backends/backend.ts";
import type { SpawnThread } from "../../extension_src/src/worker/backends/engine_threads.ts";
import { engineBackends } from "../../extension_src/src/worker/backends/engine_wasm.ts";
import { readFile, type OpenFile } from "../../extension_src/src/worker/shards.ts";

const PIECE_BYTES = 65_536;

/** Files below a folder, read as the worker reads those of its package: all into one buffer. */
export function folder(root: string): OpenFile {
  return async (file) => pieces(await open(join(root, file)));
}

async function* pieces(file: FileHandle): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(PIECE_BYTES);
  try {
    for (;;) {
      const { bytesRead } = await file.read(buffer);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

const spawnThread: SpawnThread = (job) => {
  const worker = new Worker(new URL("node_thread.ts", import.meta.url));
  const ready = new Promise<void>((resolve, reject) => {
    worker.once("message", () => {
      worker.unref(); // it sleeps in the engine until it is terminated: Node need not wait for that
      resolve();
    });
    worker.once("error", reject);
  });
  worker.postMessage(job);
  return { ready, terminate: () => void worker.terminate() };
};

/** All variants of the package, also where this machine has one processor. */
export function engineOf(variants: EngineVariants | null, root: string): readonly Backend[] {
  const files = folder(root);
  return engineBackends(variants, { read: (entry) => readFile(entry, files), spawnThread, threads: 2 });
}
