/** How strict the veil is, in three words. Pure. */

import type { Thresholds } from "./thresholds.ts";

export const PRESETS = ["mild", "standard", "strict"] as const;
export type Preset = (typeof PRESETS)[number];

/** Shift of each threshold on the log-odds scale: e times the odds, either way. */
const SHIFT: { readonly [P in Preset]: number } = { mild: 1, standard: 0, strict: -1 };
/** Thresholds that differ by less are the same: sliders move in whole percents. */
const SAME = 0.006;

/**
 * The thresholds of a preset: those that were measured with the model, moved by the same step of
 * log-odds for each label, so that rare labels with low thresholds keep their order.
 */
export function presetThresholds(preset: Preset, defaults: Thresholds): Thresholds {
  return Object.fromEntries(
    Object.entries(defaults).map(([label, threshold]) => [label, shifted(threshold, SHIFT[preset])]),
  );
}

/** The preset that these thresholds are, or null for a mix of one's own. */
export function presetOf(thresholds: Thresholds, defaults: Thresholds): Preset | null {
  const isSame = (preset: Preset): boolean =>
    Object.entries(presetThresholds(preset, defaults)).every(
      ([label, threshold]) => Math.abs((thresholds[label] ?? threshold) - threshold) < SAME,
    );
  return PRESETS.find(isSame) ?? null;
}

function shifted(probability: number, shift: number): number {
  if (shift === 0 || probability <= 0 || probability >= 1) return probability;
  return 1 / (1 + Math.exp(-(Math.log(probability / (1 - probability)) + shift)));
}
