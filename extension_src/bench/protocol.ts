/** What the page is asked by extbuild/bench/in_browser.py, and what it passes on to its workers. */

import type { DecoderLimits, EncoderLimits } from "../src/worker/backends/backend.ts";

export type PeerKind = "engine" | "onnxruntime-web" | "transformers.js" | "wllama" | "javascript" | "scalar";

/** A model for one peer: what to run, where its files are, and the sizes that inputs depend on. */
export interface Opening {
  readonly kind: PeerKind;
  readonly task: "moderation" | "completion";
  /** Address of the model's folder, with its last slash; or of the file, where a peer takes one. */
  readonly model: string;
  readonly threads: number;
  readonly vocab: number;
  /** Which compiled engine, for the engine; null lets the extension's own rule choose. */
  readonly variant: "simd" | "relaxed" | "threads" | null;
  readonly limits: EncoderLimits & DecoderLimits;
  /** Rows and columns of every matrix of one decoding step, for floors, which have no model. */
  readonly matrices: readonly (readonly [number, number])[];
}

export interface Generating {
  /** Prompts are unlike for unlike seeds from their first token on. */
  readonly seed: number;
  readonly promptTokens: number;
  /** Ends after so many tokens, or after so much time but not before `MIN_STEPS` tokens. */
  readonly steps: number;
  readonly maxMs: number;
}

export interface Encoding {
  readonly seed: number;
  readonly texts: number;
  readonly tokens: number;
}

/** `tokenMs`: of each token after the first, which the prompt's run gives. */
export interface Generated {
  readonly prefillMs: number;
  readonly tokenMs: readonly number[];
}

/** Bytes; what a peer cannot tell is left out. */
export interface Memory {
  readonly buffer?: number;
}

export type Command =
  | { readonly name: "open"; readonly peer: string; readonly opening: Opening }
  | { readonly name: "generate"; readonly peer: string; readonly generating: Generating }
  | { readonly name: "encode"; readonly peer: string; readonly encoding: Encoding }
  | { readonly name: "memory"; readonly peer: string }
  | { readonly name: "close"; readonly peer: string };

/** `open` gives what the peer calls itself. */
export type Answer =
  | { readonly value: string | Generated | number | Memory | null; readonly error: null }
  | { readonly value: null; readonly error: string };

/** A model that is loaded in one peer; an encoder does not generate, a decoder does not encode. */
export interface Peer {
  readonly title: string;
  /** Nothing of an earlier prompt is used. */
  generate?(prompt: readonly number[], generating: Generating): Promise<Generated>;
  /** Milliseconds of one batch. */
  encode?(rows: readonly (readonly number[])[]): Promise<number>;
  memory?(): Memory;
  close(): Promise<void>;
}
