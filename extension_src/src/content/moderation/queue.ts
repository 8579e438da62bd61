/** Texts that wait to be judged: each once, what is in view before the rest. */

export type Lane = "visible" | "rest";

export class TextQueue {
  readonly #visible = new Set<string>();
  readonly #rest = new Set<string>();
  readonly #maxRest: number;

  /** `maxRest` bounds the texts out of view; more are refused and asked again when they come near. */
  constructor(maxRest: number) {
    this.#maxRest = maxRest;
  }

  has(lane: Lane): boolean {
    return (lane === "visible" ? this.#visible : this.#rest).size > 0;
  }

  /** Adds a text, or moves it up from the rest when it came into view. */
  add(text: string, lane: Lane): void {
    if (lane === "visible") {
      this.#rest.delete(text);
      this.#visible.add(text);
    } else if (!this.#visible.has(text) && this.#rest.size < this.#maxRest) {
      this.#rest.add(text);
    }
  }

  /** Forgets a text that nothing on the page says any more. */
  drop(text: string): void {
    this.#visible.delete(text);
    this.#rest.delete(text);
  }

  /** Takes the next texts of a lane out, oldest first, at most `max`. */
  take(lane: Lane, max: number): readonly string[] {
    const from = lane === "visible" ? this.#visible : this.#rest;
    const taken: string[] = [];
    for (const text of from) {
      if (taken.length === max) break;
      from.delete(text);
      taken.push(text);
    }
    return taken;
  }
}
