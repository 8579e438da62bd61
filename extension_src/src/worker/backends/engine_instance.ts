/**
 * One instance of the engine's module: one model in a memory of its own. The calls are those of
 * extension_src/engine/engine.h, with numbers for pointers.
 */

import type { EngineModel } from "../../generated/runtime.ts";
import type { Destination, ModelSource } from "./backend.ts";
import { EngineError } from "./engine_errors.ts";
import { startThreads, type EngineThreads, type SpawnThread } from "./engine_threads.ts";

/** The interface of engine.h that this file was written for. */
const ENGINE_VERSION = 1;
/** 1 MiB: stack and data of the module. What else is needed, engine_alloc makes it grow by. */
const FIRST_PAGES = 16;
/** 4 GiB: what 32-bit addresses reach. */
const MOST_PAGES = 65_536;
/** What engine_error_at gives when it was not the Program that was refused. */
const NO_WORD = 0xffff_ffff;
/** Words of a Program's header that are read here; extbuild/compile/program.py has all of them. */
const HEADER = { vocabularySize: 11, mostPositions: 12, outputWidth: 14, words: 16 } as const;

/** The exports of engine.h. The last three are of the variant with threads. */
export interface EngineExports {
  engine_version(): number;
  engine_alloc(bytes: number): number;
  engine_open(
    program: number,
    programBytes: number,
    weights: number,
    weightsBytes: number,
    maxTokens: number,
    maxSequences: number,
    maxOutputs: number,
    streams: number,
    cacheTokens: number,
    cacheInt8: number,
  ): number;
  engine_error_at(): number;
  engine_arena_bytes(): number;
  engine_cache_bytes(): number;
  engine_ids(): number;
  engine_lengths(): number;
  engine_streams(): number;
  engine_run(sequences: number, outputs: number): number;
  engine_output(): number;
  engine_rewind(stream: number, keep: number): number;
  engine_thread?(index: number, stackTop: number): void;
  engine_stop_threads?(): void;
  engine_set_threads?(threads: number): void;
}

/** A compiled variant of the engine. `threads` is 1 for those that have none. */
export interface EngineCode {
  readonly module: WebAssembly.Module;
  readonly threads: number;
  readonly spawnThread: SpawnThread;
}

/** What a run may hold, and the key-value cache; see engine_open. */
export interface RunLimits {
  readonly maxTokens: number;
  readonly maxSequences: number;
  readonly streams: number;
  readonly cacheTokens: number;
}

export interface ProgramHeader {
  readonly vocabularySize: number;
  /** Most tokens of one sequence, cache included. */
  readonly mostPositions: number;
  readonly outputWidth: number;
}

export class EngineInstance {
  readonly #memory: WebAssembly.Memory;
  readonly #exports: EngineExports;
  readonly #limits: RunLimits;
  readonly #outputWidth: number;
  readonly #threads: EngineThreads | null;

  private constructor({ memory, exports, header, limits }: Opened, threads: EngineThreads | null) {
    this.#memory = memory;
    this.#exports = exports;
    this.#limits = limits;
    this.#outputWidth = header.outputWidth;
    this.#threads = threads;
  }

  /**
   * A model that is ready to run. Program, weights and code are fetched at the same time; the
   * weights go from the files right to their place in the new memory.
   */
  static async open(
    code: Promise<EngineCode>,
    source: ModelSource,
    model: EngineModel,
    limits: (header: ProgramHeader) => RunLimits,
  ): Promise<EngineInstance> {
    const opened = openProgram(code, source.file(model.program), model.weights.bytes, limits);
    const written = source.weights(model.weights, opened.then(({ weights }) => weights));
    const starting = opened.then(startAll);
    try {
      const [made, threads] = await Promise.all([opened, starting, written]);
      return new EngineInstance(made, threads);
    } catch (error) {
      const [threads] = await Promise.allSettled([starting]);
      if (threads.status === "fulfilled") threads.value?.terminate();
      throw error;
    }
  }

  /** Most tokens of a decoder's stream. */
  get cacheTokens(): number {
    return this.#limits.cacheTokens;
  }

  /** Logits of one row. */
  get outputWidth(): number {
    return this.#outputWidth;
  }

  get memoryBytes(): number {
    return this.#memory.buffer.byteLength;
  }

  /**
   * Logits (rows, output width) of sequences of token ids, run together: views of the engine's
   * memory, good until it is used again. A decoder appends its one sequence to its one stream, and
   * gives the logits after the last token.
   */
  run(sequences: readonly (readonly number[])[]): readonly Float32Array[] {
    this.#write(sequences);
    const rows = this.#exports.engine_run(sequences.length, 0);
    if (rows < 0) throw new EngineError("engine_run", rows);
    if (rows !== sequences.length) throw new Error(`engine_run: ${sequences.length} rows, got ${rows}`);
    const width = this.#outputWidth;
    const output = this.#exports.engine_output() >>> 0;
    // Not the buffer from before the run: the memory may have grown.
    const all = new Float32Array(this.#memory.buffer, output, rows * width);
    return sequences.map((_, row) => all.subarray(row * width, (row + 1) * width));
  }

  #write(sequences: readonly (readonly number[])[]): void {
    const { maxTokens, maxSequences, streams } = this.#limits;
    const tokens = sequences.reduce((sum, ids) => sum + ids.length, 0);
    if (tokens > maxTokens || sequences.length > maxSequences) {
      // Before a word is written: the engine could only refuse what has overwritten its memory.
      throw new Error(
        `a run: at most ${maxTokens} tokens in ${maxSequences} rows, got ${tokens} in ${sequences.length}`,
      );
    }
    const { buffer } = this.#memory;
    const words = (at: number, length: number): Uint32Array => new Uint32Array(buffer, at >>> 0, length);
    words(this.#exports.engine_ids(), tokens).set(sequences.flat());
    words(this.#exports.engine_lengths(), sequences.length).set(sequences.map(({ length }) => length));
    if (streams > 0) words(this.#exports.engine_streams(), sequences.length).fill(0);
  }

  /** Forgets all but the first `keep` tokens of the one stream of a decoder. */
  rewind(keep: number): void {
    const code = this.#exports.engine_rewind(0, keep);
    if (code < 0) throw new EngineError("engine_rewind", code);
  }

  async dispose(): Promise<void> {
    this.#exports.engine_stop_threads?.();
    this.#threads?.terminate();
  }
}

interface Opened {
  readonly code: EngineCode;
  readonly memory: WebAssembly.Memory;
  readonly exports: EngineExports;
  readonly header: ProgramHeader;
  readonly limits: RunLimits;
  readonly weights: Destination;
}

/** A new instance that has the Program, and room for weights, activations and cache. */
async function openProgram(
  code: Promise<EngineCode>,
  reading: Promise<Uint8Array>,
  weightsBytes: number,
  limitsOf: (header: ProgramHeader) => RunLimits,
): Promise<Opened> {
  const [{ module, threads }, bytes] = await Promise.all([code, reading]);
  const memory = new WebAssembly.Memory({
    initial: FIRST_PAGES,
    maximum: MOST_PAGES,
    shared: threads > 1,
  });
  const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
  const engine = exports as unknown as EngineExports;
  const version = engine.engine_version();
  if (version !== ENGINE_VERSION) throw new Error(`engine: must be version ${ENGINE_VERSION}, got ${version}`);
  const header = readHeader(bytes);
  const limits = limitsOf(header);
  const { maxTokens, maxSequences, streams, cacheTokens } = limits;
  const program = allocated(engine, bytes.length);
  const weights = allocated(engine, weightsBytes);
  new Uint8Array(memory.buffer).set(bytes, program);
  const outputs = streams > 0 ? maxSequences : 0;
  const result = engine.engine_open(
    ...[program, bytes.length, weights, weightsBytes] as const,
    ...[maxTokens, maxSequences, outputs, streams, cacheTokens, 0] as const,
  );
  if (result < 0) {
    const at = engine.engine_error_at() >>> 0;
    throw new EngineError("engine_open", result, at === NO_WORD ? "" : ` at word ${at}`);
  }
  return {
    code: await code,
    memory,
    exports: engine,
    header,
    limits,
    weights: () => new Uint8Array(memory.buffer, weights, weightsBytes),
  };
}

/** The helpers of a variant with threads, null for the others. */
async function startAll({ code, memory, exports }: Opened): Promise<EngineThreads | null> {
  const { module, threads, spawnThread } = code;
  if (threads === 1) return null;
  const allocate = (bytes: number): number => allocated(exports, bytes);
  const helpers = await startThreads({ module, memory, threads, spawnThread, allocate });
  exports.engine_set_threads?.(threads);
  return helpers;
}

function allocated(engine: EngineExports, bytes: number): number {
  const pointer = engine.engine_alloc(bytes) >>> 0;
  if (pointer === 0) throw new RangeError(`no memory for ${bytes} bytes more`);
  return pointer;
}

function readHeader(program: Uint8Array): ProgramHeader {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  if (view.byteLength < HEADER.words * 4) throw new Error(`program: too short, ${view.byteLength} bytes`);
  const word = (at: number): number => view.getUint32(at * 4, true);
  return {
    vocabularySize: word(HEADER.vocabularySize),
    mostPositions: word(HEADER.mostPositions),
    outputWidth: word(HEADER.outputWidth),
  };
}
