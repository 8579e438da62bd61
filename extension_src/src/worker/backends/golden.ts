/**
 * The self-test of a backend: inputs whose logits and decisions are packaged with the model, made
 * when it was built by native ONNX Runtime on the same weights (extbuild/compile/golden.py).
 */

import { chooseAny } from "../choice.ts";
import type { Decoder, Encoder } from "./backend.ts";

/** A backend computes, but not what it should. */
export class SelfTestFailed extends Error {}

interface Bounds {
  readonly format: 1;
  /** Largest difference of a logit that rounding may explain, as a share of `spread`. */
  readonly tolerance: number;
  /** Greatest minus least of the expected logits. */
  readonly spread: number;
}

export interface EncoderGolden extends Bounds {
  readonly kind: "encoder";
  /**
   * Each is one run. `decisions`: whether a label's probability reaches its threshold; null where
   * it is so near that rounding may decide.
   */
  readonly batches: readonly {
    readonly rows: readonly (readonly number[])[];
    readonly logits: readonly (readonly number[])[];
    readonly decisions: readonly (readonly (boolean | null)[])[];
  }[];
}

export interface DecoderGolden extends Bounds {
  readonly kind: "decoder";
  /**
   * `ids` is the whole text so far, `top` the most probable token after it (null where two are as
   * good as equal), `logits[i]` that of token `at[i]`. A step continues the one before it, cuts it
   * back, or begins anew.
   */
  readonly steps: readonly {
    readonly ids: readonly number[];
    readonly top: number | null;
    readonly at: readonly number[];
    readonly logits: readonly number[];
  }[];
}

type Golden = EncoderGolden | DecoderGolden;

/** Reads golden.json, which has been proven to be the packaged one. */
export function parseGolden<Kind extends Golden["kind"]>(
  bytes: Uint8Array,
  kind: Kind,
): Extract<Golden, { readonly kind: Kind }> {
  const golden = JSON.parse(new TextDecoder().decode(bytes)) as Golden;
  if (golden.format !== 1 || golden.kind !== kind) {
    throw new Error(`golden: must be of format 1 and kind ${kind}, got ${golden.format} and ${golden.kind}`);
  }
  const compared =
    golden.kind === "encoder"
      ? golden.batches.map(({ logits }) => logits)
      : golden.steps.map(({ at }) => at);
  if (compared.length === 0 || compared.some(({ length }) => length === 0)) {
    throw new Error("golden: must have something to compare, got nothing");
  }
  return golden as Extract<Golden, { readonly kind: Kind }>;
}

/** The same, with at least this tolerance. */
export function allowing<Kind extends Golden>(tolerance: number, golden: Kind): Kind {
  return { ...golden, tolerance: Math.max(tolerance, golden.tolerance) };
}

/** Rejects with `SelfTestFailed` at the first logit or decision that is wrong. */
export async function testEncoder(
  encoder: Encoder,
  golden: EncoderGolden,
  thresholds: readonly number[],
): Promise<void> {
  for (const [index, { rows, logits, decisions }] of golden.batches.entries()) {
    const found = await encoder.logits(rows);
    for (const [row, expected] of logits.entries()) {
      const place = `batch ${index}, row ${row}`;
      const got = found[row] ?? new Float32Array(0);
      if (got.length !== expected.length) {
        throw new SelfTestFailed(`${place}: must have ${expected.length} logits, got ${got.length}`);
      }
      for (const [label, logit] of expected.entries()) {
        const value = got[label] ?? NaN;
        compare(`${place}, label ${label}`, logit, value, golden);
        const decision = decisions[row]?.[label];
        const flagged = 1 / (1 + Math.exp(-value)) >= (thresholds[label] ?? NaN);
        if (decision === null || decision === flagged) continue;
        throw new SelfTestFailed(`${place}, label ${label}: the decision is wrong at the logit ${value}`);
      }
    }
  }
}

/** Rejects with `SelfTestFailed` at the first logit or choice that is wrong. */
export async function testDecoder(decoder: Decoder, golden: DecoderGolden): Promise<void> {
  for (const [index, { ids, top, at, logits }] of golden.steps.entries()) {
    const found = await decoder.append(ids.slice(decoder.rewind(ids)));
    for (const [nth, id] of at.entries()) {
      compare(`step ${index}, token ${id}`, logits[nth] ?? NaN, found[id] ?? NaN, golden);
    }
    if (top === null) continue;
    const { id: best } = chooseAny(found);
    if (best !== top) throw new SelfTestFailed(`step ${index}: must choose token ${top}, got ${best}`);
  }
}

function compare(place: string, expected: number, found: number, { tolerance, spread }: Bounds): void {
  const error = Math.abs(found - expected) / spread;
  if (error <= tolerance) return; // NaN is not
  throw new SelfTestFailed(
    `${place}: must be ${expected.toPrecision(6)}, got ${found.toPrecision(6)} ` +
      `(${(100 * error).toPrecision(3)} % of the spread, at most ${100 * tolerance} %)`,
  );
}
