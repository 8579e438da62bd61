/**
 * Reads a model's packaged files and proves that they are the ones that were packaged.
 *
 * Weights are one blob, cut into contiguous shards. Each is streamed, chunk by chunk, right to its
 * place in the memory of whoever runs the model, and hashed there: besides the blob itself, what is
 * held are `PARALLEL_SHARDS` shards at most, which hashing copies.
 */

import type { FileEntry, ModelFiles, ShardEntry, WeightsBlob } from "../generated/runtime.ts";
import { hex } from "../lib/hex.ts";
import { PackageBroken, type Destination, type ModelSource } from "./backends/backend.ts";

/** Two overlap reading with hashing; more only raise the peak of memory. */
const PARALLEL_SHARDS = 2;
/** A piece of a file on its way to its place: as much as a browser passes on at a time. */
const PIECE_BYTES = 262_144;
/** Digits of a hash in messages: enough to compare by eye. */
const HASH_PREFIX = 12;

/** The content of a file of the package, in pieces. Rejects when there is none. */
export type OpenFile = (file: string, signal: AbortSignal) => Promise<AsyncIterable<Uint8Array>>;

export type Progress = (loadedBytes: number, totalBytes: number) => void;

/**
 * Opens files relative to `base`, e.g. the worker's own address. The buffer that one file came in
 * serves the next: one for each of a model's shards would be garbage that stays until it is used.
 */
export function fetchFrom(base: string): OpenFile {
  const idle: ArrayBuffer[] = [];
  return async (file, signal) => {
    const response = await fetch(new URL(file, base), { signal });
    if (!response.ok || response.body === null) throw new Error(`HTTP status ${response.status}`);
    return pieces(response.body, idle);
  };
}

/**
 * The content of a stream. A piece is good until the next one is asked for: where the stream is one
 * of bytes all of them come in one buffer, since a buffer for each would be garbage of the size of
 * the model. What a browser fetches need not be one. `idle`: buffers that no stream is read into.
 */
async function* pieces(
  stream: ReadableStream<Uint8Array>,
  idle: ArrayBuffer[],
): AsyncGenerator<Uint8Array> {
  const { read, cancel } = readerOf(stream, idle);
  try {
    for (;;) {
      const { done, value } = await read();
      if (done) return;
      yield value;
    }
  } finally {
    cancel().catch(() => undefined); // whoever stopped reading knows why
  }
}

interface StreamReader {
  readonly read: () => Promise<ReadableStreamReadResult<Uint8Array>>;
  readonly cancel: () => Promise<void>;
}

function readerOf(stream: ReadableStream<Uint8Array>, idle: ArrayBuffer[]): StreamReader {
  let reader: ReadableStreamBYOBReader;
  try {
    reader = stream.getReader({ mode: "byob" });
  } catch {
    const chunks = stream.getReader(); // it is not one of bytes
    return { read: () => chunks.read(), cancel: () => chunks.cancel() };
  }
  let buffer = idle.pop() ?? new ArrayBuffer(PIECE_BYTES);
  return {
    read: async () => {
      const result = await reader.read(new Uint8Array(buffer));
      if (result.value !== undefined) {
        ({ buffer } = result.value);
        if (result.done) idle.push(buffer);
      }
      return result as ReadableStreamReadResult<Uint8Array>;
    },
    cancel: () => reader.cancel(),
  };
}

/** All of a packaged file. */
export async function readFile(
  entry: FileEntry,
  open: OpenFile,
  signal = new AbortController().signal,
): Promise<Uint8Array<ArrayBuffer>> {
  checkSize(entry);
  const bytes = new Uint8Array(entry.bytes);
  await readInto(entry, Promise.resolve(() => bytes), { open, signal });
  return bytes;
}

/** One loading of one model, told of in bytes of files that are read and proven. */
export class PackagedModel implements ModelSource {
  readonly files: ModelFiles;
  readonly #open: OpenFile;
  readonly #progress: Progress;
  readonly #totalBytes: number;
  readonly #abort = new AbortController();
  #loadedBytes = 0;

  /** `totalBytes`: of the files that will be asked for. */
  constructor(files: ModelFiles, open: OpenFile, totalBytes: number, progress: Progress) {
    this.files = files;
    this.#open = open;
    this.#totalBytes = totalBytes;
    this.#progress = progress;
    progress(0, totalBytes);
  }

  async file(entry: FileEntry): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = await readFile(entry, this.#open, this.#abort.signal);
    this.#loaded(entry);
    return bytes;
  }

  async weights(blob: WeightsBlob, destination: Promise<Destination>): Promise<void> {
    destination.catch(() => undefined); // reading a shard tells of it; there may be none to read
    const queue = [...checkedPlan(blob)];
    const reading = { open: this.#open, signal: this.#abort.signal };
    const drain = async (): Promise<void> => {
      for (let shard = queue.shift(); shard !== undefined; shard = queue.shift()) {
        const { offset, bytes } = shard;
        const place = destination.then((all) => () => all().subarray(offset, offset + bytes));
        try {
          await readInto(shard, place, reading);
        } catch (error) {
          queue.length = 0; // the rest would be read for nothing
          throw error;
        }
        this.#loaded(shard);
      }
    };
    // All of them, even when one fails: whoever hears of a failure may rely on no write after it.
    const drained = await Promise.allSettled(Array.from({ length: PARALLEL_SHARDS }, drain));
    for (const end of drained) if (end.status === "rejected") throw end.reason;
  }

  /** Stops whatever is being read: it rejects with `reason`, and no progress is told any more. */
  abort(reason: Error): void {
    this.#abort.abort(reason);
  }

  #loaded({ bytes }: FileEntry): void {
    this.#loadedBytes += bytes;
    this.#progress(this.#loadedBytes, this.#totalBytes);
  }
}

interface Reading {
  readonly open: OpenFile;
  readonly signal: AbortSignal;
}

/** Streams a file to `destination`, which is as long as the file, and proves what is there then. */
async function readInto(
  entry: FileEntry,
  destination: Promise<Destination>,
  reading: Reading,
): Promise<void> {
  const [content, place] = await Promise.all([opened(entry, reading), destination]);
  const { signal } = reading;
  let length = 0;
  try {
    for await (const piece of content) {
      signal.throwIfAborted();
      if (length + piece.length > entry.bytes) throw wrongSize(entry, "more");
      place().set(piece, length);
      length += piece.length;
    }
  } catch (error) {
    throw unreadable(entry, error, signal);
  }
  if (length !== entry.bytes) throw wrongSize(entry, String(length));
  await prove(entry, place());
  signal.throwIfAborted();
}

async function opened(
  entry: FileEntry,
  { open, signal }: Reading,
): Promise<AsyncIterable<Uint8Array>> {
  signal.throwIfAborted();
  try {
    return await open(entry.file, signal);
  } catch (error) {
    throw unreadable(entry, error, signal);
  }
}

function unreadable({ file }: FileEntry, error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  if (error instanceof PackageBroken) return error;
  const found = error instanceof Error ? error.message : String(error);
  return new PackageBroken(`${file}: cannot be read, got ${found}; reinstall the extension`);
}

/** The shards, after checking that they cover the blob without hole or overlap. */
function checkedPlan(blob: WeightsBlob): readonly ShardEntry[] {
  let offset = 0;
  for (const shard of blob.shards) {
    checkSize(shard);
    if (shard.offset !== offset) {
      throw new PackageBroken(`${shard.file}: must begin at byte ${offset}, got ${shard.offset}`);
    }
    offset += shard.bytes;
  }
  if (offset !== blob.bytes) {
    throw new PackageBroken(`shards: must hold ${blob.bytes} bytes, got ${offset}`);
  }
  return blob.shards;
}

function checkSize({ file, bytes }: FileEntry): void {
  if (Number.isSafeInteger(bytes) && bytes > 0) return;
  throw new PackageBroken(`${file}: its size must be a whole number above 0, got ${bytes}`);
}

function wrongSize({ file, bytes }: FileEntry, found: string): PackageBroken {
  return new PackageBroken(`${file}: must be ${bytes} bytes, got ${found}; reinstall the extension`);
}

async function prove({ file, sha256 }: FileEntry, bytes: Uint8Array): Promise<void> {
  const digest = await crypto.subtle.digest("SHA-256", unshared(bytes));
  const found = hex(new Uint8Array(digest));
  if (found === sha256) return;
  throw new PackageBroken(
    `${file}: SHA-256 must be ${sha256.slice(0, HASH_PREFIX)}…, ` +
      `got ${found.slice(0, HASH_PREFIX)}…; reinstall the extension`,
  );
}

/** The same bytes in memory that no thread shares, which is all that Web Crypto takes. */
function unshared(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer ? (bytes as Uint8Array<ArrayBuffer>) : bytes.slice();
}
