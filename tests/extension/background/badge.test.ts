import assert from "node:assert/strict";
import { test } from "node:test";

import {
  badgeText,
  withReport,
  type FrameReport,
  type TabCounts,
} from "../../../extension_src/src/background/badge.ts";

function shownAfter(...reports: readonly FrameReport[]): string {
  const counts = reports.reduce<TabCounts | undefined>(withReport, undefined);
  return counts === undefined ? "" : badgeText(counts);
}

const report = (frameId: number, veiled: number, page = 1): FrameReport => ({
  frameId,
  veiled,
  page,
});

const CASES: readonly (readonly [string, readonly FrameReport[], string])[] = [
  ["nothing veiled", [report(0, 0)], ""],
  ["frames are added up", [report(0, 2), report(4, 3)], "5"],
  ["a frame's newer count replaces its older one", [report(0, 2), report(0, 1)], "1"],
  ["a new page in the top frame forgets the old one", [report(0, 2), report(4, 3), report(0, 1, 2)], "1"],
  ["a subframe's document is none of the page's", [report(0, 2), report(4, 3, 3)], "5"],
  ["a subframe may be first", [report(4, 3, 3), report(0, 2)], "5"],
  ["numbers that do not fit", [report(0, 1000)], "999+"],
];

for (const [what, reports, text] of CASES) {
  test(`badge: ${what}`, () => assert.equal(shownAfter(...reports), text));
}
