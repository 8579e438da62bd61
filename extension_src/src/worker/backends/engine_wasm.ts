/**
 * Our own engine (extension_src/engine) on WebAssembly, in up to three variants of one source:
 * `simd` for every browser, `relaxed` where there is relaxed SIMD, `threads` where memory can also be
 * shared between workers. A run blocks the worker until it is done.
 */

import type { EngineModel, EngineVariants, FileEntry } from "../../generated/runtime.ts";
import type { Backend, Decoder, DecoderLimits, Encoder, EncoderLimits, ModelSource } from "./backend.ts";
import { commonPrefix } from "./cache.ts";
import { EngineInstance, type EngineCode } from "./engine_instance.ts";
import type { SpawnThread } from "./engine_threads.ts";
import { hasRelaxedSimd, hasSharedMemory } from "./wasm_features.ts";

/** Most rows of an encoder's run. */
const MOST_SEQUENCES = 32;
/** Most tokens of a decoder's run; a longer piece is run in several. */
const DECODER_TOKENS = 64;
/** Most tokens of a run of an encoder: the activations of more do not stay in the caches. */
const ENCODER_TOKENS = 512;

export interface EngineHost {
  /** All of a packaged file, proven. */
  readonly read: (entry: FileEntry) => Promise<Uint8Array<ArrayBuffer>>;
  readonly spawnThread: SpawnThread;
  /** How many threads the variant that has some is to use; see `threadsFor`. */
  readonly threads: number;
}

/**
 * The variants that this browser can run, the one to prefer first. Null: the package has none. The
 * preferred one is compiled at once: it is ready by the time that it is known to be trusted.
 */
export function engineBackends(variants: EngineVariants | null, host: EngineHost): readonly Backend[] {
  if (variants === null) return [];
  const { simd, relaxed, threads } = variants;
  const made: EngineBackend[] = [];
  const add = (id: Backend["id"], name: string, file: FileEntry, count = 1): void => {
    made.push(engineBackend(id, name, file, count, host));
  };
  const isRelaxed = hasRelaxedSimd();
  if (isRelaxed) add("engine-relaxed", "engine, relaxed SIMD", relaxed);
  add("engine-simd", "engine, SIMD", simd);
  if (isRelaxed && threads !== null && host.threads > 1 && hasSharedMemory()) {
    add("engine-threads", `engine, ${host.threads} threads`, threads, host.threads);
  }
  made[0]?.code().catch(() => undefined); // told to whoever opens it
  return made.map(({ backend }) => backend);
}

interface EngineBackend {
  readonly backend: Backend;
  readonly code: () => Promise<EngineCode>;
}

function engineBackend(
  id: Backend["id"],
  name: string,
  file: FileEntry,
  threads: number,
  { read, spawnThread }: EngineHost,
): EngineBackend {
  let compiled: Promise<EngineCode> | null = null;
  /** Compiled once, for all models. */
  const code = (): Promise<EngineCode> => {
    compiled ??= read(file)
      .then((bytes) => WebAssembly.compile(bytes))
      .then((module) => ({ module, threads, spawnThread }));
    return compiled;
  };
  const backend: Backend = {
    id,
    name,
    tolerance: 0,
    packed: ({ engine }) => (engine === null ? [] : [engine.program, engine.weights]),
    fingerprint: async () => `${file.sha256}, ${threads} threads`,
    encoder: (source, limits) => openEncoder(code(), source, limits),
    decoder: (source, limits) => openDecoder(code(), source, limits),
  };
  return { backend, code };
}

function engineModel({ files }: ModelSource): EngineModel {
  if (files.engine === null) throw new Error("the package has no Program for this model");
  return files.engine;
}

async function openEncoder(
  code: Promise<EngineCode>,
  source: ModelSource,
  limits: EncoderLimits,
): Promise<Encoder> {
  const maxTokens = Math.max(Math.min(limits.batch_tokens, ENCODER_TOKENS), limits.max_tokens);
  const maxSequences = Math.min(MOST_SEQUENCES, maxTokens);
  const instance = await EngineInstance.open(code, source, engineModel(source), () => ({
    maxTokens,
    maxSequences,
    streams: 0,
    cacheTokens: 0,
  }));
  return {
    padded: false,
    get memoryBytes() {
      return instance.memoryBytes;
    },
    logits: async (rows) =>
      runsOf(rows, maxTokens, maxSequences).flatMap((run) => instance.run(run).map((row) => row.slice())),
    dispose: () => instance.dispose(),
  };
}

/** Rows in their order, cut where a run would be too large. A row too long for any is one alone. */
export function runsOf<Row extends { readonly length: number }>(
  rows: readonly Row[],
  maxTokens: number,
  maxSequences: number,
): readonly (readonly Row[])[] {
  const runs: Row[][] = [];
  let tokens = 0;
  for (const row of rows) {
    const run = runs.at(-1);
    tokens += row.length;
    if (run !== undefined && tokens <= maxTokens && run.length < maxSequences) {
      run.push(row);
    } else {
      runs.push([row]);
      tokens = row.length;
    }
  }
  return runs;
}

async function openDecoder(
  code: Promise<EngineCode>,
  source: ModelSource,
  { cache_tokens }: DecoderLimits,
): Promise<Decoder> {
  const instance = await EngineInstance.open(code, source, engineModel(source), (header) => ({
    maxTokens: DECODER_TOKENS,
    maxSequences: 1,
    streams: 1,
    cacheTokens: Math.min(cache_tokens, header.mostPositions),
  }));
  let cached: readonly number[] = [];
  // One for all answers: a vocabulary of floats for each token would be megabytes of garbage.
  const logits = new Float32Array(instance.outputWidth);
  return {
    capacity: instance.cacheTokens,
    get memoryBytes() {
      return instance.memoryBytes;
    },
    rewind(ids) {
      const keep = Math.min(commonPrefix(cached, ids), ids.length - 1);
      instance.rewind(keep);
      cached = cached.slice(0, keep);
      return keep;
    },
    async append(ids) {
      if (ids.length === 0) throw new Error("append: needs at least one token");
      for (let at = 0; at < ids.length; at += DECODER_TOKENS) {
        const piece = ids.slice(at, at + DECODER_TOKENS);
        const [row] = instance.run([piece]);
        if (row !== undefined && at + DECODER_TOKENS >= ids.length) logits.set(row);
        cached = [...cached, ...piece];
      }
      return logits;
    },
    dispose: () => instance.dispose(),
  };
}
