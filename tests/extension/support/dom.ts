/**
 * A document of plain objects, as much of one as reading text needs. Written as nested lists:
 * `el("p", {}, "Hello ", el("b", {}, "you"))`.
 */

export type Attributes = { readonly [name: string]: string };

class FakeNode {
  parentNode: FakeElement | null = null;
  readonly nodeType: number;
  readonly nodeValue: string | null;

  constructor(nodeType: number, nodeValue: string | null) {
    this.nodeType = nodeType;
    this.nodeValue = nodeValue;
  }

  get previousSibling(): FakeNode | null {
    return this.#sibling(-1);
  }

  get nextSibling(): FakeNode | null {
    return this.#sibling(1);
  }

  #sibling(step: number): FakeNode | null {
    const siblings = this.parentNode?.childNodes ?? [];
    return siblings[siblings.indexOf(this) + step] ?? null;
  }
}

class FakeElement extends FakeNode {
  readonly localName: string;
  readonly attributes: Attributes;
  readonly childNodes: readonly FakeNode[];

  constructor(localName: string, attributes: Attributes, children: readonly (FakeNode | string)[]) {
    super(1, null);
    this.localName = localName;
    this.attributes = attributes;
    this.childNodes = children.map((child) =>
      typeof child === "string" ? new FakeNode(3, child) : child,
    );
    for (const child of this.childNodes) child.parentNode = this;
  }

  get firstChild(): FakeNode | null {
    return this.childNodes[0] ?? null;
  }

  get lastChild(): FakeNode | null {
    return this.childNodes.at(-1) ?? null;
  }

  getAttribute(name: string): string | null {
    return this.attributes[name] ?? null;
  }
}

export type { FakeElement };

export function el(
  localName: string,
  attributes: Attributes = {},
  ...children: readonly (FakeElement | string)[]
): FakeElement {
  return new FakeElement(localName, attributes, children);
}

/** The first element with this id in and at `root`. */
export function byId(root: FakeElement, id: string): FakeElement {
  const found = find(root, id);
  if (found === null) throw new Error(`no element with id ${id}`);
  return found;
}

function find(root: FakeElement, id: string): FakeElement | null {
  if (root.attributes["id"] === id) return root;
  for (const child of root.childNodes) {
    const found = child instanceof FakeElement ? find(child, id) : null;
    if (found !== null) return found;
  }
  return null;
}

/** For functions that take the browser's own type. */
export function asElement(element: FakeElement): Element {
  return element as unknown as Element;
}

const INLINE = new Set("a b i em strong span code br u mark small bdi x-inline".split(" "));

/** `display` of an element as the browser's default style sheet, or its `display` attribute, has it. */
export function displayOf(element: Element): string {
  return element.getAttribute("display") ?? (INLINE.has(element.localName) ? "inline" : "block");
}
