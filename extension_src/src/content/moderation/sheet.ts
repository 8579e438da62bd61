/** The sheet that lies over a hidden block: one button that says why and shows the block again. */

import { intersect, type Box } from "../../lib/geometry.ts";
import type { Translate } from "../../lib/labels.ts";
import type { Scheme } from "./scheme.ts";

export interface SheetOptions {
  readonly scheme: Scheme;
  /** z-index in the page's outermost stacking context. */
  readonly level: number;
  readonly direction: "ltr" | "rtl";
  readonly translate: Translate;
  readonly onReveal: (byKeyboard: boolean) => void;
}

export interface Sheet {
  readonly element: HTMLElement;
  /** Names what was found, in running text. */
  explain(names: string): void;
  tint(scheme: Scheme): void;
  focus(): void;
  /** Lays the sheet over `box`, cut to `seen` (both in the viewport's coordinates). */
  place(box: Box, seen: Box, origin: { readonly left: number; readonly top: number }): void;
}

export function createSheet(options: SheetOptions): Sheet {
  const { translate } = options;
  const element = document.createElement("div");
  element.className = "veil";
  element.dir = options.direction;
  element.dataset["scheme"] = options.scheme;
  element.style.zIndex = String(options.level);
  const button = document.createElement("button");
  button.type = "button";
  const row = span("row");
  const why = span("why");
  const show = span("show");
  show.textContent = translate("veil_show");
  row.append(lamp(), why, show);
  button.append(row);
  element.append(button);
  button.addEventListener("click", (event) => {
    // Not a click that a script of the page made up; a key press counts no pointer clicks.
    if (event.isTrusted) options.onReveal(event.detail === 0);
  });
  return {
    element,
    explain: (names) => {
      why.textContent = translate("veil_why", names);
      button.setAttribute("aria-label", translate("veil_button", names));
    },
    tint: (scheme) => {
      element.dataset["scheme"] = scheme;
    },
    focus: () => button.focus({ preventScroll: true }),
    place: (box, seen, origin) => {
      element.hidden = false;
      const { style } = element;
      style.left = `${box.left - origin.left}px`;
      style.top = `${box.top - origin.top}px`;
      style.width = `${box.right - box.left}px`;
      style.height = `${box.bottom - box.top}px`;
      style.clipPath = insets(box, seen);
    },
  };
}

function span(className: string): HTMLSpanElement {
  const element = document.createElement("span");
  element.className = className;
  return element;
}

/** `clip-path` that cuts `box` to the part of it that is seen; none when all of it is. */
function insets(box: Box, seen: Box): string {
  const part = intersect(box, seen);
  const cuts = [
    part.top - box.top,
    box.right - part.right,
    box.bottom - part.bottom,
    part.left - box.left,
  ];
  if (cuts.every((cut) => cut < 0.5)) return "none";
  return `inset(${cuts.map((cut) => `${Math.max(0, cut)}px`).join(" ")})`;
}

const SVG = "http://www.w3.org/2000/svg";

/** The mark of Sidelight: a disc lit from one side. */
function lamp(): SVGSVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  const disc = document.createElementNS(SVG, "path");
  disc.setAttribute("d", "M8 1a7 7 0 0 1 0 14A7 7 0 0 1 8 1Zm0 1.5v11a5.5 5.5 0 0 0 0-11Z");
  disc.setAttribute("fill", "currentColor");
  disc.setAttribute("fill-rule", "evenodd");
  svg.append(disc);
  return svg;
}
