/** Custom elements that had no shadow root when they were met: it may be attached later. */

/** Most elements looked at in one go: pages have thousands, and few of them ever open. */
const LOOKS = 200;

export class Unopened {
  /** True for an element that was defined and yet had no root when it was last looked at. */
  readonly #elements = new Map<Element, boolean>();
  /** How many have not had their turn yet; the first ones of the map. */
  #due = 0;

  add(element: Element): void {
    if (this.#elements.has(element)) return;
    this.#elements.set(element, false);
    this.#due += 1;
  }

  /** Something happened on the page: each may have been given a root. */
  lookAgain(): void {
    this.#due = this.#elements.size;
  }

  get isDue(): boolean {
    return this.#due > 0;
  }

  /**
   * Roots of the next elements that have one by now. An element is forgotten with its root, when it
   * is off the page, and when it is still closed a look after it was first seen defined: elements
   * open their roots while they are made, so by then most that have none are not going to.
   */
  look(rootOf: (element: Element) => ShadowRoot | null): readonly ShadowRoot[] {
    const roots: ShadowRoot[] = [];
    let looks = Math.min(LOOKS, this.#due);
    this.#due -= looks;
    for (const [element, hadItsChance] of this.#elements) {
      if (looks === 0) break;
      looks -= 1;
      this.#elements.delete(element);
      const root = rootOf(element);
      if (root !== null) roots.push(root);
      else if (element.isConnected && !hadItsChance) {
        this.#elements.set(element, element.matches(":defined"));
      }
    }
    return roots;
  }
}
