/** The peer @wllama/wllama: llama.cpp in WASM, with the times that llama.cpp itself takes. */

import { MIN_STEPS } from "./greedy.ts";
import type { Opening, Peer } from "./protocol.ts";

const LIBRARY = "/npm/@wllama/wllama/esm/index.js";
/** Id of the word "w0" in the vocabulary that extbuild/bench/gguf.py writes. */
const FIRST_WORD = 260;
const WASM = "/npm/@wllama/wllama/esm/wasm/wllama.wasm";

interface Timings {
  readonly prompt_n: number;
  readonly prompt_ms: number;
  readonly predicted_n: number;
  readonly predicted_ms: number;
}
interface Wllama {
  loadModel(blobs: readonly Blob[], options: object): Promise<void>;
  createCompletion(options: object): Promise<{ readonly timings?: Timings }>;
  exit(): Promise<void>;
}
interface Library {
  readonly Wllama: new (paths: { default: string }, options: object) => Wllama;
}

export async function wllamaPeer(opening: Opening): Promise<Peer> {
  const address = new URL(LIBRARY, self.location.href).href;
  const library = (await import(address)) as Library;
  // It throws away what llama.cpp says of an error, except to its logger.
  const said: string[] = [];
  const log = (...words: readonly unknown[]): void => void said.push(words.map(String).join(" "));
  const logger = { debug: () => undefined, log, warn: log, error: log };
  const wllama = new library.Wllama({ default: new URL(WASM, self.location.href).href }, { logger });
  const response = await fetch(opening.model);
  if (!response.ok) throw new Error(`${opening.model}: HTTP status ${response.status}`);
  const options = { n_gpu_layers: 0, n_threads: opening.threads, n_ctx: 512, n_parallel: 1 };
  const explain = (error: unknown): never => {
    throw new Error(`wllama: ${String(error)}; ${said.slice(-4).join(" | ")}`);
  };
  await wllama.loadModel([await response.blob()], options).catch(explain);
  return {
    title: `wllama, ${opening.threads} thread(s)`,
    close: () => wllama.exit(),
    async generate(prompt, { steps }) {
      const wanted = Math.max(steps, MIN_STEPS) + 1;
      const asked = {
        prompt: prompt.map((id) => `w${id - FIRST_WORD}`).join(" "), // it takes no ids
        max_tokens: wanted,
        ignore_eos: true,
        cache_prompt: false,
        temperature: 0,
        samplers: ["top_k"],
        top_k: 1,
      };
      const { timings } = await wllama.createCompletion(asked).catch(explain);
      if (timings === undefined) throw new Error("wllama told no times");
      if (timings.prompt_n !== prompt.length || timings.predicted_n !== wanted) {
        throw new Error(`wllama read ${timings.prompt_n} and wrote ${timings.predicted_n} tokens`);
      }
      // Of the tokens it counts, the first came with the prompt.
      return { prefillMs: timings.prompt_ms, tokenMs: [timings.predicted_ms / (wanted - 1)] };
    },
  };
}
