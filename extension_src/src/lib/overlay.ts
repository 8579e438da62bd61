/**
 * A layer of our own above the page: one element in the document, everything else in a closed
 * shadow root that the page can neither read nor style.
 *
 * The host is not a stacking context, so that what is drawn in it can be placed between the page's
 * own layers by z-index. Coordinates inside are relative to `origin()`.
 */

import type { Feature } from "../protocol/messages.ts";
import { flatAncestors } from "./flat-tree.ts";

/** Names a host's feature, so that a later life of its script knows what an earlier one left. */
const OWNER = "data-sidelight";

/** `:host` rules with !important win over the page's own (CSS Scoping 1, 3.3.1). */
const HOST_CSS = `
:host { all: initial !important; position: absolute !important; inset: 0 auto auto 0 !important;
  inline-size: 0 !important; block-size: 0 !important; display: block !important; }
@media print { :host { display: none !important; } }`;

export interface Overlay {
  readonly root: ShadowRoot;
  /** Viewport coordinates of the overlay's own (0, 0). */
  origin(): { readonly left: number; readonly top: number };
  /** Puts the host back if the page removed it, as pages do that rewrite their whole document. */
  attach(): void;
  remove(): void;
}

/**
 * Hosts of our overlays, which nothing of ours takes for the page's content. Each content script is
 * a bundle with modules of its own, so the set is kept where all of them find it: in the isolated
 * world that they share, and the page does not.
 */
const HOSTS = Symbol.for("sidelight.overlay-hosts");
const world = globalThis as typeof globalThis & { [HOSTS]?: WeakSet<Element> };
const hosts = (world[HOSTS] ??= new WeakSet());

export function isOverlayHost(element: Element): boolean {
  return hosts.has(element);
}

/**
 * The element that an overlay over `element` has to live in: the innermost thing in the top layer
 * (dialog, popover, full screen), above which nothing outside of it can be drawn or clicked.
 */
export function overlayParent(element: Element): Element {
  for (const ancestor of flatAncestors(element)) {
    if (ancestor.matches(":modal, :popover-open, :fullscreen")) return ancestor;
  }
  return element.ownerDocument.documentElement;
}

/** Removes the hosts of a script that was ended before it could do so; call it before any is made. */
export function removeLeftOvers(document: Document, owner: Feature): void {
  for (const host of document.querySelectorAll(`[${OWNER}="${owner}"]`)) host.remove();
}

export function createOverlay(parent: Element, owner: Feature, css: string): Overlay {
  const host = parent.ownerDocument.createElement("div");
  host.setAttribute(OWNER, owner);
  hosts.add(host);
  const root = host.attachShadow({ mode: "closed" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(HOST_CSS + css);
  root.adoptedStyleSheets = [sheet];
  parent.append(host);
  return {
    root,
    origin: () => {
      const { left, top } = host.getBoundingClientRect();
      return { left, top };
    },
    attach: () => {
      if (host.parentNode !== parent) parent.append(host);
    },
    remove: () => host.remove(),
  };
}
