/** Remembers which inputs were password fields: one whose text is shown still holds a password. */
export class PasswordMemory {
  readonly #seen = new WeakSet<Element>();
  readonly #watched = new WeakSet<Node>();
  readonly #types: MutationObserver;

  constructor(signal: AbortSignal) {
    this.#types = new MutationObserver((records) => this.#read(records));
    signal.addEventListener("abort", () => this.#types.disconnect());
  }

  /**
   * Sees every change of an input's type in a document or shadow root from now on: in a document
   * also after document.open(), which ends listeners but not observers.
   */
  watch(root: Node): void {
    if (this.#watched.has(root)) return;
    this.#watched.add(root);
    this.#types.observe(root, {
      subtree: true,
      attributes: true,
      attributeFilter: ["type"],
      attributeOldValue: true,
    });
  }

  wasPassword(element: Element): boolean {
    // A script that shows a password and enters the field is not done yet when focus events are
    // sent; what it changed is told only afterwards to those who do not ask.
    this.#read(this.#types.takeRecords());
    if (element instanceof HTMLInputElement && element.type === "password") this.#seen.add(element);
    return this.#seen.has(element);
  }

  #read(records: readonly MutationRecord[]): void {
    for (const { target, oldValue } of records) {
      if (oldValue?.toLowerCase() === "password" && target instanceof Element) this.#seen.add(target);
    }
  }
}
