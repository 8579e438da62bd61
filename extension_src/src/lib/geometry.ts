/** Where an element can be seen, and above which others. */

import { flatAncestors } from "./flat-tree.ts";

/** Edges in CSS pixels, in the viewport's coordinates unless said otherwise. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

export function intersect(a: Box, b: Box): Box {
  return {
    left: Math.max(a.left, b.left),
    top: Math.max(a.top, b.top),
    right: Math.min(a.right, b.right),
    bottom: Math.min(a.bottom, b.bottom),
  };
}

/** Whether `inner` lies in `outer`, give or take `slack` pixels. */
export function contains(outer: Box, inner: Box, slack = 0): boolean {
  return (
    inner.left >= outer.left - slack &&
    inner.top >= outer.top - slack &&
    inner.right <= outer.right + slack &&
    inner.bottom <= outer.bottom + slack
  );
}

/** Elements that cut off what `element` shows outside of them (CSS 2.2, 11.1.1), innermost first. */
export function clippingAncestors(element: Element): readonly Element[] {
  const found: Element[] = [];
  let position = getComputedStyle(element).position;
  for (const ancestor of flatAncestors(element)) {
    if (ancestor === element) continue;
    // The document's own scroller moves everything with it.
    if (ancestor === document.documentElement || ancestor === document.body) break;
    if (position === "fixed") break;
    const style = getComputedStyle(ancestor);
    if (position === "absolute" && style.position === "static") continue;
    position = style.position;
    if (style.overflowX !== "visible" || style.overflowY !== "visible") found.push(ancestor);
  }
  return found;
}

/** The part of `box` that these clipping ancestors let through. */
export function clip(box: Box, ancestors: readonly Element[]): Box {
  return ancestors.reduce<Box>(
    (left, ancestor) => intersect(left, ancestor.getBoundingClientRect()),
    box,
  );
}

function makesStackingContext(style: CSSStyleDeclaration): boolean {
  return (
    style.position === "fixed" ||
    style.position === "sticky" ||
    (style.position !== "static" && style.zIndex !== "auto") ||
    style.opacity !== "1" ||
    style.transform !== "none" ||
    style.filter !== "none" ||
    style.isolation === "isolate"
  );
}

/**
 * z-index of the outermost stacking context around `element`: what is painted at this level and
 * later in the document lies right above it, and below the menus and bars that the site stacks
 * higher. CSS 2.2, appendix E.
 */
export function stackLevel(element: Element): number {
  let level = 0;
  for (const ancestor of flatAncestors(element)) {
    const style = getComputedStyle(ancestor);
    if (makesStackingContext(style)) level = Number.parseInt(style.zIndex, 10) || 0;
  }
  return level;
}
