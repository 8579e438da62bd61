/** The worker: its parts put together. It knows no extension API; files are found beside it. */

import { ortBackends } from "#ort";
import runtime from "#runtime";
import { pause } from "../lib/pause.ts";
import type { FromWorker, ToWorker } from "../protocol/worker_port.ts";
import { threadsFor, workerThreads } from "./backends/engine_threads.ts";
import { engineBackends } from "./backends/engine_wasm.ts";
import { withLiar } from "./backends/lying.ts";
import { rememberedVerdicts } from "./backends/remembered.ts";
import { candidates, type Available, type Wanting } from "./candidates.ts";
import { Engine } from "./engine.ts";
import { loadCompletion, loadModeration, type LoadOptions } from "./load.ts";
import { ModelSlot } from "./model_slot.ts";
import { fetchFrom, readFile } from "./shards.ts";

/** What the global scope of a worker offers and we use; TypeScript's own type excludes the DOM's. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
  postMessage(message: FromWorker): void;
  addEventListener(type: "unhandledrejection", listener: (event: PromiseRejectionEvent) => void): void;
}
const scope = self as unknown as WorkerScope;

const beside = (file: string): URL => new URL(file, self.location.href);
const now = (): number => performance.now();
const open = fetchFrom(self.location.href);
const verdicts = rememberedVerdicts({ indexedDB: self.indexedDB, locks: navigator.locks }, navigator.userAgent);

const honest: Available = {
  engine: engineBackends(runtime.engine, {
    read: (entry) => readFile(entry, open),
    spawnThread: workerThreads(beside("worker_thread.js")),
    threads: threadsFor(navigator.hardwareConcurrency),
  }),
  ...ortBackends(beside("ort/").href),
};

const available: Available = {
  engine: withLiar(honest.engine, runtime.lying_backend),
  ortWasm: withLiar(honest.ortWasm, runtime.lying_backend),
  ortWebgpu: withLiar(honest.ortWebgpu, runtime.lying_backend),
};

function optionsFor(model: Wanting): LoadOptions {
  return { open, verdicts, ...candidates(model, available), now, pause };
}

/** An error that nobody caught ends this worker: the host sees it, and starts another. */
function crash(error: unknown): void {
  setTimeout(() => {
    throw error;
  });
}

const { moderation, completion } = runtime.models;

const engine = new Engine({
  slots: (changed) => ({
    moderation: new ModelSlot(
      moderation && ((tell) => loadModeration(moderation, optionsFor(moderation), tell)),
      now,
      changed,
    ),
    completion: new ModelSlot(
      completion && ((tell) => loadCompletion(completion, optionsFor(completion), tell)),
      now,
      changed,
    ),
  }),
  emit: (message) => scope.postMessage(message),
  onFatal: crash,
  now,
  pause,
});

scope.addEventListener("unhandledrejection", (event) => crash(event.reason));
scope.onmessage = (event) => engine.receive(event.data);
