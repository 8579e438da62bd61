/**
 * Watches a page for block-level text: what is there, what is added, what changes, and what comes
 * into view. Works in slices, so that no task of ours is long, and not at all while the tab is
 * hidden (animation frames stop there).
 */

import { blockOf, isElement, walk, type Find, type Page } from "./blocks.ts";
import type { Lane } from "./queue.ts";

/** Main-thread time of one slice, ms: half a frame at 60 Hz. */
const SLICE_MS = 8;
/** How much around the view counts as in view, so that scrolling meets judged text. */
const NEAR = "50% 0px";

export interface Sights {
  /** A block with text of its own: new, changed, or newly in or out of view. */
  readonly onBlock: (block: Element, lane: Lane) => void;
  /** Something changed on the page: places may have moved, elements may be gone. */
  readonly onChange: () => void;
}

export function observe(document: Document, page: Page, sights: Sights, signal: AbortSignal): void {
  const lanes = new WeakMap<Element, Lane>();
  const roots = new Set<Node>();
  /** Custom elements that had no shadow root when they were met: it may be attached later. */
  const unopened = new Set<Element>();
  /** Subtrees to walk and blocks to read again, in this order. */
  const added = new Set<Element | ShadowRoot>();
  /** Parents of text that came or went; true where a block may have come to be. */
  const changed = new Map<Element, boolean>();
  let walking: Generator<Find, void> | null = null;
  let scheduled = false;

  const intersections = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        const lane = isIntersecting ? "visible" : "rest";
        if (lanes.get(target) === lane) continue;
        lanes.set(target, lane);
        if (target.isConnected) sights.onBlock(target, lane);
      }
    },
    { rootMargin: NEAR },
  );

  const mutations = new MutationObserver((records) => {
    for (const { target, addedNodes, removedNodes, type } of records) {
      for (const node of addedNodes) {
        if (isElement(node)) added.add(node);
        else changedAt(target, true);
      }
      if (removedNodes.length > 0 || type === "characterData") changedAt(target, type !== "childList");
    }
    schedule();
  });

  function changedAt(target: Node, isNew: boolean): void {
    const element = isElement(target) ? target : target.parentElement;
    if (element !== null) changed.set(element, isNew || changed.get(element) === true);
  }

  function follow(root: Document | ShadowRoot): void {
    if (roots.has(root)) return;
    roots.add(root);
    mutations.observe(root, { childList: true, characterData: true, subtree: true });
    if (root instanceof ShadowRoot) added.add(root);
    else if (root.documentElement !== null) added.add(root.documentElement);
    schedule();
  }

  function schedule(): void {
    if (scheduled || signal.aborted) return;
    scheduled = true;
    requestAnimationFrame(() => {
      scheduled = false;
      if (!signal.aborted) slice();
    });
  }

  function slice(): void {
    const end = performance.now() + SLICE_MS;
    for (const element of unopened) openShadow(element);
    while (performance.now() < end) {
      const found = walking?.next();
      if (found !== undefined && !found.done) {
        meet(found.value);
        continue;
      }
      walking = nextWalk();
      if (walking === null && !readNext()) {
        sights.onChange();
        return;
      }
    }
    schedule();
  }

  function nextWalk(): Generator<Find, void> | null {
    for (const root of added) {
      added.delete(root);
      if (root.isConnected) return walk(root, page);
    }
    return null;
  }

  function readNext(): boolean {
    for (const [element, isNew] of changed) {
      changed.delete(element);
      const block = element.isConnected ? blockOf(element, page) : null;
      if (block !== null && (isNew || lanes.has(block))) meetBlock(block);
      return true;
    }
    return false;
  }

  function meet(find: Find): void {
    if (find.kind === "block") meetBlock(find.element);
    else if (find.kind === "root") follow(find.root);
    else if (find.element.localName.includes("-")) unopened.add(find.element);
  }

  function openShadow(element: Element): void {
    const root = page.shadowRoot(element);
    if (root !== null) follow(root);
    if (root !== null || !element.isConnected) unopened.delete(element);
  }

  function meetBlock(block: Element): void {
    const lane = lanes.get(block);
    if (lane !== undefined) sights.onBlock(block, lane);
    else intersections.observe(block); // tells the lane within a frame
  }

  follow(document);
  // Elements are upgraded, and given their shadow roots, by scripts that change nothing else.
  document.defaultView?.addEventListener("load", schedule, { signal });
  signal.addEventListener("abort", () => {
    mutations.disconnect();
    intersections.disconnect();
  });
}
