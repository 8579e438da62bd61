/** Something of a known length that waits to be run in a batch. */
export interface Sized {
  readonly length: number;
}

/** What one run may hold. */
export interface Budget {
  /** Most tokens of one run. One row always runs, however long. */
  readonly budgetTokens: number;
  /** Whether rows are padded to the longest, so that each of them costs as much as that one. */
  readonly padded: boolean;
}

/**
 * The next batch: the oldest of `own`, and those of `own` nearest to it in length, as long as the
 * budget lasts; then those of `others` for which there is room left. Shortest row first. The oldest
 * of `own` (the first) is always taken, so that nothing waits for ever.
 *
 * Neighbours in length waste least where rows are padded, and take about as long where they are not.
 */
export function nextBatch<T extends Sized>(
  own: readonly T[],
  others: readonly T[],
  { budgetTokens, padded }: Budget,
): readonly T[] {
  const oldest = own[0];
  if (oldest === undefined) return [];
  const batch = [oldest];
  let longest = oldest.length;
  let sum = oldest.length;
  for (const waiting of [own.slice(1), others]) {
    for (const row of nearest(waiting, oldest.length)) {
      const wouldBe = Math.max(longest, row.length);
      const tokens = padded ? (batch.length + 1) * wouldBe : sum + row.length;
      if (tokens > budgetTokens) continue;
      batch.push(row);
      longest = wouldBe;
      sum += row.length;
    }
  }
  return batch.sort((a, b) => a.length - b.length);
}

/** Those nearest to `length` first; of two that are as near, the shorter. */
function nearest<T extends Sized>(rows: readonly T[], length: number): readonly T[] {
  const distance = (row: T): number => Math.abs(row.length - length);
  return rows.toSorted((a, b) => distance(a) - distance(b) || a.length - b.length);
}
