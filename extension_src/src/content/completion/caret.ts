/**
 * Where the caret is, in pixels, and the lines that ghost text continues.
 *
 * A text control does not tell where its glyphs are. So its text is set once more, invisibly, with
 * the same metrics in a box of the same size: ghost text that follows there wraps as typed text
 * would. Rich content does tell, by Range: there the ghost starts with an indent at the caret.
 */

import { clip, clippingAncestors, intersect, stackLevel, type Box } from "../../lib/geometry.ts";
import type { Caret } from "./context.ts";
import type { Control } from "./fields.ts";
import { placeFrame, type Frame } from "./frame.ts";
import { copyMetrics, copyPaddings, pixels, textColour } from "./text-style.ts";

export interface Lines {
  /** Where the last typed character ends; null when nothing is typed in the caret's line. */
  readonly caret: Box | null;
  /** Where ghost text may be drawn. */
  readonly room: Box;
  /** What paints the field's own text. */
  readonly colour: string;
  /** The field's own element, for whoever asks what is really on top there. */
  readonly owner: Element;
}

/** Half a device pixel of a 2× screen and rounding: what still counts as the same place. */
export const SLACK_PX = 1;

/** Lays the frame over a text control. */
export function layControl(control: Control, frame: Frame): Lines | null {
  const caretAt = control.selectionStart;
  if (caretAt === null) return null;
  const style = getComputedStyle(control);
  const rect = control.getBoundingClientRect();
  if (rect.width === 0 || control.offsetWidth === 0) return null;
  const scale = scaleOf(rect.width, control.offsetWidth);
  const isMultiline = control instanceof HTMLTextAreaElement;
  const borders = (side: string, end: string): readonly [number, number] => [
    pixels(style.getPropertyValue(`border-${side}-width`)),
    pixels(style.getPropertyValue(`border-${end}-width`)),
  ];
  const [left, right] = borders("left", "right");
  const [top, bottom] = borders("top", "bottom");
  // Of an input, Firefox's client box is the content box and Chrome's the padding box. Of a
  // textarea both leave out the scroll bar, which no other property does.
  const width = isMultiline ? control.clientWidth : control.offsetWidth - left - right;
  const height = isMultiline ? control.clientHeight : control.offsetHeight - top - bottom;
  const inner = {
    left: rect.left + left * scale,
    top: rect.top + top * scale,
    width: width * scale,
    height: height * scale,
  };
  placeFrame(frame, inner, scale, stackLevel(control) + 1);
  const { sheet, head, line, typed } = frame;
  copyMetrics(style, sheet.style);
  copyPaddings(style, sheet.style);
  sheet.style.left = `${-control.scrollLeft}px`;
  sheet.style.top = `${-control.scrollTop}px`;
  sheet.style.width = `${width}px`;
  sheet.style.height = isMultiline ? "auto" : `${height}px`;
  // Browsers centre the only line of an input, whatever its height.
  sheet.style.display = isMultiline ? "block" : "flex";
  sheet.style.flexDirection = "column";
  sheet.style.justifyContent = "center";
  if (!isMultiline) sheet.style.whiteSpace = "pre";

  const before = control.value.slice(0, caretAt);
  const lineStart = before.lastIndexOf("\n") + 1;
  const above = before.slice(0, Math.max(0, lineStart - 1));
  // A block that ends in a line break, or has no text, needs something to make its last line.
  const shown = above === "" || above.endsWith("\n") ? `${above}\u200B` : above;
  head.hidden = lineStart === 0;
  if (head.textContent !== shown) head.textContent = shown;
  line.style.textIndent = lineStart === 0 ? "" : "0";
  typed.data = before.slice(lineStart);
  return {
    caret: endOf(typed),
    room: room(control, inner),
    colour: textColour(style),
    owner: control,
  };
}

/** Lays the frame over rich content, `caret` being in `root`. */
export function layEditable(root: HTMLElement, caret: Caret, frame: Frame): Lines | null {
  if (caret.node.nodeType !== Node.TEXT_NODE || caret.offset === 0) return null;
  const holder = caret.node.parentElement;
  if (holder === null) return null;
  const end = rectBefore(caret.node, caret.offset);
  if (end === null) return null;
  const block = blockAround(holder, root);
  const rect = block.getBoundingClientRect();
  const blockStyle = getComputedStyle(block);
  const scale = scaleOf(rect.width, block.offsetWidth);
  const outer = root.getBoundingClientRect();
  placeFrame(frame, outer, scale, stackLevel(root) + 1);

  const style = getComputedStyle(holder);
  const start = rect.left + (block.clientLeft + pixels(blockStyle.paddingLeft)) * scale;
  const stop =
    rect.left + (block.clientLeft + block.clientWidth - pixels(blockStyle.paddingRight)) * scale;
  const isRtl = style.direction === "rtl";
  const { sheet, head, line, typed } = frame;
  copyMetrics(style, sheet.style);
  sheet.style.padding = "0";
  sheet.style.display = "block";
  sheet.style.height = "auto";
  sheet.style.whiteSpace = "pre-wrap";
  sheet.style.textAlign = "start";
  sheet.style.textIndent = `${(isRtl ? stop - end.left : end.right - start) / scale}px`;
  sheet.style.left = `${(start - outer.left) / scale}px`;
  sheet.style.top = `${(end.top - outer.top) / scale}px`;
  sheet.style.width = `${(stop - start) / scale}px`;
  line.style.textIndent = "";
  head.hidden = true;
  head.textContent = "";
  typed.data = "";
  return { caret: end, room: room(root, outer), colour: textColour(style), owner: root };
}

/** How much a transform of the page enlarges an element; 1 but for rounding otherwise. */
function scaleOf(shown: number, laidOut: number): number {
  const scale = laidOut === 0 ? 1 : shown / laidOut;
  return Math.abs(scale - 1) < 0.01 ? 1 : scale;
}

function room(
  field: Element,
  inner: { readonly left: number; readonly top: number; readonly width: number; readonly height: number },
): Box {
  const box = {
    left: inner.left,
    top: inner.top,
    right: inner.left + inner.width,
    bottom: inner.top + inner.height,
  };
  const view = { left: 0, top: 0, right: innerWidth, bottom: innerHeight };
  return clip(intersect(box, view), clippingAncestors(field));
}

function endOf(text: Text): Box | null {
  return text.length === 0 ? null : rectBefore(text, text.length);
}

/** The character that ends at `offset` of a text node; null if it takes no place. */
function rectBefore(text: Node, offset: number): Box | null {
  const range = document.createRange();
  range.setStart(text, offset - 1);
  range.setEnd(text, offset);
  return [...range.getClientRects()].at(-1) ?? null;
}

function blockAround(element: HTMLElement, root: HTMLElement): HTMLElement {
  let at = element;
  while (at !== root && getComputedStyle(at).display.startsWith("inline")) {
    if (at.parentElement === null) return at;
    at = at.parentElement;
  }
  return at;
}
