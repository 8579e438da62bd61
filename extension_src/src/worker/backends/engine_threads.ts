/**
 * Helper workers that compute tiles for one instance of the engine: each has an instance of its own
 * over the same shared memory, and a stack of its own in it. Their script is worker/thread.ts.
 */

/** Bytes of a helper's stack: what engine_thread asks for. */
const STACK_BYTES = 65_536;

/** More threads than this gain little on models of this size. */
const MOST_THREADS = 4;

/**
 * Threads for a machine with so many cores: half of them, the other half being the page's. Threads
 * wait for one another, so that where cores were contended they took twice as long as one; two
 * cores are too few for them.
 */
export function threadsFor(cores: number): number {
  return Math.max(1, Math.min(MOST_THREADS, Math.floor(cores / 2)));
}

/** What a helper needs to begin. */
export interface ThreadJob {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly index: number;
  readonly stackTop: number;
}

/** A worker of the host that was told its job; `ready` once it is about to enter the engine. */
export interface Thread {
  readonly ready: Promise<void>;
  terminate(): void;
}

export type SpawnThread = (job: ThreadJob) => Thread;

export interface EngineThreads {
  terminate(): void;
}

/** Starts the threads 1 .. threads − 1, the main thread being the first; none is left if one fails. */
export async function startThreads(options: {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly threads: number;
  readonly spawnThread: SpawnThread;
  readonly allocate: (bytes: number) => number;
}): Promise<EngineThreads> {
  const { module, memory, threads, spawnThread, allocate } = options;
  const helpers: Thread[] = [];
  const terminate = (): void => helpers.forEach((helper) => helper.terminate());
  try {
    for (let index = 1; index < threads; index += 1) {
      const stackTop = allocate(STACK_BYTES) + STACK_BYTES;
      helpers.push(spawnThread({ module, memory, index, stackTop }));
    }
    await Promise.all(helpers.map(({ ready }) => ready));
  } catch (error) {
    terminate();
    throw error;
  }
  return { terminate };
}

/** Helpers as dedicated workers that run the script at `url`. */
export function workerThreads(url: URL): SpawnThread {
  return (job) => {
    const worker = new Worker(url, { type: "module", name: `engine thread ${job.index}` });
    const ready = new Promise<void>((resolve, reject) => {
      worker.onmessage = () => resolve();
      worker.onerror = (event) => reject(new Error(`thread ${job.index}: ${event.message || "no script"}`));
    });
    worker.postMessage(job);
    return { ready, terminate: () => worker.terminate() };
  };
}
