/** Our engine, through the very backend of the extension, its streaming loader included. */

import type { CompletionRuntime, EngineVariants, ModerationRuntime, Runtime } from "../src/generated/runtime.ts";
import { engineBackends } from "../src/worker/backends/engine_wasm.ts";
import { workerThreads } from "../src/worker/backends/engine_threads.ts";
import { fetchFrom, PackagedModel } from "../src/worker/shards.ts";
import { greedy } from "./greedy.ts";
import type { Memory, Opening, Peer } from "./protocol.ts";

/** Where the server keeps the list of the engine's variants. */
const VARIANTS = "/engine/engine.json";
/** Where the server keeps the script of the engine's threads, bundled as for a package. */
const THREAD_SCRIPT = "thread.js";

async function json(address: URL): Promise<unknown> {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address}: HTTP status ${response.status}`);
  return response.json();
}

function bytesOf({ memoryBytes }: { readonly memoryBytes: number | null }): Memory {
  return memoryBytes === null ? {} : { buffer: memoryBytes };
}

type Described = ModerationRuntime | CompletionRuntime;

export async function enginePeer(opening: Opening): Promise<Peer> {
  const runtime = (await json(new URL("runtime.json", opening.model))) as Runtime;
  const described: Described | null = runtime.models[opening.task];
  if (described === null) throw new Error(`${opening.model} has no model for ${opening.task}`);
  const variants = (await json(new URL(VARIANTS, self.location.href))) as EngineVariants;
  const open = fetchFrom(opening.model);
  const packaged = new PackagedModel(described.files, open, 0, () => undefined);
  const backends = engineBackends(variants, {
    read: (entry) => packaged.file(entry),
    spawnThread: workerThreads(new URL(THREAD_SCRIPT, self.location.href)),
    threads: opening.threads,
  });
  const wanted = opening.variant === null ? null : `engine-${opening.variant}`;
  const backend = backends.find(({ id }) => wanted === null || id === wanted);
  if (backend === undefined) throw new Error(`this browser cannot run ${wanted}`);

  if (opening.task === "moderation") {
    const encoder = await backend.encoder(packaged, opening.limits);
    return {
      title: backend.name,
      async encode(rows) {
        const started = performance.now();
        await encoder.logits(rows);
        return performance.now() - started;
      },
      memory: () => bytesOf(encoder),
      close: () => encoder.dispose(),
    };
  }
  const decoder = await backend.decoder(packaged, opening.limits);
  return {
    title: backend.name,
    generate(prompt, generating) {
      decoder.rewind(prompt);
      return greedy(prompt, generating, (ids) => decoder.append(ids));
    },
    memory: () => bytesOf(decoder),
    close: () => decoder.dispose(),
  };
}
