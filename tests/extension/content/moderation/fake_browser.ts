/** As much of a browser around a fake document as watching it needs: observers and frames. */

import { asElement, displayOf, el, type FakeElement } from "../../support/dom.ts";
import type { Page } from "../../../../extension_src/src/content/moderation/blocks.ts";

class FakeShadowRoot {
  readonly nodeType = 11;
  readonly isConnected = true;
  readonly children: readonly FakeElement[];

  constructor(children: readonly FakeElement[]) {
    this.children = children;
  }
}

/** What a page's tree is before any of it was seen. */
export interface Bench {
  readonly document: Document;
  readonly page: Page;
  /** How often each element was passed by a walk. */
  readonly passes: Map<Element, number>;
  /** Overrides `display` as a style sheet does that comes in late. */
  readonly restyle: (element: FakeElement, display: string) => void;
  /** What `attachShadow` does, with children in it. */
  readonly open: (host: FakeElement, ...children: readonly FakeElement[]) => void;
  /** Tells of these elements as added to the page, in one batch of records. */
  readonly add: (...elements: readonly FakeElement[]) => void;
  readonly load: () => void;
  /** Runs frames until there are none; all blocks are in view. Gives the number of frames. */
  readonly settle: () => number;
}

/** A browser of its own for one test, which replaces the globals of the one before. */
export function openPage(...body: readonly (FakeElement | string)[]): Bench {
  const frames: (() => void)[] = [];
  const displays = new Map<Element, string>();
  const roots = new Map<Element, ShadowRoot>();
  const passes = new Map<Element, number>();
  const unseen = new Set<Element>();
  const view = new EventTarget();
  let mutate = (_records: readonly object[]): void => undefined;
  let intersect = (_entries: readonly object[]): void => undefined;
  const nothing = (): void => undefined;
  const html = el("html", {}, el("body", {}, ...body));
  connect(html);

  const document = Object.assign(new EventTarget(), {
    documentElement: html,
    defaultView: view,
    isConnected: true,
    hidden: false,
    querySelectorAll: () => [],
  });
  Object.assign(globalThis, {
    document,
    window: view,
    ShadowRoot: FakeShadowRoot,
    requestAnimationFrame: (run: () => void) => frames.push(run),
    requestIdleCallback: (run: () => void) => frames.push(run),
    matchMedia: () => new EventTarget(),
    ResizeObserver: class {
      observe = nothing;
      disconnect = nothing;
    },
    MutationObserver: class {
      observe = nothing;
      disconnect = nothing;
      constructor(tell: typeof mutate) {
        mutate = tell;
      }
    },
    IntersectionObserver: class {
      observe = (element: Element): void => void unseen.add(element);
      unobserve = (element: Element): void => void unseen.delete(element);
      disconnect = nothing;
      constructor(tell: typeof intersect) {
        intersect = tell;
      }
    },
  });

  return {
    document: document as unknown as Document,
    passes,
    page: {
      display: (element) => displays.get(element) ?? displayOf(element),
      isOurs: () => false,
      shadowRoot: (element) => {
        passes.set(element, (passes.get(element) ?? 0) + 1);
        return roots.get(element) ?? null;
      },
    },
    restyle: (element, display) => void displays.set(asElement(element), display),
    open: (host, ...children) => {
      for (const child of children) connect(child);
      roots.set(asElement(host), new FakeShadowRoot(children) as unknown as ShadowRoot);
    },
    add: (...elements) => {
      mutate(
        elements.map((element) => ({
          type: "childList",
          target: element.parentNode,
          addedNodes: [element],
          removedNodes: [],
        })),
      );
    },
    load: () => void view.dispatchEvent(new Event("load")),
    settle: () => {
      let count = 0;
      for (; frames.length > 0 || unseen.size > 0; count += 1) {
        if (count > 1000) throw new Error("frames without end");
        for (const run of frames.splice(0)) run();
        const entries = [...unseen].map((target) => ({ target, isIntersecting: true }));
        unseen.clear();
        intersect(entries);
      }
      return count;
    },
  };
}

function connect(element: FakeElement): void {
  Object.assign(element, { isConnected: true, matches: () => false });
  for (const child of element.childNodes) if ("childNodes" in child) connect(child as FakeElement);
}
