/** Veils: a block hidden in its place, and a button over it that says why and shows it again. */

import { clip, clippingAncestors, stackLevel } from "../../lib/geometry.ts";
import { flatAncestors } from "../../lib/flat-tree.ts";
import { labelName, type Translate } from "../../lib/labels.ts";
import { createOverlay, overlayParent, type Overlay } from "../../lib/overlay.ts";
import { hide, type Hidden, type Styled } from "./hide.ts";
import type { Reason } from "./policy.ts";
import { schemeAt } from "./scheme.ts";
import { createSheet, type Sheet } from "./sheet.ts";
import { together } from "./together.ts";
import { VEIL_CSS } from "./veil-style.ts";

interface Veil {
  readonly block: Styled;
  readonly hidden: Hidden;
  readonly layer: Layer;
  readonly sheet: Sheet;
  /** What cuts the block off, and with it the sheet. */
  readonly clippers: readonly Element[];
  /** Sees the page rewrite what hides the block. */
  readonly rewrites: MutationObserver;
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
  readonly #signal: AbortSignal;
  readonly #veils = new Map<Element, Veil>();
  readonly #layers = new Map<Element, Layer>();
  readonly #resizes = new ResizeObserver(() => this.update());
  #scheduled = false;
  /** Veils without a place yet. Layout is computed once for all of a batch, not once for each. */
  #fresh: Veil[] = [];
  readonly #placeFresh = together(() => {
    const fresh = this.#fresh.filter((veil) => this.#veils.get(veil.block) === veil);
    this.#fresh = [];
    this.#place(fresh);
  });

  constructor(options: VeilsOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    const moved = { capture: true, passive: true, signal } as const;
    for (const event of ["scroll", "resize", "load", "transitionend", "animationend", "toggle"]) {
      window.addEventListener(event, () => this.update(), moved);
    }
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#restyle(), {
      signal,
    });
    this.#resizes.observe(document.documentElement);
    signal.addEventListener("abort", () => {
      this.liftAll();
      this.#resizes.disconnect();
      for (const { overlay } of this.#layers.values()) overlay.remove();
    });
  }

  get count(): number {
    return this.#veils.size;
  }

  blocks(): readonly Element[] {
    return [...this.#veils.keys()];
  }

  veil(block: Styled, reasons: readonly Reason[]): void {
    const names = reasons.map(({ label }) => labelName(label, this.#options.translate)).join(", ");
    const existing = this.#veils.get(block);
    if (existing !== undefined) {
      existing.sheet.explain(names);
      return;
    }
    const hadFocus = block.contains(document.activeElement);
    const sheet = createSheet({
      scheme: schemeAt(block),
      level: stackLevel(block) + 1,
      direction: this.#options.direction,
      translate: this.#options.translate,
      onReveal: (byKeyboard) => this.#reveal(block, byKeyboard),
    });
    sheet.explain(names);
    const veil: Veil = {
      block,
      sheet,
      layer: this.#layerFor(block),
      clippers: clippingAncestors(block),
      hidden: hide(block),
      // Answered in the next frame: a page that fights back at once must not spin with us.
      rewrites: new MutationObserver(() => this.update()),
    };
    this.#veils.set(block, veil);
    this.#insertInOrder(veil);
    this.#resizes.observe(block);
    veil.rewrites.observe(block, { attributes: true, attributeFilter: ["style", "aria-hidden"] });
    this.#fresh.push(veil);
    this.#placeFresh();
    // Whoever was reading with the keyboard stays where they were.
    if (hadFocus) sheet.focus();
    this.update();
  }

  lift(block: Element): void {
    const veil = this.#veils.get(block);
    if (veil === undefined) return;
    this.#veils.delete(block);
    this.#resizes.unobserve(block);
    veil.rewrites.disconnect();
    veil.hidden.restore();
    veil.sheet.element.remove();
    this.update(); // a veil inside of this one comes to light
  }

  liftAll(): void {
    for (const block of this.blocks()) this.lift(block);
  }

  /** Puts the sheets over their blocks again, with the next frame. */
  update(): void {
    if (this.#scheduled || this.#veils.size === 0) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      if (this.#signal.aborted) return;
      for (const { hidden } of this.#veils.values()) hidden.reapply();
      for (const { overlay } of this.#layers.values()) overlay.attach();
      this.#place([...this.#veils.values()]);
    });
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
    const overlay = createOverlay(parent, "moderation", VEIL_CSS);
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
    let next: Veil | null = null;
    for (const other of this.#veils.values()) {
      if (other.layer !== veil.layer || !follows(other.block, veil.block)) continue;
      if (next === null || follows(next.block, other.block)) next = other;
    }
    veil.layer.overlay.root.insertBefore(veil.sheet.element, next?.sheet.element ?? null);
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
      if (isSeen) veil.sheet.place(box, seen, origin);
      else veil.sheet.element.hidden = true;
    }
  }

  #isInsideVeil(block: Element): boolean {
    for (const ancestor of flatAncestors(block)) {
      if (ancestor !== block && this.#veils.has(ancestor)) return true;
    }
    return false;
  }

  #restyle(): void {
    for (const { block, sheet } of this.#veils.values()) sheet.tint(schemeAt(block));
  }
}

/** Whether `a` comes after `b` in the document. */
function follows(a: Node, b: Node): boolean {
  return (b.compareDocumentPosition(a) & Node.DOCUMENT_POSITION_FOLLOWING) !== 0;
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
