/** Something of a known length that waits to be run in a batch. */
export interface Sized {
  readonly length: number;
}

/**
 * The next batch out of `waiting` (oldest first): the oldest, and those nearest to it in length,
 * as long as rows × longest row stays within `budgetTokens`. The oldest is always taken, so that
 * nothing waits for ever.
 *
 * Rows of a batch are padded to the longest, so neighbours in length waste least.
 */
export function nextBatch<T extends Sized>(waiting: readonly T[], budgetTokens: number): readonly T[] {
  const oldest = waiting[0];
  if (oldest === undefined) return [];
  const sorted = waiting.toSorted((a, b) => a.length - b.length);
  let low = sorted.indexOf(oldest);
  let high = low;
  for (;;) {
    const shorter = sorted[low - 1];
    const longer = sorted[high + 1];
    const rows = high - low + 2;
    const longest = sorted[high]?.length ?? 0;
    const fitsShorter = shorter !== undefined && rows * longest <= budgetTokens;
    const fitsLonger = longer !== undefined && rows * longer.length <= budgetTokens;
    if (!fitsShorter && !fitsLonger) break;
    const nearerShorter =
      fitsShorter && (!fitsLonger || oldest.length - shorter.length <= longer.length - oldest.length);
    if (nearerShorter) low -= 1;
    else high += 1;
  }
  return sorted.slice(low, high + 1);
}
