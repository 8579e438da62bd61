/** What the model said about a text: a probability per label, or null where it abstained. */
export type Scores = readonly number[] | null;

/**
 * Scores by text, least recently used out first. In memory only: no page's text reaches a disk, and
 * it ends with the page. Holds what was answered and nothing else: a failure is not an answer.
 */
export class ScoreCache {
  readonly #maxCharacters: number;
  readonly #scores = new Map<string, Scores>();
  #characters = 0;

  /** `maxCharacters` bounds the texts kept, about two bytes of memory each. */
  constructor(maxCharacters: number) {
    this.#maxCharacters = maxCharacters;
  }

  get size(): number {
    return this.#scores.size;
  }

  /** Undefined when the text was not judged, or so long ago that it was dropped. */
  get(text: string): Scores | undefined {
    const scores = this.#scores.get(text);
    if (scores === undefined) return undefined;
    this.#scores.delete(text);
    this.#scores.set(text, scores);
    return scores;
  }

  set(text: string, scores: Scores): void {
    if (this.#scores.delete(text)) this.#characters -= text.length;
    this.#scores.set(text, scores);
    this.#characters += text.length;
    for (const oldest of this.#scores.keys()) {
      if (this.#characters <= this.#maxCharacters) break;
      this.#scores.delete(oldest);
      this.#characters -= oldest.length;
    }
  }
}
