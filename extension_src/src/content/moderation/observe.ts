/**
 * Watches a page for block-level text: what is there, what is added, what changes, and what comes
 * into view. Works in slices, so that no task of ours is long, and not at all while the tab is
 * hidden (animation frames stop there).
 */

import { blockOf, isElement, walk, type Find, type Page } from "./blocks.ts";
import type { Lane } from "./queue.ts";
import { Unopened } from "./unopened.ts";

/** Main-thread time of one slice, ms: half a frame at 60 Hz. */
const SLICE_MS = 8;
/** How much around the view counts as in view, so that scrolling meets judged text. */
const NEAR = "50% 0px";

export interface Sights {
  /** A block with text of its own: new, changed, or newly in or out of view. */
  readonly onBlock: (block: Element, lane: Lane) => void;
  /** An element that was told as a block and is none any more, because of its style or its place. */
  readonly onGone: (element: Element) => void;
  /** Something changed on the page: places may have moved, elements may be gone. */
  readonly onChange: () => void;
}

export function observe(document: Document, page: Page, sights: Sights, signal: AbortSignal): void {
  const lanes = new WeakMap<Element, Lane>();
  const roots = new Set<Document | ShadowRoot>();
  const unopened = new Unopened();
  /** Subtrees to walk and blocks to read again, in this order. */
  const added = new Set<Element | ShadowRoot>();
  /** Parents of text that came or went; true where a block may have come to be. */
  const changed = new Map<Element, boolean>();
  let walking: Generator<Find, void> | null = null;
  let scheduled = false;
  let isNews = false;

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
    stir();
  });

  function changedAt(target: Node, isNew: boolean): void {
    const element = isElement(target) ? target : target.parentElement;
    if (element !== null) changed.set(element, isNew || changed.get(element) === true);
  }

  function follow(root: Document | ShadowRoot): void {
    if (roots.has(root)) return;
    roots.add(root);
    mutations.observe(root, { childList: true, characterData: true, subtree: true });
    walkAll(root);
  }

  function walkAll(root: Document | ShadowRoot): void {
    if (root instanceof ShadowRoot) added.add(root);
    else if (root.documentElement !== null) added.add(root.documentElement);
    schedule();
  }

  /** The page did something: custom elements may be open, places may have moved. */
  function stir(): void {
    isNews = true;
    unopened.lookAgain();
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
    while (performance.now() < end) {
      if (step()) continue;
      if (isNews) sights.onChange();
      isNews = false;
      // Last, so that looking for what may never come holds up nothing that is there.
      for (const root of unopened.look(page.shadowRoot)) follow(root);
      if (unopened.isDue) schedule();
      return;
    }
    schedule();
  }

  /** Does one thing of what there is to do; false if there was none. */
  function step(): boolean {
    const found = walking?.next();
    if (found !== undefined && !found.done) {
      meet(found.value);
      return true;
    }
    walking = nextWalk();
    return walking !== null || readNext();
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
      if (!element.isConnected) return true;
      const block = blockOf(element, page);
      if (block !== null && (isNew || lanes.has(block))) meetBlock(block);
      if (block !== element) unmeet(element);
      return true;
    }
    return false;
  }

  function meet(find: Find): void {
    if (find.kind === "block") meetBlock(find.element);
    else if (find.kind === "root") follow(find.root);
    else pass(find.element);
  }

  function pass(element: Element): void {
    // The parser tells each element, one in the other: each needs to be walked once only.
    added.delete(element);
    if (element.localName.includes("-")) unopened.add(element);
    // It may be a block no more, or have no text left; if it is met as one, that is soon enough.
    if (lanes.has(element)) changedAt(element, false);
  }

  function meetBlock(block: Element): void {
    changed.delete(block);
    const lane = lanes.get(block);
    if (lane !== undefined) sights.onBlock(block, lane);
    else intersections.observe(block); // tells the lane within a frame
  }

  function unmeet(element: Element): void {
    if (!lanes.delete(element)) return;
    intersections.unobserve(element);
    sights.onGone(element);
  }

  follow(document);
  // Elements are upgraded, and given their shadow roots, by scripts that change nothing else; and
  // what is a block was read before the style sheets were there that came in late.
  const onLoad = (): void => {
    for (const root of roots) if (root.isConnected) walkAll(root);
    stir();
  };
  document.defaultView?.addEventListener("load", onLoad, { signal });
  signal.addEventListener("abort", () => {
    mutations.disconnect();
    intersections.disconnect();
  });
}
