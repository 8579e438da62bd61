/** The tree as it is rendered: shadow roots in place, slotted nodes in their slots. */

/** Element that `element` is rendered in; null for the document element. */
function flatParent(element: Element): Element | null {
  if (element.assignedSlot !== null) return element.assignedSlot;
  if (element.parentElement !== null) return element.parentElement;
  const parent = element.parentNode;
  return parent instanceof ShadowRoot ? parent.host : null;
}

/** `element` and the elements it is rendered in, innermost first. */
export function* flatAncestors(element: Element): Generator<Element> {
  for (let at: Element | null = element; at !== null; at = flatParent(at)) yield at;
}
