/**
 * Reads a model's packaged files and proves that they are the ones that were packaged.
 *
 * The weights are one blob, cut into contiguous shards. Each is fetched, hashed and copied to its
 * offset in a single buffer, so that the peak is the blob plus `PARALLEL_FETCHES` shards.
 */

import type { FileEntry, ModelFiles, ShardEntry } from "../generated/runtime.ts";
import { hex } from "../lib/hex.ts";

/** Two overlap reading with hashing; more only raise the peak of memory. */
const PARALLEL_FETCHES = 2;
/** Digits of a hash in messages: enough to compare by eye. */
const HASH_PREFIX = 12;

/** A packaged file that is missing or not the one that was built. */
export class PackageBroken extends Error {}

/** Bytes of a file of the package. Rejects when there is none. */
export type ReadFile = (file: string) => Promise<Uint8Array<ArrayBuffer>>;

export interface ModelBytes {
  readonly graph: Uint8Array;
  readonly tokenizer: Uint8Array;
  readonly weights: Uint8Array;
}

export type Progress = (loadedBytes: number, totalBytes: number) => void;

/** Reads files relative to `base`, e.g. the worker's own address. */
export function fetchFrom(base: string): ReadFile {
  return async (file) => {
    const response = await fetch(new URL(file, base));
    if (!response.ok) throw new Error(`HTTP status ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  };
}

export async function loadModelBytes(
  files: ModelFiles,
  readFile: ReadFile,
  progress: Progress,
): Promise<ModelBytes> {
  const totalBytes = files.graph.bytes + files.tokenizer.bytes + files.weights_bytes;
  let loadedBytes = 0;
  const read = async (entry: FileEntry | ShardEntry): Promise<Uint8Array> => {
    const bytes = await readChecked(entry, readFile);
    loadedBytes += bytes.length;
    progress(loadedBytes, totalBytes);
    return bytes;
  };
  progress(0, totalBytes);
  const graph = await read(files.graph);
  const tokenizer = await read(files.tokenizer);
  const weights = new Uint8Array(files.weights_bytes);
  const queue = [...checkedPlan(files)];
  const drain = async (): Promise<void> => {
    for (let shard = queue.shift(); shard !== undefined; shard = queue.shift()) {
      try {
        weights.set(await read(shard), shard.offset);
      } catch (error) {
        queue.length = 0; // the rest would be read for nothing
        throw error;
      }
    }
  };
  // All of them, even when one fails: whoever hears of a failure may rely on no progress after it.
  const drained = await Promise.allSettled(Array.from({ length: PARALLEL_FETCHES }, drain));
  for (const end of drained) if (end.status === "rejected") throw end.reason;
  return { graph, tokenizer, weights };
}

/** The shards, after checking that they cover the blob without hole or overlap. */
function checkedPlan(files: ModelFiles): readonly ShardEntry[] {
  let offset = 0;
  for (const shard of files.shards) {
    if (shard.offset !== offset) {
      throw new PackageBroken(`${shard.file}: must begin at byte ${offset}, got ${shard.offset}`);
    }
    offset += shard.bytes;
  }
  if (offset !== files.weights_bytes) {
    throw new PackageBroken(`shards: must hold ${files.weights_bytes} bytes, got ${offset}`);
  }
  return files.shards;
}

async function readChecked(
  entry: FileEntry | ShardEntry,
  readFile: ReadFile,
): Promise<Uint8Array> {
  const { file } = entry;
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = await readFile(file);
  } catch (error) {
    const found = error instanceof Error ? error.message : String(error);
    throw new PackageBroken(`${file}: cannot be read, got ${found}; reinstall the extension`);
  }
  if (bytes.length !== entry.bytes) {
    throw new PackageBroken(
      `${file}: must be ${entry.bytes} bytes, got ${bytes.length}; reinstall the extension`,
    );
  }
  const found = hex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
  if (found !== entry.sha256) {
    throw new PackageBroken(
      `${file}: SHA-256 must be ${entry.sha256.slice(0, HASH_PREFIX)}…, ` +
        `got ${found.slice(0, HASH_PREFIX)}…; reinstall the extension`,
    );
  }
  return bytes;
}
