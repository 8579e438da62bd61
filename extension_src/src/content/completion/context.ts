/** The text around the caret, as the model and the trigger see it. */

import { LIMITS } from "../../protocol/messages.ts";
import type { Control, Field } from "./fields.ts";
import type { Context } from "./trigger.ts";

/** What is asked about an element's style; a parameter, so that tests need no browser. */
export interface TextStyle {
  readonly isBlock: (element: Element) => boolean;
  /** Whether white space and line breaks of the source are shown as they are. */
  readonly isPreserved: (element: Element) => boolean;
}

const TEXT = 3;
const ELEMENT = 1;

/** Null while something is selected, or when the caret is somewhere else. */
export function contextOf(field: Field, style: TextStyle): Context | null {
  if (field.kind === "control") return controlContext(field.element);
  const caret = caretIn(field.element);
  return caret === null ? null : editableContext(field.element, caret, style);
}

export function controlContext(
  control: Pick<Control, "value" | "selectionStart" | "selectionEnd">,
): Context | null {
  const { value, selectionStart: caret, selectionEnd } = control;
  if (caret === null || caret !== selectionEnd) return null;
  return cut(value.slice(0, caret), value.slice(caret));
}

/** A place between two characters or nodes, as in a Range. */
export interface Caret {
  readonly node: Node;
  readonly offset: number;
}

interface SelectingRoot {
  getSelection?(): Selection | null;
}

/** The collapsed selection inside of `root`. In a shadow root Chrome asks the root, not the document. */
export function caretIn(root: HTMLElement): Caret | null {
  const tree = root.getRootNode() as Node & SelectingRoot;
  const selection = tree.getSelection?.() ?? root.ownerDocument.getSelection();
  if (selection === null || selection.rangeCount === 0 || !selection.isCollapsed) return null;
  const { focusNode: node, focusOffset: offset } = selection;
  return node !== null && root.contains(node) ? { node, offset } : null;
}

/** Text of rich content, with a newline for each line break and each border of a block. */
export function editableContext(root: Element, caret: Caret, style: TextStyle): Context {
  return cut(
    textFrom(root, caret, "before", LIMITS.charactersBefore, style),
    textFrom(root, caret, "after", LIMITS.charactersAfter, style),
  );
}

/** Cut to the limits of a call, not between the halves of a surrogate pair. */
function cut(before: string, after: string): Context {
  return {
    before: before.slice(-LIMITS.charactersBefore).replace(/^[\uDC00-\uDFFF]/, ""),
    after: after.slice(0, LIMITS.charactersAfter).replace(/[\uD800-\uDBFF]$/, ""),
  };
}

/** Walks away from the caret until there are `limit` characters or the field ends. */
function textFrom(
  root: Element,
  caret: Caret,
  side: "before" | "after",
  limit: number,
  style: TextStyle,
): string {
  const isBefore = side === "before";
  let text = "";
  let crossedBlock = false;
  const add = (part: string): void => {
    if (part === "") return;
    const edge = crossedBlock ? "\n" : "";
    text = isBefore ? part + edge + text : text + edge + part;
    crossedBlock = false;
  };
  const next = (node: Node): Node | null => (isBefore ? node.previousSibling : node.nextSibling);

  let at: Node | null;
  let parent: Node = caret.node;
  if (caret.node.nodeType === TEXT) {
    const data = caret.node.nodeValue ?? "";
    add(shown(caret.node, isBefore ? data.slice(0, caret.offset) : data.slice(caret.offset), style));
    at = next(caret.node);
    parent = caret.node.parentNode ?? root;
  } else {
    at = caret.node.childNodes[isBefore ? caret.offset - 1 : caret.offset] ?? null;
  }
  while (text.length < limit) {
    if (at === null) {
      if (parent === root || parent.parentNode === null) break;
      if (style.isBlock(parent as Element)) crossedBlock = true;
      at = next(parent);
      parent = parent.parentNode;
      continue;
    }
    if (at.nodeType === TEXT) add(shown(at, at.nodeValue ?? "", style));
    else if (at.nodeType === ELEMENT) {
      const element = at as Element;
      if (element.localName === "br") add("\n");
      if (style.isBlock(element)) crossedBlock = true;
      const inner = isBefore ? element.lastChild : element.firstChild;
      if (inner !== null) {
        parent = element;
        at = inner;
        continue;
      }
    }
    parent = at.parentNode ?? root;
    at = next(at);
  }
  return text;
}

/** A text node as it is rendered: collapsed white space, without the marks that editors leave. */
function shown(node: Node, data: string, style: TextStyle): string {
  const parent = node.parentNode;
  const isPreserved = parent !== null && style.isPreserved(parent as Element);
  const collapsed = isPreserved ? data : data.replace(/[ \t\r\n\f]+/g, " ");
  return collapsed.replaceAll("\u00A0", " ").replace(/[\u200B\uFEFF]/g, "");
}
