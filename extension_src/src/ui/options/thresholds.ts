/** Between thresholds, which fall as the veil gets stricter, and sliders, which rise. Pure. */

export type Thresholds = { readonly [label: string]: number };

/** Ends of the sliders, percent: 0 would veil everything, 100 nothing. */
export const MIN_PERCENT = 1;
export const MAX_PERCENT = 99;

export function percent(probability: number): number {
  return Math.min(MAX_PERCENT, Math.max(MIN_PERCENT, Math.round(probability * 100)));
}

/** Position of a slider whose right end is strict. */
export function strictness(threshold: number): number {
  return MIN_PERCENT + MAX_PERCENT - percent(threshold);
}

export function thresholdOf(strictnessPercent: number): number {
  return (MIN_PERCENT + MAX_PERCENT - strictnessPercent) / 100;
}

/** Share of a slider's way, 0..1, that lies before `value`. */
export function share(value: number): number {
  return (value - MIN_PERCENT) / (MAX_PERCENT - MIN_PERCENT);
}
