/** From probabilities to a decision. Pure, so that a new threshold needs no new inference. */

import type { Scores } from "./scores.ts";

/** Why a block is veiled. */
export interface Reason {
  readonly label: string;
  /** Of the piece of the block that is worst in this label; 0..1. */
  readonly probability: number;
}

export type Thresholds = { readonly [label: string]: number };

/**
 * Labels at or above their threshold in any piece, most probable first; none means that the block
 * stays as it is. A piece that the model abstained from speaks neither for nor against. A label
 * without a threshold never flags.
 */
export function reasons(
  pieces: readonly Scores[],
  labels: readonly string[],
  thresholds: Thresholds,
): readonly Reason[] {
  const judged = pieces.filter((scores) => scores !== null);
  if (judged.length === 0) return [];
  return labels
    .map((label, index) => ({
      label,
      probability: Math.max(...judged.map((scores) => scores[index] ?? 0)),
    }))
    .filter(({ label, probability }) => probability >= (thresholds[label] ?? Infinity))
    .sort((a, b) => b.probability - a.probability);
}
