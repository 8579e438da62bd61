/** The worker's thread.ts in a thread of Node: what a dedicated worker has around it, and then it. */

import { parentPort } from "node:worker_threads";

import type { ThreadJob } from "../../extension_src/src/worker/backends/engine_threads.ts";

interface Scope {
  onmessage: ((event: { readonly data: ThreadJob }) => void) | null;
  postMessage(message: unknown): void;
  close(): void;
}

const scope: Scope = {
  onmessage: null,
  postMessage: (message) => parentPort?.postMessage(message),
  close: () => parentPort?.close(),
};
Object.assign(globalThis, { self: scope });
await import("../../extension_src/src/worker/thread.ts");
parentPort?.on("message", (data: ThreadJob) => scope.onmessage?.({ data }));
