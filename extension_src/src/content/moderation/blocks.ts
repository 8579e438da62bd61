/**
 * Block-level text: which element a piece of text belongs to, and what that element says.
 *
 * A block is an element that is laid out as one (any `display` but inline and contents) and that
 * holds text of its own: text that no block inside of it holds. A comment of three paragraphs is
 * three blocks; a paragraph with links and emphasis is one.
 */

/** What the functions here ask about an element; a parameter, so that tests need no browser. */
export interface Page {
  /** Computed `display`. */
  readonly display: (element: Element) => string;
  readonly shadowRoot: (element: Element) => ShadowRoot | null;
  /** Elements of our own, which are not the page's content. */
  readonly isOurs: (element: Element) => boolean;
}

/** Elements whose text is not shown as text, or is being edited. */
const UNSHOWN: ReadonlySet<string> = new Set(
  (
    "script style noscript template head title textarea input select option datalist svg math " +
    "canvas video audio iframe frame object embed progress meter"
  ).split(" "),
);

/** Elements whose text is shown, and is no prose. */
const CODE: ReadonlySet<string> = new Set(["pre", "code", "samp", "kbd"]);

/** Elements that may have a shadow root (DOM standard, "valid shadow host name"). */
const SHADOW_HOSTS: ReadonlySet<string> = new Set(
  "article aside blockquote body div footer h1 h2 h3 h4 h5 h6 header main nav p section span".split(
    " ",
  ),
);

const ELEMENT = 1;
const TEXT = 3;

export function isElement(node: Node): node is Element {
  return node.nodeType === ELEMENT;
}

/** Whether nothing at or inside of `element` is ever judged. */
function isSkipped(element: Element, page: Page): boolean {
  const name = element.localName;
  if (UNSHOWN.has(name) || CODE.has(name) || page.isOurs(element)) return true;
  const editable = element.getAttribute("contenteditable");
  return (editable !== null && editable !== "false") || element.getAttribute("role") === "textbox";
}

function mayHostShadow(element: Element): boolean {
  return SHADOW_HOSTS.has(element.localName) || element.localName.includes("-");
}

function isInline(display: string): boolean {
  return display === "inline" || display === "contents" || display.startsWith("ruby");
}

/**
 * The block that text directly in `node` belongs to; null where nothing is judged. In a shadow root
 * whose outermost elements are inline, such an element is the block.
 */
export function blockOf(node: Node, page: Page): Element | null {
  let block: Element | null = null;
  let inline: Element | null = null;
  let at: Node | null = isElement(node) ? node : node.parentNode;
  for (; at !== null && isElement(at); at = at.parentNode) {
    if (isSkipped(at, page)) return null;
    if (block !== null) continue;
    const display = page.display(at);
    if (!isInline(display)) block = at;
    else if (display !== "contents") inline = at;
  }
  return block ?? inline;
}

/**
 * The block's own text, white space collapsed: what is said in it and in its inline elements, with
 * a newline for each line break and for each block that stands in between.
 */
export function ownText(block: Element, page: Page): string {
  const parts: string[] = [];
  collect(block, page, parts);
  return parts
    .join("")
    .replace(/[^\S\n]+/g, " ")
    .replace(/ ?\n[ \n]*/g, "\n")
    .trim();
}

function collect(element: Element, page: Page, parts: string[]): void {
  for (let child = element.firstChild; child !== null; child = child.nextSibling) {
    if (child.nodeType === TEXT) parts.push((child.nodeValue ?? "").replace(/\s+/g, " "));
    if (!isElement(child)) continue;
    if (child.localName === "br") parts.push("\n");
    else if (isSkipped(child, page)) parts.push(" ");
    else {
      const display = page.display(child);
      if (isInline(display)) collect(child, page, parts);
      else if (display !== "none") parts.push("\n");
    }
  }
}

/** What a walk finds, in document order. */
export type Find =
  | { readonly kind: "block"; readonly element: Element }
  | { readonly kind: "root"; readonly root: ShadowRoot }
  /** An element passed on the way, so that the caller can stop to keep within its time. */
  | { readonly kind: "step"; readonly element: Element };

/** All blocks in and at `root`, and the shadow roots in it (whose inside is a walk of its own). */
export function* walk(root: Element | ShadowRoot, page: Page): Generator<Find, void> {
  const starts = isElement(root) ? [root] : [...root.children];
  for (let start = starts.shift(); start !== undefined; start = starts.shift()) {
    const block = blockOf(start, page);
    if (block !== null) yield* walkFrom(start, block, page);
    else if (page.display(start) === "contents") starts.unshift(...start.children);
  }
}

function* walkFrom(start: Element, block: Element, page: Page): Generator<Find, void> {
  const seen = new Set<Element>();
  // A stack of our own: generators that delegate to each other cost a resume per level and step.
  const stack: { readonly node: Node; readonly block: Element; readonly parent: Node | null }[] = [
    { node: start, block, parent: start.parentNode },
  ];
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    const { node } = at;
    // Moved or removed since: where it is now is news of its own, and `at.block` is not its block.
    if (node.parentNode !== at.parent) continue;
    if (!isElement(node)) {
      if (seen.has(at.block)) continue;
      seen.add(at.block);
      yield { kind: "block", element: at.block };
      continue;
    }
    yield { kind: "step", element: node };
    if (isSkipped(node, page)) continue;
    if (mayHostShadow(node)) {
      const shadow = page.shadowRoot(node);
      if (shadow !== null) yield { kind: "root", root: shadow };
    }
    const inside = node === start || isInline(page.display(node)) ? at.block : node;
    for (let child = node.lastChild; child !== null; child = child.previousSibling) {
      const isText = child.nodeType === TEXT && /\S/.test(child.nodeValue ?? "");
      if (isText || isElement(child)) stack.push({ node: child, block: inside, parent: node });
    }
  }
}

/** Text with fewer letters says too little to be judged. */
export function isWorthJudging(text: string): boolean {
  return /(\p{L}[^\p{L}]*){3}/u.test(text);
}

/** Most characters of text that a veil may cover besides the text it is meant for. */
const BYCATCH_CHARACTERS = 1000;

/**
 * Whether hiding the block for its own text is right: a stray line of text directly in a page's
 * outermost container must not hide the whole page.
 */
export function isVeilable(block: Element, ownCharacters: number, page: Page): boolean {
  const limit = Math.max(ownCharacters * 3, BYCATCH_CHARACTERS);
  return shownCharacters(block, page, limit) <= limit;
}

/**
 * Characters of text that hiding `node` would hide, white space collapsed: scripts and other data
 * that a reader never sees do not count, code does. Stops once it is over `limit`.
 */
function shownCharacters(node: Node, page: Page, limit: number): number {
  if (node.nodeType === TEXT) return (node.nodeValue ?? "").replace(/\s+/g, " ").trim().length;
  if (!isElement(node) || UNSHOWN.has(node.localName) || page.isOurs(node)) return 0;
  let characters = 0;
  for (let child = node.firstChild; child !== null; child = child.nextSibling) {
    characters += shownCharacters(child, page, limit - characters);
    if (characters > limit) break;
  }
  return characters;
}
