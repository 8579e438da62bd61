/**
 * The number of veiled blocks on the toolbar button: the sum over the frames of a tab.
 *
 * Counts live in `storage.session` (memory, never disk), since the background forgets its own
 * variables whenever the browser suspends it.
 */

/** Counts of one tab. A new document in the top frame starts a new page. */
export interface TabCounts {
  readonly page: number;
  readonly frames: { readonly [frameId: string]: number };
}

export interface FrameReport {
  readonly frameId: number;
  /** Names the frame's document; only that of the top frame matters here. */
  readonly page: number;
  readonly veiled: number;
}

/** Counts after a frame reported. */
export function withReport(counts: TabCounts | undefined, report: FrameReport): TabCounts {
  const known = counts?.page ?? 0;
  const isTop = report.frameId === 0;
  // A subframe may report before the top frame does; then the page's name is still unknown.
  const isNewPage = isTop && known !== 0 && known !== report.page;
  return {
    page: isTop ? report.page : known,
    frames: { ...(isNewPage ? {} : counts?.frames), [report.frameId]: report.veiled },
  };
}

/** Text of the badge: nothing for zero, at most four characters. */
export function badgeText(counts: TabCounts): string {
  const veiled = Object.values(counts.frames).reduce((sum, count) => sum + count, 0);
  if (veiled === 0) return "";
  return veiled > 999 ? "999+" : String(veiled);
}
