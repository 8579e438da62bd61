/** Backends that compute what a test says, and tell what was done with them. */

import type {
  Backend,
  BackendId,
  Decoder,
  Encoder,
} from "../../../extension_src/src/worker/backends/backend.ts";
import type { Verdict, Verdicts } from "../../../extension_src/src/worker/backends/remembered.ts";

export interface FakeOptions {
  readonly id: BackendId;
  /** Fails instead of opening. */
  readonly refuses?: Error;
  /** Logits of a row; by default its first id and how many it has. */
  readonly logits?: (row: readonly number[]) => readonly number[];
  readonly fingerprint?: string;
}

/** `log` is told of each opening, run and end: "+id", "id", "-id". */
export function fakeBackend(options: FakeOptions, log: string[] = []): Backend {
  const { id, refuses, fingerprint = "1" } = options;
  const logits = options.logits ?? ((row): readonly number[] => [row[0] ?? 0, row.length]);
  const run = (row: readonly number[]): Float32Array => {
    log.push(id);
    return Float32Array.from(logits(row));
  };
  const dispose = async (): Promise<void> => {
    log.push(`-${id}`);
  };
  const opened = async <Made>(made: Made): Promise<Made> => {
    if (refuses !== undefined) throw refuses;
    log.push(`+${id}`);
    return made;
  };
  return {
    id,
    name: `fake ${id}`,
    tolerance: 0,
    packed: () => [],
    fingerprint: async () => fingerprint,
    encoder: () => opened(fakeEncoder(run, dispose)),
    decoder: () => opened(fakeDecoder(run, dispose)),
  };
}

type Run = (row: readonly number[]) => Float32Array;
type Dispose = () => Promise<void>;

function fakeEncoder(run: Run, dispose: Dispose): Encoder {
  return { padded: false, memoryBytes: 1, logits: async (rows) => rows.map(run), dispose };
}

/** Runs on the whole text so far. */
function fakeDecoder(run: Run, dispose: Dispose): Decoder {
  let cached: readonly number[] = [];
  return {
    capacity: 8,
    memoryBytes: 1,
    rewind(ids) {
      let keep = 0;
      while (keep < Math.min(cached.length, ids.length - 1) && cached[keep] === ids[keep]) keep += 1;
      cached = cached.slice(0, keep);
      return keep;
    },
    append: async (ids) => run((cached = [...cached, ...ids])),
    dispose,
  };
}

/** Verdicts in a map that a test can read and prepare. */
export function verdictsIn(kept: Map<string, Verdict>): Verdicts {
  return {
    get: async (key) => kept.get(key) ?? null,
    set: async (key, verdict) => void kept.set(key, verdict),
    delete: async (key) => void kept.delete(key),
    exclusively: (_, task) => task(),
  };
}
