/** Veils: a block hidden in its place, and a button over it that says why and shows it again. */

import { clip, clippingAncestors, intersect, stackLevel, type Box } from "../../lib/geometry.ts";
import { flatAncestors, flatParent } from "../../lib/flat-tree.ts";
import { labelName, type Translate } from "../../lib/labels.ts";
import { createOverlay, overlayParent, type Overlay } from "../../lib/overlay.ts";
import { hide, type Hidden, type Styled } from "./hide.ts";
import type { Reason } from "./policy.ts";
import { schemeAt } from "./scheme.ts";
import { VEIL_CSS } from "./veil-style.ts";

interface Veil {
  readonly block: Styled;
  readonly hidden: Hidden;
  readonly layer: Layer;
  readonly sheet: HTMLElement;
  readonly button: HTMLButtonElement;
  readonly why: HTMLElement;
  clippers: readonly Element[];
}

/** An overlay of the page, or of a dialog in its top layer, with a voice for screen readers. */
interface Layer {
  readonly overlay: Overlay;
  readonly status: HTMLElement;
}

export interface VeilsOptions {
  readonly translate: Translate;
  /** The person asked to see the block. */
  readonly onReveal: (block: Element) => void;
  /** Direction of the strings that `translate` gives. */
  readonly direction: "ltr" | "rtl";
}

export class Veils {
  readonly #options: VeilsOptions;
  readonly #veils = new Map<Element, Veil>();
  readonly #layers = new Map<Element, Layer>();
  readonly #resizes = new ResizeObserver(() => this.update());
  readonly #rewrites: MutationObserver;
  #scheduled = false;

  constructor(options: VeilsOptions, signal: AbortSignal) {
    this.#options = options;
    this.#rewrites = new MutationObserver((records) => {
      // In a frame of its own: a page that fights back in its observer must not spin with ours.
      if (records.some(({ target }) => this.#veils.has(target as Element))) this.#onFrame(true);
    });
    const moved = { capture: true, passive: true, signal } as const;
    for (const event of ["scroll", "resize", "load", "transitionend", "animationend", "toggle"]) {
      window.addEventListener(event, () => this.update(), moved);
    }
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#restyle(), {
      signal,
    });
    signal.addEventListener("abort", () => {
      this.liftAll();
      this.#resizes.disconnect();
      for (const { overlay } of this.#layers.values()) overlay.remove();
    });
  }

  get count(): number {
    return this.#veils.size;
  }

  has(block: Element): boolean {
    return this.#veils.has(block);
  }

  blocks(): readonly Element[] {
    return [...this.#veils.keys()];
  }

  veil(block: Styled, reasons: readonly Reason[]): void {
    const existing = this.#veils.get(block);
    if (existing !== undefined) {
      this.#explain(existing, reasons);
      return;
    }
    const held = block.contains(document.activeElement) ? document.activeElement : null;
    const layer = this.#layerFor(block);
    const veil: Veil = {
      block,
      layer,
      ...this.#sheet(block),
      hidden: hide(block),
      clippers: clippingAncestors(block),
    };
    this.#explain(veil, reasons);
    this.#veils.set(block, veil);
    this.#insertInOrder(veil);
    this.#resizes.observe(block);
    this.#rewrites.observe(block, { attributes: true, attributeFilter: ["style", "aria-hidden"] });
    this.#place([veil]);
    // Whoever was reading with the keyboard stays where they were.
    if (held !== null) veil.button.focus({ preventScroll: true });
    this.update();
  }

  lift(block: Element): void {
    const veil = this.#veils.get(block);
    if (veil === undefined) return;
    this.#veils.delete(block);
    this.#resizes.unobserve(block);
    veil.hidden.restore();
    veil.sheet.remove();
    this.#watchRewritesAgain();
    this.update(); // a veil inside of this one comes to light
  }

  liftAll(): void {
    for (const block of this.blocks()) this.lift(block);
  }

  /** Puts the sheets over their blocks again, with the next frame. */
  update(): void {
    if (this.#veils.size > 0) this.#onFrame(false);
  }

  #onFrame(reapply: boolean): void {
    if (reapply) for (const { hidden } of this.#veils.values()) queueMicrotask(() => hidden);
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      for (const veil of this.#veils.values()) veil.hidden.reapply();
      for (const { overlay } of this.#layers.values()) overlay.attach();
      this.#place([...this.#veils.values()]);
    });
  }

  #sheet(block: Element): Pick<Veil, "sheet" | "button" | "why"> {
    const { translate, direction } = this.#options;
    const sheet = document.createElement("div");
    sheet.className = "veil";
    sheet.dir = direction;
    sheet.dataset["scheme"] = schemeAt(block);
    sheet.style.zIndex = String(stackLevel(block) + 1);
    const button = document.createElement("button");
    button.type = "button";
    const row = document.createElement("span");
    row.className = "row";
    const why = document.createElement("span");
    why.className = "why";
    const show = document.createElement("span");
    show.className = "show";
    show.textContent = translate("veil_show");
    row.append(lamp(), why, show);
    button.append(row);
    sheet.append(button);
    button.addEventListener("click", (event) => {
      if (event.isTrusted) this.#reveal(block, event.detail === 0);
    });
    return { sheet, button, why };
  }

  #explain(veil: Veil, reasons: readonly Reason[]): void {
    const { translate } = this.#options;
    const names = reasons.map(({ label }) => labelName(label, translate)).join(", ");
    veil.why.textContent = translate("veil_why", names);
    veil.button.setAttribute("aria-label", translate("veil_button", names));
  }

  #reveal(block: Element, byKeyboard: boolean): void {
    const status = this.#veils.get(block)?.layer.status;
    this.#options.onReveal(block);
    if (status !== undefined) status.textContent = this.#options.translate("veil_revealed");
    if (byKeyboard) focusOnce(block);
  }

  #layerFor(block: Element): Layer {
    const parent = overlayParent(block);
    const existing = this.#layers.get(parent);
    if (existing !== undefined) return existing;
    const overlay = createOverlay(parent, VEIL_CSS);
    const status = document.createElement("div");
    status.className = "status";
    status.setAttribute("role", "status");
    overlay.root.append(status);
    const layer = { overlay, status };
    this.#layers.set(parent, layer);
    return layer;
  }

  /** Keeps the buttons in the order of their blocks, so that Tab walks down the page. */
  #insertInOrder(veil: Veil): void {
    let next: Element | null = null;
    for (const other of this.#veils.values()) {
      if (other === veil || other.layer !== veil.layer) continue;
      const follows = veil.block.compareDocumentPosition(other.block) & Node.DOCUMENT_POSITION_FOLLOWING;
      if (follows === 0) continue;
      if (next === null || next.compareDocumentPosition(other.sheet) & Node.DOCUMENT_POSITION_PRECEDING) {
        next = other.sheet;
      }
    }
    veil.layer.overlay.root.insertBefore(veil.sheet, next);
  }

  /** All reads of layout before all writes, so that layout is computed once. */
  #place(veils: readonly Veil[]): void {
    const places = veils.map((veil) => {
      const box = veil.block.getBoundingClientRect();
      const seen = this.#isInsideVeil(veil.block) ? null : clip(box, veil.clippers);
      return { veil, box, seen, origin: veil.layer.overlay.origin() };
    });
    for (const { veil, box, seen, origin } of places) {
      const isSeen = seen !== null && seen.right - seen.left > 4 && seen.bottom - seen.top > 4;
      veil.sheet.hidden = !isSeen;
      if (!isSeen) continue;
      const { style } = veil.sheet;
      style.left = `${box.left - origin.left}px`;
      style.top = `${box.top - origin.top}px`;
      style.width = `${box.width}px`;
      style.height = `${box.height}px`;
      style.clipPath = insets(box, seen);
    }
  }

  #isInsideVeil(block: Element): boolean {
    const parent = flatParent(block);
    if (parent === null) return false;
    return flatAncestors(parent).some((ancestor) => this.#veils.has(ancestor));
  }

  #restyle(): void {
    for (const { block, sheet } of this.#veils.values()) sheet.dataset["scheme"] = schemeAt(block);
  }

  /** A MutationObserver cannot forget one node: forget all, then watch those that are left. */
  #watchRewritesAgain(): void {
    this.#rewrites.disconnect();
    for (const block of this.#veils.keys()) {
      this.#rewrites.observe(block, { attributes: true, attributeFilter: ["style", "aria-hidden"] });
    }
  }
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

/** Moves the focus to a block that was revealed, and leaves no trace on it afterwards. */
function focusOnce(block: Element): void {
  if (!(block instanceof HTMLElement)) return;
  if (!block.hasAttribute("tabindex")) {
    block.tabIndex = -1;
    block.addEventListener("blur", () => block.removeAttribute("tabindex"), { once: true });
  }
  block.focus({ preventScroll: true });
}

const SVG = "http://www.w3.org/2000/svg";

/** The mark of Sidelight: a disc lit from one side. */
function lamp(): SVGSVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  const disc = document.createElementNS(SVG, "circle");
  for (const [name, value] of Object.entries({ cx: 8, cy: 8, r: 6.25, "stroke-width": 1.5 })) {
    disc.setAttribute(name, String(value));
  }
  disc.setAttribute("fill", "none");
  disc.setAttribute("stroke", "currentColor");
  const lit = document.createElementNS(SVG, "path");
  lit.setAttribute("d", "M8 1.75a6.25 6.25 0 0 0 0 12.5c-2-1.6-3-3.7-3-6.25s1-4.650 3-6.250Z");
  lit.setAttribute("fill", "currentColor");
  svg.append(disc, lit);
  return svg;
}
