/**
 * Moderation of one page: blocks come in from the observer, verdicts go out to the veils.
 *
 *   observe ──block, lane──▶ read ──pieces──▶ cache ──unknown──▶ asker ──▶ model
 *                              ▲                │ known                     │
 *                              │                ▼                           │
 *                              └──changed?── decide ◀────────scores─────────┘
 *                                               │
 *                                   reasons? ───┴──▶ veil, or lift
 */

import type { Translate } from "../../lib/labels.ts";
import { removeLeftOvers } from "../../lib/overlay.ts";
import { Asker, type AskerOptions } from "./ask.ts";
import { isVeilable, isWorthJudging, ownText, type Page } from "./blocks.ts";
import { isStyled, showLeftOver } from "./hide.ts";
import { observe } from "./observe.ts";
import { reasons, type Thresholds } from "./policy.ts";
import type { Lane } from "./queue.ts";
import { ScoreCache, type Scores } from "./scores.ts";
import { split } from "./split.ts";
import { together } from "./together.ts";
import { Veils } from "./veil.ts";

/** About 4 MB of memory at the most, some twenty thousand comments. */
const CACHE_CHARACTERS = 2_000_000;
/** Texts that the person asked to see, remembered so that a re-rendered one stays open. */
const MAX_REVEALED = 500;

interface Reading {
  readonly text: string;
  readonly pieces: readonly string[];
  readonly lane: Lane;
}

export interface SessionOptions {
  readonly page: Page;
  readonly score: AskerOptions["score"];
  readonly codeOf: AskerOptions["codeOf"];
  readonly restTexts: AskerOptions["restTexts"];
  readonly labels: readonly string[];
  readonly thresholds: Thresholds;
  readonly translate: Translate;
  readonly direction: "ltr" | "rtl";
  /** The number of veiled blocks changed. */
  readonly onCount: (veiled: number) => void;
}

export interface Session {
  /** Decides again with new thresholds, from the scores that are known. */
  setThresholds(thresholds: Thresholds): void;
  describe(): { readonly veiled: number; readonly scanned: number };
}

/** Runs until `signal` aborts, which leaves the page as it was found. */
export function moderate(options: SessionOptions, signal: AbortSignal): Session {
  const { page, labels } = options;
  const readings = new Map<Element, Reading>();
  const waiting = new Map<string, Set<Element>>();
  const cache = new ScoreCache(CACHE_CHARACTERS);
  const revealed = new Set<string>();
  let thresholds = options.thresholds;
  let scanned = 0;
  let counted = 0;
  let sweptSize = 500;

  const asker = new Asker(
    {
      score: options.score,
      codeOf: options.codeOf,
      restTexts: options.restTexts,
      onScored,
      delay: (then, ms) => void setTimeout(then, ms),
      idle: (then) => void requestIdleCallback(then, { timeout: 2000 }),
    },
    signal,
  );
  const veils = new Veils(
    { translate: options.translate, direction: options.direction, onReveal: reveal },
    signal,
  );

  function onBlock(block: Element, lane: Lane): void {
    if (!readings.has(block) && isStyled(block)) showLeftOver(block);
    const text = ownText(block, page);
    if (readings.get(block)?.text !== text) {
      forget(block);
      if (!isWorthJudging(text)) return;
      scanned += 1;
    }
    readings.set(block, { text, pieces: split(text), lane });
    decide(block);
    count();
  }

  /** What was judged is not there any more: nothing that was found out about it holds. */
  function forget(block: Element): void {
    const reading = readings.get(block);
    readings.delete(block);
    veils.lift(block);
    for (const piece of reading?.pieces ?? []) {
      const blocks = waiting.get(piece);
      blocks?.delete(block);
      if (blocks?.size !== 0) continue;
      waiting.delete(piece);
      asker.drop(piece);
    }
  }

  function decide(block: Element): void {
    const reading = readings.get(block);
    if (reading === undefined) return;
    const known = reading.pieces.map((piece) => cache.get(piece)).filter((one) => one !== undefined);
    const why = revealed.has(reading.text) ? [] : reasons(known, labels, thresholds);
    if (why.length === 0) veils.lift(block);
    else if (isStyled(block) && isVeilable(block, reading.text.length, page)) {
      veils.veil(block, why);
    }
    // A block that is veiled already has nothing to learn from its other pieces.
    if (why.length === 0 && known.length < reading.pieces.length) ask(block, reading);
  }

  function ask(block: Element, { pieces, lane }: Reading): void {
    // Out of view and not rendered: it is asked for when it comes into view.
    if (lane === "rest" && !block.checkVisibility()) return;
    for (const piece of pieces) {
      if (cache.get(piece) !== undefined) continue;
      const blocks = waiting.get(piece) ?? new Set();
      waiting.set(piece, blocks.add(block));
      asker.add(piece, lane);
    }
  }

  function onScored(texts: readonly string[], scores: readonly Scores[]): void {
    const blocks = new Set<Element>();
    for (const [index, text] of texts.entries()) {
      const answer = scores[index];
      if (answer === undefined) continue;
      cache.set(text, answer);
      for (const block of waiting.get(text) ?? []) blocks.add(block);
      waiting.delete(text);
    }
    // Read again, so that a verdict only reaches the text that it was made from.
    for (const block of blocks) {
      const lane = readings.get(block)?.lane;
      if (lane !== undefined && block.isConnected) onBlock(block, lane);
    }
  }

  function reveal(block: Element): void {
    const text = readings.get(block)?.text;
    if (text !== undefined) revealed.add(text);
    for (const oldest of revealed) {
      if (revealed.size <= MAX_REVEALED) break;
      revealed.delete(oldest);
    }
    for (const [other, reading] of readings) if (reading.text === text) veils.lift(other);
    count();
  }

  function onGone(block: Element): void {
    forget(block);
    count();
  }

  function onChange(): void {
    for (const block of veils.blocks()) if (!block.isConnected) forget(block);
    veils.update();
    count();
    sweep();
  }

  /** Lets go of elements that the page has removed; a feed removes them for ever. */
  function sweep(): void {
    if (readings.size < 2 * sweptSize) return;
    for (const block of readings.keys()) if (!block.isConnected) forget(block);
    sweptSize = Math.max(500, readings.size);
  }

  /** One report of all that happens in one go, which may be a whole batch of veils. */
  const count = together(() => {
    if (signal.aborted || veils.count === counted) return;
    counted = veils.count;
    options.onCount(counted);
  });

  const hidden = (): void => {
    asker.paused = document.hidden;
  };
  document.addEventListener("visibilitychange", hidden, { signal });
  hidden();
  removeLeftOvers(document, "moderation");
  observe(document, page, { onBlock, onGone, onChange }, signal);
  signal.addEventListener("abort", () => {
    if (counted > 0) options.onCount(0);
  });

  return {
    setThresholds: (changed) => {
      if (labels.every((label) => changed[label] === thresholds[label])) return;
      thresholds = changed;
      asker.restart();
      // Read again, as after every answer: what was read may be long gone.
      for (const [block, { lane }] of [...readings]) {
        if (block.isConnected) onBlock(block, lane);
        else forget(block);
      }
      count();
    },
    describe: () => ({ veiled: veils.count, scanned }),
  };
}
