/**
 * The nodes that ghost text is drawn with, in our closed shadow root.
 *
 *   frame    over the field's inside, cuts off what would leave it
 *   └ sheet  as wide as the field's lines, moved with its scroll position
 *     ├ head   lines before the caret's paragraph, invisible
 *     └ line   the caret's paragraph: `typed`, invisible, and then `ghost`
 *   hint     the key that accepts
 */

import { createOverlay, type Overlay } from "../../lib/overlay.ts";

const GHOST_CSS = `
.frame { position: absolute; overflow: hidden; pointer-events: none; transform-origin: 0 0; }
.sheet { position: absolute; box-sizing: border-box; margin: 0; border: 0; }
.head, .line { display: block; }
[hidden] { display: none !important; }
.head, .typed { visibility: hidden; }
.ghost { opacity: 0.55; animation: appear 90ms ease-out; }
.ghost.rest { animation: none; }
.hint {
  position: absolute; pointer-events: none; box-sizing: border-box; padding: 0 5px;
  border-radius: 4px; opacity: 0.6; border: 1px solid currentColor;
  font: 500 11px/16px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
.status {
  position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%);
  white-space: nowrap;
}
@keyframes appear { from { opacity: 0; } }
@media (prefers-reduced-motion: reduce) { .ghost { animation: none; } }
@media (forced-colors: active) {
  .ghost { opacity: 1; color: GrayText !important; -webkit-text-fill-color: GrayText !important; }
  .hint { opacity: 1; color: GrayText !important; }
}
`;

export interface Frame {
  readonly overlay: Overlay;
  readonly frame: HTMLElement;
  readonly sheet: HTMLElement;
  readonly head: HTMLElement;
  readonly line: HTMLElement;
  readonly typed: Text;
  readonly ghost: Text;
  /** The element around `ghost`. */
  readonly ghostBox: HTMLElement;
  readonly hint: HTMLElement;
  /** Read out by screen readers when it changes. */
  readonly status: HTMLElement;
}

export function createFrame(parent: Element): Frame {
  const overlay = createOverlay(parent, "completion", GHOST_CSS);
  const make = (className: string): HTMLElement => {
    const element = document.createElement("div");
    element.className = className;
    return element;
  };
  const frame = make("frame");
  const sheet = make("sheet");
  const head = make("head");
  const line = make("line");
  const hint = make("hint");
  const status = make("status");
  const typedBox = document.createElement("span");
  typedBox.className = "typed";
  const ghostBox = document.createElement("span");
  ghostBox.className = "ghost";
  const typed = document.createTextNode("");
  const ghost = document.createTextNode("");
  typedBox.append(typed);
  ghostBox.append(ghost);
  line.append(typedBox, ghostBox);
  sheet.append(head, line);
  frame.append(sheet);
  frame.hidden = true;
  hint.hidden = true;
  for (const drawing of [frame, hint]) drawing.setAttribute("aria-hidden", "true");
  status.setAttribute("role", "status");
  overlay.root.append(frame, hint, status);
  return { overlay, frame, sheet, head, line, typed, ghost, ghostBox, hint, status };
}

/** Puts the frame over `box` of the viewport, whose content is `scale` times its CSS size. */
export function placeFrame(
  { overlay, frame }: Frame,
  box: { readonly left: number; readonly top: number; readonly width: number; readonly height: number },
  scale: number,
  level: number,
): void {
  const origin = overlay.origin();
  const { style } = frame;
  style.left = `${box.left - origin.left}px`;
  style.top = `${box.top - origin.top}px`;
  style.width = `${box.width / scale}px`;
  style.height = `${box.height / scale}px`;
  style.transform = scale === 1 ? "none" : `scale(${scale})`;
  style.zIndex = String(level);
}
