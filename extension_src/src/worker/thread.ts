/** A helper of the engine: see backends/engine_threads.ts. Serves one memory until it is ended. */

import type { EngineExports } from "./backends/engine_instance.ts";
import type { ThreadJob } from "./backends/engine_threads.ts";

interface ThreadScope {
  onmessage: ((event: MessageEvent<ThreadJob>) => void) | null;
  postMessage(message: "ready"): void;
  close(): void;
}
const scope = self as unknown as ThreadScope;

scope.onmessage = ({ data: { module, memory, index, stackTop } }) => {
  // At once rather than by a promise: nothing else runs here.
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  scope.postMessage("ready");
  (exports as unknown as EngineExports).engine_thread?.(index, stackTop);
  scope.close();
};
