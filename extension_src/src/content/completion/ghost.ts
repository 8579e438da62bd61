/**
 * Ghost text: how a text may go on, drawn after the caret and nowhere else.
 *
 * Shown is only what can be shown as it would be typed: words that do not fit into the field are
 * left off, and nothing is drawn where the typed text would have to move for it or where there is
 * text below in the way.
 */

import type { Translate } from "../../lib/labels.ts";
import { contains, type Box } from "../../lib/geometry.ts";
import { overlayParent } from "../../lib/overlay.ts";
import { layControl, layEditable, SLACK_PX, type Lines } from "./caret.ts";
import { caretIn } from "./context.ts";
import type { Field } from "./fields.ts";
import { createFrame } from "./frame.ts";

export interface Ghost {
  /**
   * Draws as many whole words of `text` as there is room for and returns them; empty if none.
   * `hasTextBelow` keeps it to the caret's own line.
   */
  draw(text: string, options: { readonly hasTextBelow: boolean; readonly isRest: boolean }): string;
  hide(): void;
  /** Whether the person can see all of what was drawn right now. */
  isVisible(): boolean;
}

export interface GhostOptions {
  readonly field: Field;
  readonly translate: Translate;
  /** Whether to name the key that accepts. */
  readonly hasHint: () => boolean;
}

/** Ghost text for one field; ends with `signal`. */
export function createGhost(options: GhostOptions, signal: AbortSignal): Ghost {
  const { field, translate } = options;
  const nodes = createFrame(overlayParent(field.element));
  const { frame, sheet, ghost, ghostBox, hint, status } = nodes;
  hint.textContent = translate("ghost_key");
  let drawn: { readonly text: string; readonly lines: Lines } | null = null;
  signal.addEventListener("abort", () => nodes.overlay.remove());

  function hide(): void {
    drawn = null;
    frame.hidden = true;
    hint.hidden = true;
    ghost.data = "";
    status.textContent = "";
  }

  function lay(): Lines | null {
    if (field.kind === "control") return layControl(field.element, nodes);
    const caret = caretIn(field.element);
    return caret === null ? null : layEditable(field.element, caret, nodes);
  }

  function draw(text: string, { hasTextBelow, isRest }: Parameters<Ghost["draw"]>[1]): string {
    nodes.overlay.attach();
    frame.hidden = false;
    hint.hidden = true;
    ghost.data = "";
    const lines = lay();
    if (lines === null) {
      hide();
      return "";
    }
    ghostBox.style.color = lines.colour;
    ghostBox.style.setProperty("-webkit-text-fill-color", lines.colour);
    ghostBox.classList.toggle("rest", isRest);
    const fitting = prefixes(text).find((prefix) => fits(prefix, lines, hasTextBelow));
    if (fitting === undefined) {
      hide();
      return "";
    }
    drawn = { text: fitting, lines };
    if (options.hasHint()) placeHint(lines);
    if (!isRest) status.textContent = translate("ghost_announce", fitting.trim());
    return fitting;
  }

  function fits(text: string, { caret, room }: Lines, hasTextBelow: boolean): boolean {
    ghost.data = text;
    if (caret !== null && field.kind === "editable") alignWith(caret);
    const rects = rectsOf(ghost);
    const first = rects[0];
    if (first === undefined) return false;
    if (caret !== null && !touches(caret, first)) return false;
    if (hasTextBelow && rects.some((rect) => Math.abs(rect.top - first.top) > SLACK_PX)) return false;
    return rects.every((rect) => contains(room, rect, SLACK_PX));
  }

  /** Rich content: the line box has the right metrics already; only its baseline has to be found. */
  function alignWith(caret: Box): void {
    const first = rectsOf(ghost)[0];
    if (first === undefined) return;
    const scale = frame.offsetWidth === 0 ? 1 : frame.getBoundingClientRect().width / frame.offsetWidth;
    const top = Number.parseFloat(sheet.style.top) + (caret.top - first.top) / scale;
    sheet.style.top = `${top}px`;
  }

  function placeHint({ room, colour }: Lines): void {
    const last = rectsOf(ghost).at(-1);
    if (last === undefined) return;
    const origin = nodes.overlay.origin();
    hint.hidden = false;
    hint.style.color = colour;
    hint.style.zIndex = frame.style.zIndex;
    const isRtl = sheet.style.direction === "rtl";
    const left = isRtl ? last.left - 8 - hint.offsetWidth : last.right + 8;
    const top = (last.top + last.bottom - hint.offsetHeight) / 2;
    hint.style.left = `${left - origin.left}px`;
    hint.style.top = `${top - origin.top}px`;
    hint.hidden = !contains(room, hint.getBoundingClientRect());
  }

  function isVisible(): boolean {
    if (drawn === null || document.visibilityState !== "visible") return false;
    const { owner } = drawn.lines;
    if (!owner.checkVisibility({ opacityProperty: true, visibilityProperty: true })) return false;
    const rects = rectsOf(ghost);
    return rects.length > 0 && rects.every((rect) => isOnTop(owner, rect));
  }

  return { draw, hide, isVisible };
}

/** The text, and the text without its last word, its last two words …, longest first. */
export function prefixes(text: string): readonly string[] {
  const ends = [...text.matchAll(/\S+/g)].map((word) => word.index + word[0].length);
  return ends.reverse().map((end) => text.slice(0, end));
}

function rectsOf(text: Text): readonly DOMRect[] {
  const range = document.createRange();
  range.selectNodeContents(text);
  return [...range.getClientRects()].filter((rect) => rect.width > 0);
}

/** Whether ghost text begins where typed text ends: in its line, at its side. */
function touches(caret: Box, first: Box): boolean {
  return (
    Math.abs(caret.top - first.top) <= SLACK_PX &&
    (Math.abs(caret.right - first.left) <= SLACK_PX || Math.abs(caret.left - first.right) <= SLACK_PX)
  );
}

/** Whether the page shows the field in the middle of `rect`, and nothing that lies over it. */
function isOnTop(owner: Element, rect: DOMRect): boolean {
  const tree = owner.getRootNode() as Document | ShadowRoot;
  const hit = tree.elementFromPoint((rect.left + rect.right) / 2, (rect.top + rect.bottom) / 2);
  return hit !== null && (owner.contains(hit) || hit.contains(owner));
}
